"""A terminal that is drawn again and again: a few lines of it, or all of it.

A frame is lines of cells, each line cut at the edge. One that is like the frame before is not drawn, and a new one goes
out in one write, so that nothing flickers.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Sequence
from typing import Any

from assist_cli.cli.formatting import escape
from assist_cli.cli.output import Cell, Printer

Line = Sequence[Cell]


class _Silenced:
    """The terminal of a descriptor, on which keys show nothing and are there without Enter, until it is restored.

    A terminal is left alone where it is not ours: this process is in the background, and the keys are the shell's.
    """

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._before: list[Any] | None = None
        if sys.platform == "win32" or not is_foreground(descriptor):
            return
        import termios
        import tty

        self._before = termios.tcgetattr(descriptor)
        self._on_term = signal.signal(signal.SIGTERM, self._end)
        tty.setcbreak(descriptor)

    def restore(self) -> None:
        """Give the terminal back without what was typed meanwhile; more than once is no harm."""
        before, self._before = self._before, None
        if sys.platform == "win32" or before is None:
            return
        import termios

        signal.signal(signal.SIGTERM, self._on_term)
        if is_foreground(self._descriptor):
            termios.tcsetattr(self._descriptor, termios.TCSAFLUSH, before)

    def _end(self, *_: object) -> None:
        self.restore()
        os.kill(os.getpid(), signal.SIGTERM)


def is_foreground(terminal: int) -> bool:
    """Return True if the keys that are typed at a terminal are for this process, and not for the shell."""
    try:
        return os.tcgetpgrp(terminal) == os.getpgrp()
    except OSError:
        return True  # it is not the terminal that controls us, so no shell shares it


class Screen:
    """Drawn where the cursor is, and left standing at the end; a ``whole`` one gives back what was there before."""

    def __init__(self, printer: Printer, *, whole: bool = False) -> None:
        from rich.live import Live

        self._console = printer.console()
        self._live = Live(
            console=self._console,
            screen=whole,
            auto_refresh=False,
            redirect_stdout=False,
            redirect_stderr=False,
            vertical_overflow="crop",
        )
        self._shown: object = None
        self._terminal = _Silenced(self._console.file.fileno())

    @property
    def size(self) -> tuple[int, int]:
        """Columns and lines, as they are now."""
        return self._console.width, self._console.height

    def draw(self, lines: Sequence[Line]) -> None:
        """Show these lines in place of those before."""
        frame = (self.size, [tuple(line) for line in lines])
        if frame == self._shown:
            return
        self._shown = frame
        from rich.console import Group
        from rich.text import Text

        self._live.update(
            Group(
                *(
                    Text.assemble(
                        *((escape(cell.text), cell.style.value) for cell in line), no_wrap=True, overflow="ellipsis"
                    )
                    for line in lines
                )
            ),
            refresh=self._live.is_started,
        )
        if not self._live.is_started:  # begun without anything to show, it would leave an empty line
            self._live.start(refresh=True)

    def close(self) -> None:
        """Let go of the terminal; more than once is no harm."""
        self._live.stop()
        self._terminal.restore()
