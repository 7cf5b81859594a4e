"""The standard streams of the process: terminal or not, the only reader and writer of them, and Ctrl-C at the start.

The Printer writes to them, and completion, which has no time for a Printer. No other module of the command line checks
for a terminal, reads ``NO_COLOR``, ``COLUMNS`` or ``TERM``, or has escape sequences.

A descriptor may be a slow pipe, accept only a part of the data, or be non-blocking because a program that shares it
made it so. All reads and writes therefore wait for the descriptor and repeat until every byte is transferred. Output
raises OutputClosed if its reader has gone, and OutputFailure if it cannot be written. Messages on stderr are dropped
instead, so that they never break a command.

A stream is looked up at each use, so a replaced ``sys.stdout`` takes effect immediately. Completion imports this
module, so its imports must be quick.
"""

from __future__ import annotations

import contextlib
import io
import os
import sys
import time
from typing import IO, TYPE_CHECKING, BinaryIO, TextIO, cast

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.console import Console

DEFAULT_COLUMNS = 80
DRAWINGS_A_SECOND = 10  # of the progress line, at most
READ_SIZE = 1 << 16
_WIPE = "\r\x1b[2K"
_UP = "\x1b[1A"


class StandardStream:
    """The stream ``name`` of ``sys``, or the ``given`` one. ``terminal`` overrides the answer of the system."""

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

    @property
    def _raw(self) -> BinaryIO:
        """The stream without a buffer. A ``read`` or ``write`` that would block returns None."""
        buffer = self.file.buffer
        return cast(BinaryIO, getattr(buffer, "raw", buffer))  # with PYTHONUNBUFFERED there is no buffer

    def _wait(self) -> None:
        """Wait until a non-blocking descriptor can be read or written, or has failed."""
        import select  # rarely needed

        ready = select.poll()
        ready.register(self.fileno(), select.POLLIN if self._name == "stdin" else select.POLLOUT)
        ready.poll()


class OutputStream(StandardStream):
    """stdout, or as a ``MessageStream`` stderr. rich can use it as a file.

    Writes raise OutputClosed if the reader has gone or the user pressed Ctrl-C, and OutputFailure on other errors.
    """

    @property
    def can_redraw(self) -> bool:
        """True if a line can be replaced after it was written."""
        return self.is_terminal and os.environ.get("TERM") != "dumb"

    @property
    def shows_colours(self) -> bool:
        return self.is_terminal and not os.environ.get("NO_COLOR")

    @property
    def columns(self) -> int:
        """The width of a line: ``COLUMNS`` if that is a number, else of the terminal, else 80."""
        told = os.environ.get("COLUMNS", "")
        if told.isdecimal() and int(told):
            return int(told)
        try:
            return os.get_terminal_size(self.fileno()).columns or DEFAULT_COLUMNS
        except (OSError, ValueError):  # no terminal, or no descriptor
            return DEFAULT_COLUMNS

    @property
    def encoding(self) -> str:
        return self.file.encoding

    def isatty(self) -> bool:
        return self.is_terminal

    def painted(self, text: str, colour: str) -> str:
        """Colour a text by its number in ECMA-48 (``31`` is red), if the stream shows colours."""
        return f"\x1b[{colour}m{text}\x1b[0m" if colour and self.shows_colours else text

    def write(self, text: str) -> int:
        """Write a text, to a terminal without delay. Return its length."""
        self._put(text.encode("utf-8", "surrogateescape"))
        if self.is_terminal:
            self.flush()
        return len(text)

    def write_bytes(self, data: bytes) -> None:
        """Write bytes unchanged and without delay, after earlier text."""
        self._put(data)
        self.flush()

    def flush(self) -> None:
        """Write the buffer."""
        with self._failures():
            while True:
                try:
                    return self._sink.flush()
                except BlockingIOError:
                    self._wait()

    def discard(self) -> None:
        """Discard the buffer and all later output, so that the exit of the process does not write it."""
        null = os.open(os.devnull, os.O_WRONLY)
        with contextlib.suppress(io.UnsupportedOperation):  # a stream in memory has no descriptor
            os.dup2(null, self.fileno())
        os.close(null)

    def console(self) -> Console:
        """Return a rich console that writes to this stream."""
        from rich.console import Console

        return Console(file=cast("IO[str]", self), highlight=False)

    @property
    def _sink(self) -> BinaryIO:
        """The file that bytes are written to."""
        return self.file.buffer

    def _put(self, data: bytes) -> None:
        """Write every byte, the last ones into the buffer."""
        left = memoryview(data)
        with self._failures():
            while left:
                try:
                    taken = self._sink.write(left)
                except BlockingIOError as error:
                    taken = error.characters_written
                    self._wait()
                if taken is None:
                    self._wait()
                else:
                    left = left[taken:]

    @contextlib.contextmanager
    def _failures(self) -> Iterator[None]:
        """Raise OutputClosed and OutputFailure for errors of the block."""
        try:
            yield
        except (ConnectionError, KeyboardInterrupt) as error:  # a broken pipe, or a socket that was reset
            from assist_cli.errors import OutputClosed

            if isinstance(error, KeyboardInterrupt):
                self.discard()
            raise OutputClosed("cannot write the output: its reader has gone") from None
        except OSError as error:
            from assist_cli.errors import OutputFailure

            raise OutputFailure(
                f"cannot write the output: {error.strerror}", hint="check the target of stdout, and its free space"
            ) from None


