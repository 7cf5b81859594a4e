"""The wakeup of a record: how its shim, in another process, tells the agent to look again (POSIX).

It is a FIFO in the record's folder. The shim holds it open and writes a byte when there is news; whoever listens sees
its end of file the moment the shim is gone. So nobody polls, and a later agent can take the place of an earlier one.
"""

import os

PROGRESS = b"o"
ENDED = b"f"

_NAME = "alive"


class Wakeup:
    """The shim's end: as long as it is held, the record has a shim. Raises OSError."""

    def __init__(self, folder):
        path = os.path.join(folder, _NAME)
        try:
            os.mkfifo(path, 0o600)
        except FileExistsError:
            pass
        self._descriptor = os.open(path, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)

    def send(self, byte):
        """Tell whoever listens. A full pipe has news already."""
        try:
            os.write(self._descriptor, byte)
        except BlockingIOError:
            pass

    def close(self):
        """Hold it no longer."""
        os.close(self._descriptor)


class WakeupListener:
    """The agent's end: calls ``woken`` with what was sent, and with ``b""`` when nobody holds it. Raises OSError."""

    def __init__(self, loop, folder, woken):
        self._loop = loop
        self._woken = woken
        self._descriptor = _open(folder)
        loop.add_reader(self._descriptor, self._listen)
        loop.call_soon(self._listen)  # a holder that has come and gone before we opened it is never reported

    def _listen(self):
        if self._descriptor is None:
            return
        try:
            sent = os.read(self._descriptor, 65536)
        except BlockingIOError:
            return
        self._woken(sent)

    def close(self):
        self._loop.remove_reader(self._descriptor)
        os.close(self._descriptor)
        self._descriptor = None


def is_held(folder):
    """Return whether a shim works on this record now."""
    try:
        descriptor = _open(folder)
    except FileNotFoundError:
        return False
    try:
        return os.read(descriptor, 1) != b""
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)


def _open(folder):
    return os.open(os.path.join(folder, _NAME), os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
