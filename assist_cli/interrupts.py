"""Ctrl-C before a command runs, and from then on.

Python raises KeyboardInterrupt wherever it is. During an import it prints a traceback, and in a callback of the import
system it is printed and lost. So until the command runs, SIGINT ends the process: nothing has begun.
"""

from __future__ import annotations

import os
import signal

STATUS = 130


def end_at_once() -> None:
    """End the process at SIGINT from now on, unless it is ignored, as in the background of a script."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, _end)


def raise_again() -> None:
    """Raise KeyboardInterrupt at SIGINT again."""
    if signal.getsignal(signal.SIGINT) is _end:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def _end(*_: object) -> None:
    os._exit(STATUS)
