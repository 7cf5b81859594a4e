"""The wakeup of a record: its shim, in another process, signals the agent (POSIX).

It is a FIFO in the record's folder. The shim holds it open and writes a byte for new output. A listener sees end of
file when the shim closes it, or dies. So no polling is needed, and a later agent can listen in place of an earlier one.
"""

import os

_NAME = "alive"


class Wakeup:
    """The shim's end. While it is open, the record has a shim. Raises OSError."""

    def __init__(self, folder):
        path = os.path.join(folder, _NAME)
        try:
            os.mkfifo(path, 0o600)
        except FileExistsError:
            pass
        self._descriptor = os.open(path, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)

    def send(self):
        """Signal new output to the listener. If the pipe is full, it has a signal already."""
        try:
            os.write(self._descriptor, b"o")
        except BlockingIOError:
            pass

    def close(self):
        """Close it."""
        os.close(self._descriptor)


class WakeupListener:
    """The agent's end: calls ``woken(held)`` for new output, and with False when no shim holds it. Raises OSError."""

    def __init__(self, loop, folder, woken):
        self._loop = loop
        self._woken = woken
        self._descriptor = _open(folder)
        loop.add_reader(self._descriptor, self._listen)
        loop.call_soon(self._listen)  # a holder that ended before we opened it is not reported

    def _listen(self):
        if self._descriptor is None:
            return
        try:
            sent = os.read(self._descriptor, 65536)
        except BlockingIOError:
            return
        self._woken(sent != b"")

    def close(self):
        self._loop.remove_reader(self._descriptor)
        os.close(self._descriptor)
        self._descriptor = None


def is_held(folder):
    """Return True if a shim is working on this record."""
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
