"""The agent's archive with its modules compiled, for the Python that runs this.

Without them, each start of the agent, and each bridge of an SSH connection, compiles all its modules.
"""

import importlib.util
import io
import marshal
import struct
import zipfile

# The flags of a .pyc (PEP 552): by the hash of its source, which Python does not check again.
_UNCHECKED = 1


def compiled(archive: bytes) -> bytes:
    """Return a zip archive of modules with a ``.pyc`` beside each ``.py``.

    Another Python ignores them, and reads the sources. Python 3.6 has no ``.pyc`` that is independent of the time of
    its source: for it, the archive stays as it is.
    """
    if not hasattr(importlib.util, "source_hash"):
        return archive
    buffer = io.BytesIO(archive)
    with zipfile.ZipFile(buffer, "a") as file:
        for entry in list(file.infolist()):
            source = file.read(entry)
            code = zipfile.ZipInfo(entry.filename + "c", entry.date_time)
            file.writestr(code, _code(source, entry.filename), zipfile.ZIP_DEFLATED)
    return buffer.getvalue()


def _code(source: bytes, name: str) -> bytes:
    head = importlib.util.MAGIC_NUMBER + struct.pack("<I", _UNCHECKED) + importlib.util.source_hash(source)
    return head + marshal.dumps(compile(source, name, "exec", dont_inherit=True))
