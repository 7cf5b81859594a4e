"""A record's bell: how its shim, in another process, tells the agent to look again (Windows).

There is no file here that tells when its holder is gone, so the shim writes down who it is, and the agent looks ten
times a second, while there is a task, whether that process lives, the output has grown, or the result is there.
"""

import json
import os

from agentd import disk, kernel_windows, processes_windows

PROGRESS = b"o"
ENDED = b"f"

_NAME = "alive"
_LOOK = 0.1  # seconds


class Bell:
    """The shim's end: while it is held, the record is tended. Raises OSError."""

    def __init__(self, folder):
        pid = os.getpid()
        holder = json.dumps([pid, processes_windows.start_time(pid)])
        disk.write_whole(os.path.join(folder, _NAME), holder.encode("ascii"), sync=False)

    def ring(self, byte):
        """Nothing to do: who listens sees it in the folder."""

    def close(self):
        """Nothing to do: it is held by the process, which ends with its order."""


class Listener:
    """The agent's end: calls ``heard`` with what is new, and with ``b""`` when nobody holds it. Raises OSError."""

    def __init__(self, loop, folder, heard):
        self._loop = loop
        self._folder = folder
        self._heard = heard
        self._seen = None
        self._process = _open_holder(folder)
        self._timer = loop.call_soon(self._look)

    def _look(self):
        # before the look at the result: what a holder has written last is seen after its end
        gone = self._process is None or kernel_windows.has_ended(self._process)
        if gone or os.path.exists(os.path.join(self._folder, "result.json")):
            self._heard(b"" if gone else ENDED)
            return
        self._timer = self._loop.call_later(_LOOK, self._look)
        newest = _newest_output(self._folder)
        if newest != self._seen:
            self._seen = newest
            self._heard(PROGRESS)

    def close(self):
        self._timer.cancel()
        if self._process is not None:
            kernel_windows.close(self._process)
            self._process = None


def is_held(folder):
    """Whether a shim tends this record now."""
    return processes_windows.is_running(*_holder(folder))


def _holder(folder):
    """The pid and the start time of the last holder; (0, None) when there was none."""
    try:
        with open(os.path.join(folder, _NAME), encoding="ascii") as file:
            pid, start = json.load(file)
            return pid, start
    except (OSError, ValueError):
        return 0, None


def _open_holder(folder):
    """A handle on the process that holds the bell; None when nobody does."""
    pid, start = _holder(folder)
    try:
        handle = kernel_windows.open_process(pid)
    except OSError:
        return None
    if kernel_windows.start_time(handle) == start:
        return handle
    kernel_windows.close(handle)
    return None


def _newest_output(folder):
    """The name and the size of the segment that is being written."""
    try:
        name = max((name for name in os.listdir(folder) if name.startswith("output-")), default=None)
        return name and (name, os.stat(os.path.join(folder, name)).st_size)
    except OSError:
        return None
