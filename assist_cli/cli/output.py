"""The Printer: all that a command prints or asks. stdout is data, stderr is talk.

A Printer knows how much to say (``-q``, ``-v``), in which form the data goes out (``-o``, ``--plain``), and whether it
writes to terminals. Every byte of the command line goes through one, and it alone draws progress: a line at the bottom
of stderr, which is wiped before anything else is written.

Tables are drawn with rich on a terminal; into a pipe, and with ``--plain``, they are columns of text two spaces apart
and cut nowhere. Colour never says what the words do not.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

import typer

from assist_cli.cli.formatting import escape, escape_json, pad, width
from assist_cli.cli.streams import OutputStream, StatusLine, Streams
from assist_cli.errors import AssistError, OutputClosed, OutputFailure

if TYPE_CHECKING:
    from rich.console import Console


class Format(str, Enum):
    """The forms of data on stdout."""

    TABLE = "table"
    JSON = "json"
    JSONL = "jsonl"


class Encoding(str, Enum):
    """The form of CommandContent, Output, Stdout and Stderr in JSON."""

    TEXT = "text"
    BASE64 = "base64"


class Style(str, Enum):
    """The meaning of a colour; the value is rich's word for it."""

    PLAIN = ""
    GOOD = "green"
    BAD = "red"
    ODD = "yellow"
    BUSY = "cyan"
    QUIET = "dim"
    STRONG = "bold"


STYLES = {
    "Running": Style.BUSY,
    "Stopping": Style.BUSY,
    "Stopped": Style.ODD,
    "Finished": Style.GOOD,
    "Failed": Style.BAD,
    "PartialFailed": Style.BAD,
}

_COLOURS = {
    Style.PLAIN: "",
    Style.GOOD: "32",
    Style.BAD: "31",
    Style.ODD: "33",
    Style.BUSY: "36",
    Style.QUIET: "2",
    Style.STRONG: "1",
}


@dataclass(frozen=True)
class Cell:
    """A text in a table, with its colour."""

    text: str
    style: Style = Style.PLAIN


@dataclass(frozen=True)
class Column:
    """A column of a table. A ``flexible`` one gives way where the terminal is narrow, and ends in an ellipsis then."""

    title: str
    flexible: bool = False
    right: bool = False


LEAST_OF_A_FLEXIBLE = 8
GAP = "  "


