"""The wakeup of a record: how its shim, in another process, tells the agent to look again (Windows).

There is no file here that tells when its holder is gone, so the shim writes down who it is, and the agent looks ten
times a second, while there is a task, whether that process lives, the output has grown, or the result is there.
"""

import json
import os

from agentd import disk
from agentd.windows import _kernel, processes

PROGRESS = b"o"
ENDED = b"f"

_NAME = "alive"
_LOOK = 0.1  # seconds


class Wakeup:
    """The shim's end: as long as it is held, the record has a shim. Raises OSError."""

    def __init__(self, folder):
        pid = os.getpid()
        holder = json.dumps([pid, processes.start_time(pid)])
        disk.write_whole(os.path.join(folder, _NAME), holder.encode("ascii"), sync=False)

    def send(self, byte):
        """Nothing to do: who listens sees it in the folder."""

    def close(self):
        """Nothing to do: it is held by the process, which ends with its order."""


class WakeupListener:
    """The agent's end: calls ``woken`` with what was sent, and with ``b""`` when nobody holds it. Raises OSError."""

    def __init__(self, loop, folder, woken):
        self._loop = loop
        self._folder = folder
        self._woken = woken
        self._seen = None
        self._process = _open_holder(folder)
        self._timer = loop.call_soon(self._look)

    def _look(self):
        # before the look at the result: what a holder has written last is seen after its end
        gone = self._process is None or _kernel.has_ended(self._process)
        if gone or os.path.exists(os.path.join(self._folder, "result.json")):
            self._woken(b"" if gone else ENDED)
            return
        self._timer = self._loop.call_later(_LOOK, self._look)
        newest = _newest_output(self._folder)
        if newest != self._seen:
            self._seen = newest
            self._woken(PROGRESS)

    def close(self):
        self._timer.cancel()
        if self._process is not None:
            _kernel.close(self._process)
            self._process = None


def is_held(folder):
    """Return whether a shim works on this record now."""
    return processes.is_running(*_holder(folder))


def _holder(folder):
    """The pid and the start time of the last holder; (0, None) when there was none."""
    try:
        with open(os.path.join(folder, _NAME), encoding="ascii") as file:
            pid, start = json.load(file)
            return pid, start
    except (OSError, ValueError):
        return 0, None


def _open_holder(folder):
    """A handle on the process that holds it; None when nobody does."""
    pid, start = _holder(folder)
    try:
        handle = _kernel.open_process(pid)
    except OSError:
        return None
    if _kernel.start_time(handle) == start:
        return handle
    _kernel.close(handle)
    return None


def _newest_output(folder):
    """The name and the size of the segment that is being written."""
    try:
        name = max((name for name in os.listdir(folder) if name.startswith("output-")), default=None)
        return name and (name, os.stat(os.path.join(folder, name)).st_size)
    except OSError:
        return None
