"""The signals of an agent (Windows), where the event loop has no signal support."""

import signal


def set_up(loop, end):
    """Call ``end(why)`` on the loop when a signal asks this process to end."""
    for number in (signal.SIGINT, signal.SIGBREAK):
        signal.signal(number, lambda *_: loop.call_soon_threadsafe(end, "signal"))


def leave_children():
    """Do nothing: the system reaps our children."""
