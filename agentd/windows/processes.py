"""The processes of this machine (Windows): identify one, and end the rest of a task.

A script and all its processes are in a job (``_kernel.ProcessJob``) that the shim holds. The system ends a job when its
holder ends. So no process of a task outlives a killed shim, and no search for them is needed.
"""

from agentd.base_runner import SURVIVAL
from agentd.windows import _kernel

CHECK_INTERVAL = 0.1  # seconds between two checks of a tree that is being ended, or for a stop
KILLED = 137  # the exit code of a killed process; the same as on other systems


def start_time(pid):
    """Return the start time of a process, in 100 ns; None if it does not exist or has ended.

    It distinguishes a process from a later one with the same pid.
    """
    try:
        handle = _kernel.open_process(pid)
    except OSError:
        return None
    try:
        return None if _kernel.has_ended(handle) else _kernel.start_time(handle)
    finally:
        _kernel.close(handle)


def is_running(pid, start):
    """Return True if the process with ``pid`` and this start time still lives."""
    return start is not None and start_time(pid) == start


def interrupt(pid):
    """Do nothing: a shim checks the mark of a stop in the record's folder by itself."""


def end_orphans(record, leader, start):
    """End the tree of a task whose shim has ended. Return the pids that survived.

    The job ended with its shim. Only ``leader``, the main process, can be left, if the system could not end it.
    """
    if leader is None or not is_running(leader, start):
        return set()
    try:
        handle = _kernel.open_process(leader)
    except OSError:
        return {leader} if is_running(leader, start) else set()
    try:
        _kernel.end(handle, KILLED)
        return set() if _kernel.has_ended(handle, SURVIVAL) else {leader}
    except OSError:
        return {leader}
    finally:
        _kernel.close(handle)
