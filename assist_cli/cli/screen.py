"""A terminal that is drawn again and again: a few lines of it, or all of it.

A frame is lines of cells, each line cut at the edge. One that is like the frame before is not drawn, and a new one goes
out in one write, so that nothing flickers.
"""

from __future__ import annotations

from collections.abc import Sequence

from assist_cli.cli.formatting import escape
from assist_cli.cli.output import Cell, Printer

Line = Sequence[Cell]


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
        self._live.start()

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
            refresh=True,
        )

    def close(self) -> None:
        """Let go of the terminal; more than once is no harm."""
        self._live.stop()