class MessageStream(OutputStream):
    """stderr. Nothing is buffered, and failed writes are ignored, so that messages never break a command."""

    @property
    def _sink(self) -> BinaryIO:
        return self._raw

    @contextlib.contextmanager
    def _failures(self) -> Iterator[None]:
        with contextlib.suppress(OSError):
            yield


class InputStream(StandardStream):
    """stdin. Raises FileFailure if it cannot be read."""

    def read(self, most: int | None = None) -> bytes:
        """Read all bytes up to the end, or the first ``most``."""
        data = bytearray()
        while most is None or len(data) < most:
            piece = self._piece(READ_SIZE if most is None else min(READ_SIZE, most - len(data)))
            if not piece:
                break
            data += piece
        return bytes(data)

    def read_line(self) -> str:
        """Read a line with its end, and not a byte more. Return an empty text at the end of the stream."""
        line = bytearray()
        while not line.endswith(b"\n"):
            piece = self._piece(1)
            if not piece:
                break
            line += piece
        return line.decode(self.file.encoding, "surrogateescape")

    def _piece(self, size: int) -> bytes:
        """Read up to ``size`` bytes, as many as available. Return no bytes at the end."""
        while True:
            try:
                piece = self._raw.read(size)
            except OSError as error:
                from assist_cli.errors import FileFailure

                raise FileFailure(
                    f"cannot read standard input: {error.strerror}",
                    hint="redirect it from a file or a pipe that can be read",
                ) from error
            if piece is not None:
                return piece
            self._wait()


class Streams:
    """The three standard streams of the process, or those of a test; ``terminal`` says if they are terminals."""

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
        self.stderr = MessageStream("stderr", stderr, terminal)


class StatusLine:
    """One line at the bottom of a terminal, below the output of ``above``. Elsewhere nothing is drawn.

    Wipe it before any other output.
    """

    def __init__(self, stream: OutputStream, above: OutputStream) -> None:
        self._stream = stream
        self._above = above
        self._is_visible = False
        self._drawn_at = 0.0

    def draw(self, text: str, hint: str = "") -> None:
        """Show a text, then the hint if there is room; at most every 0.1 s."""
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
        """Remove the line until the next drawing."""
        if self._is_visible:
            self._is_visible = False
            self._stream.write(_WIPE)
            self._stream.flush()

    def step_back(self, lines: int) -> None:
        """Remove the line, and the ``lines`` that Enter has started below it."""
        if self._is_visible:
            self._stream.write(_UP * lines)
        self.wipe()


def end_at_interrupts() -> None:
    """End the process at Ctrl-C from now on, unless that is ignored, as in the background of a script.

    A KeyboardInterrupt during an import prints a traceback, and one in a callback of the import system is printed and
    lost. Until a command runs, nothing has begun.
    """
    import signal

    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, _end)


def raise_interrupts() -> None:
    """Raise KeyboardInterrupt at Ctrl-C again."""
    import signal

    if signal.getsignal(signal.SIGINT) is _end:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def _end(*_: object) -> None:
    os._exit(130)
