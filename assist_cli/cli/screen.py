"""A terminal that is redrawn: some lines of it, or the whole screen.

A frame is lines of cells, each cut at the edge. A frame equal to the previous one is not drawn. A new one is written in
one piece, so that nothing flickers.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Sequence
from typing import Any

from assist_cli.cli.output import Cell, Printer
from assist_cli.units import escape

Line = Sequence[Cell]


class _Silenced:
    """A terminal without echo, whose keys can be read without Enter, until it is restored.

    It is unchanged while this process is in the background, because then the keys are for the shell.
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
        """Restore the terminal, and discard keys typed meanwhile. Further calls do nothing."""
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
    """Return True if this process is in the foreground of the terminal, so that the keys are for it."""
    try:
        return os.tcgetpgrp(terminal) == os.getpgrp()
    except OSError:
        return True  # not the controlling terminal, so no shell shares it


class Screen:
    """A display at the cursor, which stays at the end. A ``whole`` one fills the screen, and is removed at the end."""

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
        """The current numbers of columns and lines."""
        return self._console.width, self._console.height

    def draw(self, lines: Sequence[Line]) -> None:
        """Replace the lines that are shown."""
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
        if not self._live.is_started:  # started without content, it would leave an empty line
            self._live.start(refresh=True)

    def close(self) -> None:
        """Release the terminal. Further calls do nothing."""
        self._live.stop()
        self._terminal.restore()
