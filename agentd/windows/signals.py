"""The signals of an agent (Windows), where a loop knows of none."""

import signal


def set_up(loop, end):
    """Call ``end(why)`` on the loop when the system tells this process to end."""
    for number in (signal.SIGINT, signal.SIGBREAK):
        signal.signal(number, lambda *_: loop.call_soon_threadsafe(end, "told to"))


def leave_children():
    """Have the system reap our children: here it does."""
