"""``agentd.pyz``: the whole agent as one file that any Python from 3.6 on can run.

The same source gives the same bytes: names in order, one fixed time, one fixed mode. So its SHA-256 names it.
"""

from __future__ import annotations

import hashlib
import importlib.util
import io
import sys
import zipfile
from pathlib import Path

from assist_cli.errors import FileFailure
from assist_cli.paths import write_whole

_TIME = (1980, 1, 1, 0, 0, 0)  # the earliest that the format knows
_SHEBANG = b"#!/usr/bin/env python3\n"

# Read by whatever Python is there, however old, so it is written for all of them.
_MAIN = """\
import sys
if sys.version_info < (3, 6):
    sys.exit("agentd: cannot run on Python %d.%d: it needs Python 3.6 or newer" % sys.version_info[:2])
from agentd.__main__ import main
sys.exit(main())
"""


def build() -> bytes:
    """The bytes of ``agentd.pyz``, made from the ``agentd`` package that is installed here."""
    buffer = io.BytesIO()
    buffer.write(_SHEBANG)
    with zipfile.ZipFile(buffer, "w") as archive:
        add(archive, "__main__.py", _MAIN.encode())
        source = _source()
        for path in sorted(source.rglob("*.py")):
            add(archive, (source.name / path.relative_to(source)).as_posix(), path.read_bytes())
    return buffer.getvalue()


def _source() -> Path:
    spec = importlib.util.find_spec("agentd")  # found, not imported: this process is no agent
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin).parent


def add(archive: zipfile.ZipFile, name: str, data: bytes, compression: int = zipfile.ZIP_DEFLATED) -> None:
    """Put a file into an archive, the same way whenever and wherever that is done."""
    entry = zipfile.ZipInfo(name, _TIME)
    entry.create_system = 3  # Unix, wherever it is built
    entry.external_attr = 0o644 << 16
    archive.writestr(entry, data, compression, compresslevel=9)


def write(target: Path) -> str:
    """Put the archive at ``target``, executable, whole or not at all. Returns its SHA-256. Raises FileFailure."""
    data = build()
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise FileFailure(f"cannot make the folder '{target.parent}': {error.strerror}") from None
    write_whole(target, data, 0o755)
    return hashlib.sha256(data).hexdigest()


if __name__ == "__main__":
    place = Path(sys.argv[1])
    sys.stdout.write(f"{write(place)}  {place}\n")