class Printer:
    """Prints for one command. ``streams`` are those of the process unless a test gives others."""

    def __init__(
        self,
        *,
        quiet: bool = False,
        verbose: bool = False,
        format: Format = Format.TABLE,
        plain: bool = False,
        streams: Streams | None = None,
    ) -> None:
        self.verbose = verbose
        self.quiet = quiet
        self._format = format
        self._plain = plain
        self._streams = streams or Streams()
        self._status = StatusLine(self._streams.stderr, above=self._streams.stdout)

    @property
    def is_json(self) -> bool:
        return self._format is not Format.TABLE

    # terminals

    @property
    def stdout_is_terminal(self) -> bool:
        return self._streams.stdout.is_terminal

    @property
    def stderr_is_terminal(self) -> bool:
        return self._streams.stderr.is_terminal

    @property
    def can_redraw(self) -> bool:
        """True where data can be drawn over what was drawn before: on a terminal, without ``--plain`` and JSON."""
        return not self._plain and not self.is_json and self._streams.stdout.can_redraw

    @property
    def can_ask(self) -> bool:
        """True where a person can be asked: stdin and stderr are terminals."""
        return self._streams.stdin.is_terminal and self.stderr_is_terminal

    @property
    def keyboard(self) -> int | None:
        """The descriptor of stdin where that is a terminal."""
        return self._streams.stdin.fileno() if self._streams.stdin.is_terminal else None

    @property
    def columns(self) -> int:
        """The width of stdout."""
        return self._streams.stdout.columns

    # stderr: talk

    def talk(self, text: str) -> None:
        """Say something to the person; ``-q`` silences it."""
        if not self.quiet:
            self.warn(text)

    def warn(self, text: str) -> None:
        """Say what must be known even then."""
        self.log(escape(text))

    def error(self, error: AssistError) -> None:
        """An error in one line, and its hint; where JSON is asked for, one object in one line."""
        if self.is_json:
            words = {"Code": error.code, "Message": error.message, "Hint": error.hint or None}
            self.log(self._json(words, self._streams.stderr))
            return
        painted = self._streams.stderr.painted
        self.log(f"{painted('error:', _COLOURS[Style.BAD])} {escape(error.message)}")
        if error.hint:
            self.log(f"{painted('hint:', _COLOURS[Style.BUSY])} {escape(error.hint)}")

    def log(self, text: str) -> None:
        """Write a line to stderr as it is: what may hold control characters was escaped before."""
        self._flush_data()
        self._output(error=True).write(f"{text}\n")

    # stderr and stdin: questions

    def ask(self, prompt: str, *, hidden: bool = False) -> str:
        """Ask a person on stderr; what is typed is not shown if ``hidden``. Raises typer.Abort on Ctrl-C and at EOF."""
        self._flush_data()
        try:
            if hidden:
                import getpass

                return getpass.getpass(prompt)
            self._output(error=True).write(prompt)
            answer = self._streams.stdin.read_line()
        except (EOFError, KeyboardInterrupt):
            if hidden:
                self.log("")
            raise typer.Abort from None
        if not answer:
            raise typer.Abort
        return answer.removesuffix("\n")

    def confirm(self, question: str) -> bool:
        """Ask a person for yes or no, which is the default. Raises typer.Abort as ``ask`` does."""
        while True:
            answer = self.ask(f"{question} [y/N]: ").strip().lower()
            if answer in ("", "n", "no", "y", "yes"):
                return answer.startswith("y")
            self.log("Error: invalid input")

    # stderr: progress

    def progress(self, text: str, hint: str = "") -> None:
        """Show how far it is in a line at the bottom of a terminal, and the hint after it where there is room.

        It is not shown with ``-q``, nor where stderr is not a terminal.
        """
        if not self.quiet:
            self._status.draw(text, hint)

    def remove_enter(self, lines: int = 1) -> None:
        """Remove the progress and the ``lines`` that a person's Enter has begun below it."""
        self._status.step_back(lines)

    # stdout: data

    def line(self, text: str = "") -> None:
        """A line of data; what may hold control characters was escaped before."""
        self._output().write(f"{text}\n")

    def paint(self, text: str, style: Style, *, keep: str = "") -> str:
        """The text in a colour, where stdout shows colours. Control characters but those to ``keep`` are escaped."""
        return self._streams.stdout.painted(escape(text, keep=keep), _COLOURS[style])

    def script(self, text: str, language: str) -> None:
        """A script, in the colours of its language where stdout shows colours; it was escaped before."""
        text = text.removesuffix("\n")
        if not self._streams.stdout.shows_colours:
            self.line(text)
            return
        from rich.syntax import Syntax

        painted = Syntax("", language, theme="ansi_dark", background_color="default").highlight(text)
        self.console().print(painted, soft_wrap=True, end="")

    def raw(self, data: bytes, *, error: bool = False) -> None:
        """Bytes as they are, without delay: to stdout, or to stderr."""
        self._output(error=error).write_bytes(data)

    def prefixed(self, name: str, lines: bytes, *, error: bool = False) -> None:
        """Lines of an instance's output, each after its name: escaped on a terminal, as they are elsewhere."""
        stream = self._output(error=error)
        lines = lines.removesuffix(b"\n")
        if stream.is_terminal:
            prefix = stream.painted(escape(name), _COLOURS[Style.BUSY]) + ": "
            text = escape(lines.decode("utf-8", "replace"), keep="\t\n")
            stream.write(prefix + text.replace("\n", "\n" + prefix) + "\n")
        else:
            start = b"%s: " % name.encode()
            stream.write_bytes(start + lines.replace(b"\n", b"\n" + start) + b"\n")

    def document(self, document: object) -> None:
        """One JSON document: indented, or in one line where lines of JSON are asked for."""
        self.line(self._json(document, self._streams.stdout, indent=2 if self._format is Format.JSON else None))

    def _json(self, document: object, stream: OutputStream, indent: int | None = None) -> str:
        """A document as text. On a terminal no character of it acts on that: each is escaped as JSON does it."""
        text = json.dumps(document, ensure_ascii=False, indent=indent)
        return escape_json(text) if stream.is_terminal else text

    def documents(self, documents: Iterable[object]) -> None:
        """A list of JSON documents: an array, or one a line."""
        if self._format is Format.JSON:
            self.document(list(documents))
        else:
            for document in documents:
                self.document(document)

    def table(self, columns: Sequence[Column], rows: Iterable[Sequence[Cell | str]]) -> None:
        """A table for people."""
        cells = [[cell if isinstance(cell, Cell) else Cell(cell) for cell in row] for row in rows]
        if self._plain or not self.stdout_is_terminal:
            self._print_columns(columns, cells)
        else:
            self._draw_table(columns, cells)

    def console(self) -> Console:
        """rich on stdout, for what it alone can draw."""
        return self._output().console()

    def flush(self) -> None:
        """Write what is still buffered of the data."""
        self._streams.stdout.flush()

    def discard(self) -> None:
        """Discard what is still buffered of the data, and all that follows: stdout cannot be written."""
        self._streams.stdout.discard()

    def _output(self, *, error: bool = False) -> OutputStream:
        """stdout or stderr, ready to be written to: no progress stands where the text is to be."""
        self._status.wipe()
        return self._streams.stderr if error else self._streams.stdout

    def _flush_data(self) -> None:
        with contextlib.suppress(OutputClosed, OutputFailure):  # which is seen by what writes there
            self.flush()

    def _print_columns(self, columns: Sequence[Column], rows: Sequence[Sequence[Cell]]) -> None:
        table = [[column.title for column in columns], *([escape(cell.text) or "-" for cell in row] for row in rows)]
        widths = [max(map(width, texts)) for texts in zip(*table, strict=True)]
        for texts in table:
            padded = (
                pad(text, size, right=column.right) for text, size, column in zip(texts, widths, columns, strict=True)
            )
            self.line(GAP.join(padded).rstrip())

    def _draw_table(self, columns: Sequence[Column], rows: Sequence[Sequence[Cell]]) -> None:
        from rich.box import SIMPLE_HEAD
        from rich.table import Table
        from rich.text import Text

        console = self.console()
        if console.width < _least_width(columns, rows):
            self._print_columns(columns, rows)  # lines that the terminal breaks are better than columns without letters
            return
        # Only a flexible column gives way: rich narrows those that may wrap, and its cells are cut instead of wrapped.
        table = Table(
            box=SIMPLE_HEAD,
            show_edge=False,
            pad_edge=False,
            padding=(0, len(GAP) - 1, 0, 0),  # beside the column of its own that stands between two
            header_style="bold",
            border_style="dim",
        )
        for column in columns:
            table.add_column(column.title, justify="right" if column.right else "left", no_wrap=not column.flexible)
        for row in rows:
            table.add_row(
                *(Text(escape(cell.text), style=cell.style.value, no_wrap=True, overflow="ellipsis") for cell in row)
            )
        console.print(table)


def _least_width(columns: Sequence[Column], rows: Sequence[Sequence[Cell]]) -> int:
    """The least width of a drawn table: what does not give way, a little of what does, and what is between."""
    least = len(GAP) * (len(columns) - 1)
    for position, column in enumerate(columns):
        texts = [column.title, *(escape(row[position].text) for row in rows)]
        longest = max(map(width, texts))
        least += min(longest, LEAST_OF_A_FLEXIBLE) if column.flexible else longest
    return least
