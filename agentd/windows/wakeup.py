"""The wakeup of a record: its shim, in another process, signals the agent (Windows).

No file here shows whether its holder lives. So the shim writes down its process. While a task runs, the agent checks
ten times a second whether that process lives, the output has grown, or the result exists.
"""

import json
import os

from agentd import disk
from agentd.windows import _kernel, processes

_NAME = "alive"
_INTERVAL = 0.1  # seconds


class Wakeup:
    """The shim's end. While it is held, the record has a shim. Raises OSError."""

    def __init__(self, folder):
        pid = os.getpid()
        holder = json.dumps([pid, processes.start_time(pid)])
        disk.write_whole(os.path.join(folder, _NAME), holder.encode("ascii"), sync=False)

    def send(self):
        """Do nothing: the listener sees the change in the folder."""

    def close(self):
        """Do nothing: the process holds it, and ends with its order."""


class WakeupListener:
    """The agent's end: calls ``woken(held)`` for new output, and with False at the end. Raises OSError."""

    def __init__(self, loop, folder, woken):
        self._loop = loop
        self._folder = folder
        self._woken = woken
        self._seen = None
        self._process = _open_holder(folder)
        self._timer = loop.call_soon(self._check)

    def _check(self):
        # before the result is checked: the last write of a holder becomes visible after its end
        gone = self._process is None or _kernel.has_ended(self._process)
        if gone or os.path.exists(os.path.join(self._folder, "result.json")):
            self._woken(False)
            return
        self._timer = self._loop.call_later(_INTERVAL, self._check)
        newest = _newest_output(self._folder)
        if newest != self._seen:
            self._seen = newest
            self._woken(True)

    def close(self):
        self._timer.cancel()
        if self._process is not None:
            _kernel.close(self._process)
            self._process = None


def is_held(folder):
    """Return True if a shim is working on this record, or if that cannot be read now: its listener retries."""
    try:
        return processes.is_running(*_holder(folder))
    except OSError:
        return True


def _holder(folder):
    """Return pid and start time of the last holder; (0, None) without one. Raises OSError if it cannot be read."""
    try:
        pid, start = json.loads(disk.read_whole(os.path.join(folder, _NAME)).decode("ascii"))
        return pid, start
    except (FileNotFoundError, ValueError):
        return 0, None


def _open_holder(folder):
    """Return a handle on the process that holds it; None without one. Raises OSError if that cannot be read."""
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
    """Return name and size of the segment that is being written."""
    try:
        name = max((name for name in os.listdir(folder) if name.startswith("output-")), default=None)
        return name and (name, os.stat(os.path.join(folder, name)).st_size)
    except OSError:
        return None
