"""One line at the bottom of a terminal that tells how far something has come."""

from __future__ import annotations

import os
import shutil
import sys
import time
from datetime import timedelta
from typing import TextIO

from assist_cli.cli.formatting import took

_WIDTH = 24
_PAUSE_SECONDS = 0.1  # between two drawings: quicker than that nobody reads it
_WIPE = "\r\x1b[2K"


def can_redraw(stream: TextIO) -> bool:
    """Whether what was written there can be written over."""
    return stream.isatty() and os.environ.get("TERM") != "dumb"


def bar(done: int, total: int, width: int = _WIDTH) -> str:
    filled = done * width // max(total, 1)
    return "█" * filled + "░" * (width - filled)


def so_far(done: int, total: int, bad: int) -> str:
    """A bar and its numbers: of ``total``, so many have ended, ``bad`` of them not well."""
    return f"{bar(done, total)} {done}/{total}" + (f", {bad} failed" if bad else "")


class Progress:
    """Drawn on stderr when that is a terminal, and nowhere else. Hide it before anything else is printed."""

    def __init__(self, total: int, *, quiet: bool) -> None:
        self._total = total
        self._shown = not quiet and can_redraw(sys.stderr)
        self._began = time.monotonic()
        self._drawn_at = 0.0
        self._visible = False

    @property
    def seconds(self) -> float:
        """How long it has been going on."""
        return time.monotonic() - self._began

    def draw(self, done: int, bad: int, hint: str) -> None:
        """Show that ``done`` have ended, ``bad`` of them not well; ``hint`` stands at the end where there is room."""
        now = time.monotonic()
        if not self._shown or now - self._drawn_at < _PAUSE_SECONDS:
            return
        self._drawn_at = now
        text = f"{so_far(done, self._total, bad)}  {took(timedelta(seconds=self.seconds))}"
        columns = shutil.get_terminal_size().columns - 1
        if len(text) + len(hint) + 2 <= columns:
            text += "  " + hint
        sys.stdout.flush()
        sys.stderr.write(_WIPE + text[:columns])
        sys.stderr.flush()
        self._visible = True

    def step_back(self) -> None:
        """Take back the line that a person's Enter has begun."""
        if self._visible:
            sys.stderr.write("\x1b[1A")
        self.hide()

    def hide(self) -> None:
        """Wipe it; the next drawing brings it back."""
        if self._visible:
            sys.stderr.write(_WIPE)
            sys.stderr.flush()
            self._visible = False
