"""Make ``dist/assist``: the program and its packages in one file.

Run it as ``python -m assist_cli.deploy.onefile.build WHEEL TARGET``.

uv resolves the packages once for each Python version, with its markers. Files that several versions share are stored
once: for each set of versions there is an inner archive. So a start reads a few names, not three thousand. The same
inputs give the same bytes: sorted names, one time, one mode.
"""

from __future__ import annotations

import hashlib
import io
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Mapping
from pathlib import Path

from assist_cli.deploy import bundle
from assist_cli.paths import write_whole

VERSIONS = ("3.10", "3.11", "3.12", "3.13", "3.14")
EXTRAS = "[ansible,api,metrics,web]"  # nothing can be added to one file later
SHEBANG = b"#!/usr/bin/env python3\n"

# sqlite-utils needs pip only for a command that is not used here. bin/ has paths of this machine, and files for share/
# are not found in a cache.
LEFT_OUT = ("bin/", "share/", "pip/", "pip-")
# These files describe the installation itself, and differ between builds.
RECORDS = {"RECORD", "INSTALLER", "REQUESTED", "direct_url.json", "uv_build.json", "uv_cache.json"}

Files = dict[str, bytes]


def resolved(wheel: Path, version: str) -> Files:
    """Return the wheel and its packages for this Python, optional ones too, by their paths in site-packages."""
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(
            [
                *(sys.executable, "-m", "uv", "pip", "install", "--quiet", "--target", folder, "--link-mode", "copy"),
                *("--system-certs", "--only-binary", ":all:"),  # as pip does: a proxy may have its own authority
                *("--python", sys.executable, "--python-version", version, f"{wheel}{EXTRAS}"),
            ],
            check=True,
        )
        found = {path.relative_to(folder).as_posix(): path for path in Path(folder).rglob("*") if path.is_file()}
        return {
            name: path.read_bytes()
            for name, path in found.items()
            if not name.startswith(LEFT_OUT) and path.name not in RECORDS and not path.name.startswith(".")
        }


def packed(files: Mapping[str, bytes], compression: int = zipfile.ZIP_DEFLATED, start: bytes = b"") -> bytes:
    """Return an archive of these files, sorted by name, after the bytes ``start``."""
    buffer = io.BytesIO()
    buffer.write(start)
    with zipfile.ZipFile(buffer, "w") as archive:
        for name in sorted(files):
            bundle.add(archive, name, files[name], compression)
    return buffer.getvalue()


def assembled(trees: Mapping[str, Files]) -> bytes:
    """Return the bytes of the program, from the files for each Python."""
    files: dict[str, Files] = {}  # by the Python versions that share them
    for name in {name for tree in trees.values() for name in tree}:
        for data in {tree[name] for tree in trees.values() if name in tree}:
            versions = "+".join(version for version, tree in trees.items() if tree.get(name) == data)
            files.setdefault(versions, {})[name] = data
    parts = {f"{versions}.zip": packed(found) for versions, found in files.items()}
    digest = hashlib.sha256(packed(parts, zipfile.ZIP_STORED)).hexdigest()[:16]
    main = Path(__file__).with_name("unpack.py").read_text(encoding="utf-8")
    main = main.replace("@DIGEST@", digest).replace('"@VERSIONS@"', ", ".join(f'"{version}"' for version in trees))
    return packed({"__main__.py": main.encode(), **parts}, zipfile.ZIP_STORED, SHEBANG)


if __name__ == "__main__":
    needed = {version: resolved(Path(sys.argv[1]), version) for version in VERSIONS}
    write_whole(Path(sys.argv[2]), assembled(needed), 0o755)
