"""``agentd.pyz``: the whole agent in one file, for any Python from 3.6 on.

The same source gives the same bytes: sorted names, one fixed time, one fixed mode. So its SHA-256 identifies it.

Docstrings are empty lines in it: they are a fifth of its size, and an agent would hold them in memory. The other lines
are those of the source, so line numbers in a log are too.
"""

from __future__ import annotations

import ast
import functools
import hashlib
import importlib.util
import io
import sys
import threading
import zipfile
from pathlib import Path

from assist_cli.errors import FileFailure
from assist_cli.paths import write_whole

_TIME = (1980, 1, 1, 0, 0, 0)  # the earliest time of the format
_SHEBANG = b"#!/usr/bin/env python3\n"

_BUILDING = threading.Lock()
_PARSING = threading.Lock()  # Python 3.11 counts the depth of all threads together, and may raise SystemError

# The Python of the machine reads this, however old it is. So the syntax is that of all versions.
_MAIN = """\
import sys
if sys.version_info < (3, 6):
    sys.exit("agentd: cannot run on Python %d.%d: it needs Python 3.6 or newer" % sys.version_info[:2])
from agentd.__main__ import main
sys.exit(main())
"""


def build() -> bytes:
    """Return the bytes of ``agentd.pyz``, made from the ``agentd`` package that is installed here.

    They are made one time in a process. Threads that need them meanwhile wait.
    """
    with _BUILDING:
        return _built()


@functools.cache
def _built() -> bytes:
    buffer = io.BytesIO()
    buffer.write(_SHEBANG)
    with zipfile.ZipFile(buffer, "w") as archive:
        add(archive, "__main__.py", _MAIN.encode())
        source = agent_source()
        for path in sorted(source.rglob("*.py")):
            add(archive, (source.name / path.relative_to(source)).as_posix(), bare(path.read_bytes()))
    return buffer.getvalue()


def bare(source: bytes) -> bytes:
    """Return a module without its docstrings."""
    lines = source.decode().split("\n")
    with _PARSING:
        tree = ast.parse(source)
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            if ast.get_docstring(node) is None:
                continue
            text, *rest = node.body
            end = text.end_lineno or text.lineno
            lines[text.lineno - 1 : end] = [""] * (end + 1 - text.lineno)
            if not rest:
                lines[text.lineno - 1] = " " * text.col_offset + "pass"
    return "\n".join(lines).encode()


def agent_source() -> Path:
    """Return the folder of the ``agentd`` package that is installed here."""
    spec = importlib.util.find_spec("agentd")  # found, not imported: this process is not an agent
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin).parent


def add(archive: zipfile.ZipFile, name: str, data: bytes, compression: int = zipfile.ZIP_DEFLATED) -> None:
    """Add a file to an archive, with the same bytes at any time and on any system."""
    entry = zipfile.ZipInfo(name, _TIME)
    entry.create_system = 3  # Unix, on every build system
    entry.external_attr = 0o644 << 16
    archive.writestr(entry, data, compression, compresslevel=9)


def write(target: Path) -> str:
    """Write the archive to ``target``, executable, in one step. Return its SHA-256. Raises FileFailure."""
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
