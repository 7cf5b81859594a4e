"""``dist/assist``: the program with all that it needs, as one file.

Made by ``python -m assist_cli.deploy.onefile.build WHEEL TARGET``.

Everything is resolved once for each Python by uv, which heeds the markers of that version. What several of them share
is kept once: there is one part for each set of versions, an archive of its own inside of the outer one, so that a start
reads a few names and not three thousand. The same inputs give the same bytes: names in order, one time, one mode.
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
EXTRAS = "[api,metrics]"  # who has one file cannot add to it
SHEBANG = b"#!/usr/bin/env python3\n"

# pip is wanted by sqlite-utils for a command that nobody can reach here, bin/ starts by a path of this machine, and
# what belongs into share/ of a system is not found by it in a cache.
LEFT_OUT = ("bin/", "share/", "pip/", "pip-")
# What tells how and where it was installed, and so differs from one build to the next.
RECORDS = {"RECORD", "INSTALLER", "REQUESTED", "direct_url.json", "uv_build.json", "uv_cache.json"}

Files = dict[str, bytes]


def resolved(wheel: Path, version: str) -> Files:
    """The wheel and all that it needs under this Python, or may need, by their paths in site-packages."""
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(
            [
                *(sys.executable, "-m", "uv", "pip", "install", "--quiet", "--target", folder, "--link-mode", "copy"),
                *("--system-certs", "--only-binary", ":all:"),  # as pip does, for a proxy with an authority of its own
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
    """An archive of these, in order of their names, behind the bytes that it starts with."""
    buffer = io.BytesIO()
    buffer.write(start)
    with zipfile.ZipFile(buffer, "w") as archive:
        for name in sorted(files):
            bundle.add(archive, name, files[name], compression)
    return buffer.getvalue()


def assembled(trees: Mapping[str, Files]) -> bytes:
    """The bytes of the program, of what each Python needs."""
    files: dict[str, Files] = {}  # by the versions that have them so
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
