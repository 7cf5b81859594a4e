"""The signals of an agent (POSIX)."""

import signal


def set_up(loop, end):
    """Call ``end(name)`` on the loop when a signal asks this process to end."""
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, end, signal.Signals(number).name)


def leave_children():
    """Have the system reap our children: their results are in the spool."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
