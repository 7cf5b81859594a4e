"""The standard streams of the process: which of them are terminals, and the one writer of stdout and stderr.

The Printer writes to them, and beside it only completion, which has no time for a Printer. No other module of the
command line asks whether a stream is a terminal, reads ``NO_COLOR``, ``COLUMNS`` or ``TERM``, or has an escape sequence
in it.

A stream is looked up at each use, so whoever replaces ``sys.stdout`` gets what is written from then on. Nothing is kept
beyond a ``Streams``. Completion imports this module, so it imports nothing that takes time.
"""

from __future__ import annotations

import contextlib
import io
import os
import sys
import time
from typing import IO, TYPE_CHECKING, TextIO, cast

if TYPE_CHECKING:
    from rich.console import Console

DEFAULT_COLUMNS = 80
DRAWINGS_A_SECOND = 10  # of a status line, at most: nobody reads faster
_WIPE = "\r\x1b[2K"
_UP = "\x1b[1A"


class StandardStream:
    """The stream ``name`` of ``sys``, or the ``given`` one. ``terminal`` overrides what the system says of it."""

    def __init__(self, name: str, given: TextIO | None = None, terminal: bool | None = None) -> None:
        self._name = name
        self._given = given
        self._terminal = terminal

    @property
    def file(self) -> TextIO:
        return cast(TextIO, getattr(sys, self._name)) if self._given is None else self._given

    @property
    def is_terminal(self) -> bool:
        return self.file.isatty() if self._terminal is None else self._terminal

    def fileno(self) -> int:
        return self.file.fileno()


class OutputStream(StandardStream):
    """stdout or stderr. It has what rich needs of a file, so that rich writes through it too."""

    @property
    def can_redraw(self) -> bool:
        """True where a line can be replaced after it was written."""
        return self.is_terminal and os.environ.get("TERM") != "dumb"

    @property
    def shows_colours(self) -> bool:
        return self.is_terminal and not os.environ.get("NO_COLOR")

    @property
    def columns(self) -> int:
        """The width of a line: ``COLUMNS`` if that is a number, else that of the terminal, else 80."""
        told = os.environ.get("COLUMNS", "")
        if told.isdecimal() and int(told):
            return int(told)
        try:
            return os.get_terminal_size(self.fileno()).columns or DEFAULT_COLUMNS
        except (OSError, ValueError):  # not a terminal, or without a descriptor
            return DEFAULT_COLUMNS

    @property
    def encoding(self) -> str:
        return self.file.encoding

    def isatty(self) -> bool:
        return self.is_terminal

    def painted(self, text: str, colour: str) -> str:
        """The text in a colour, a number of ECMA-48 (``31`` is red); unchanged where there are no colours."""
        return f"\x1b[{colour}m{text}\x1b[0m" if colour and self.shows_colours else text

    def write(self, text: str) -> int:
        return self.file.write(text)

    def write_bytes(self, data: bytes) -> None:
        """Write bytes unchanged and without delay, after the text that was written before."""
        file = self.file
        file.flush()
        file.buffer.write(data)
        file.buffer.flush()

    def flush(self) -> None:
        self.file.flush()

    def discard(self) -> None:
        """Discard what is still buffered and all that follows, so that the end of the process does not write it."""
        null = os.open(os.devnull, os.O_WRONLY)
        with contextlib.suppress(io.UnsupportedOperation):  # a stream in memory has no descriptor
            os.dup2(null, self.fileno())
        os.close(null)

    def console(self) -> Console:
        """rich, writing here."""
        from rich.console import Console

        return Console(file=cast("IO[str]", self), highlight=False)


class InputStream(StandardStream):
    """stdin."""

    def read(self) -> bytes:
        """All bytes up to the end."""
        return self.file.buffer.read()

    def read_line(self) -> str:
        """A line with its end; empty when there are no more."""
        return self.file.readline()


class Streams:
    """All three: those of the process, or those that a test gives, which are then terminals if ``terminal`` says so."""

    def __init__(
        self,
        stdin: TextIO | None = None,
        stdout: TextIO | None = None,
        stderr: TextIO | None = None,
        *,
        terminal: bool | None = None,
    ) -> None:
        self.stdin = InputStream("stdin", stdin, terminal)
        self.stdout = OutputStream("stdout", stdout, terminal)
        self.stderr = OutputStream("stderr", stderr, terminal)


class StatusLine:
    """One line at the bottom of a terminal, below what ``above`` has written; nothing is drawn on anything else.

    Wipe it before anything else is written.
    """

    def __init__(self, stream: OutputStream, above: OutputStream) -> None:
        self._stream = stream
        self._above = above
        self._is_visible = False
        self._drawn_at = 0.0

    def draw(self, text: str, hint: str = "") -> None:
        """Show a text, and after it the hint where there is room; not more often than every 0.1 s."""
        now = time.monotonic()
        if now - self._drawn_at < 1 / DRAWINGS_A_SECOND or not self._stream.can_redraw:
            return
        self._drawn_at = now
        columns = self._stream.columns - 1
        if len(text) + len(hint) + 2 <= columns:
            text += "  " + hint
        self._above.flush()
        self._stream.write(_WIPE + text[:columns])
        self._stream.flush()
        self._is_visible = True

    def wipe(self) -> None:
        """Remove it; the next drawing shows it again."""
        if self._is_visible:
            self._is_visible = False
            self._stream.write(_WIPE)
            self._stream.flush()

    def step_back(self) -> None:
        """Remove it together with the line that a person's Enter has begun below it."""
        if self._is_visible:
            self._stream.write(_UP)
        self.wipe()
