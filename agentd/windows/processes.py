"""Processes of this machine (Windows): which one it is, and the end of what a task left behind.

A script and all that it starts are in a job (``_kernel.ProcessJob``) that the shim holds. The system ends a job when
its holder is gone, so no process of a task outlives a shim that was killed, and nobody has to look for them.
"""

from agentd.base_runner import SURVIVAL
from agentd.windows import _kernel

LOOK = 0.1  # seconds between two looks at a tree that is being ended, or at the word to end it
KILLED = 137  # the exit code of what is ended by force; the same as of a killed process elsewhere


def start_time(pid):
    """Return when the process was started, in 100 ns; None when there is no such process or it has ended.

    It tells a process from a later one that was given the same pid.
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
    """Return whether the very process that had ``pid`` at ``start`` still lives."""
    return start is not None and start_time(pid) == start


def interrupt(pid):
    """Ask a shim to end its task: it looks for the mark of a stop in the record's folder by itself."""


def end_orphans(record, leader, start):
    """End the tree of a task that has lost its shim. Returns the pids that survived it.

    Its job went with its shim. What can be left is ``leader``, the main process, when the system could not end it.
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
