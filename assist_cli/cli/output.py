"""The Printer: everything that a command prints or asks. stdout is for data, stderr for messages.

A Printer knows the verbosity (``-q``, ``-v``), the output format (``-o``, ``--plain``), and which streams are
terminals. Every byte of the command line goes through a Printer. Progress is one line at the bottom of stderr, which is
wiped before anything else is written. On a terminal, messages are wrapped at words.

On a terminal, tables are drawn with rich and fit its width. A column that may be cut ends in an ellipsis; the first
one, which names the row, is cut last. When the terminal is narrower still, the least important columns are dropped
(``-v`` names them), and then each row becomes a block of lines. In a
pipe, and with ``--plain``, tables are columns of text, complete and two spaces apart. Colour adds no meaning to the
words.
"""

import contextlib
import json
from collections.abc import Iterable, Sequence
from enum import Enum
from typing import TYPE_CHECKING, Literal, NamedTuple

import typer

from assist_cli.cli.formatting import GAP, column_widths, pad, width, wrap
from assist_cli.cli.streams import OutputStream, StatusLine, Streams
from assist_cli.errors import AssistError, OutputClosed, OutputFailure
from assist_cli.structs import Struct
from assist_cli.units import escape, escape_json

if TYPE_CHECKING:
    from rich.console import Console


class Format(str, Enum):
    """The output formats of data on stdout."""

    TABLE = "table"
    JSON = "json"
    JSONL = "jsonl"
    CSV = "csv"  # of rows with equal columns


class Encoding(str, Enum):
    """The encoding of CommandContent, Output, Stdout and Stderr in JSON."""

    TEXT = "text"
    BASE64 = "base64"


class Style(str, Enum):
    """The meaning of a colour. The value is the name of the colour in rich."""

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


MIN_WRAPPED = 16  # columns of a wrapped text, however narrow the terminal


class Cell(NamedTuple):
    """A text in a table, with its colour."""

    text: str
    style: Style = Style.PLAIN


class Column(Struct):
    """A column of a table.

    On a narrow terminal a ``flexible`` one is cut to ``least`` columns, and one with ``drop`` is not shown: 1 is the
    first to go.
    """

    title: str
    flexible: bool = False
    right: bool = False
    least: int = 8
    drop: int = 0


class Printer:
    """The output of one command. ``streams`` are those of the process, unless a test gives others."""

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
        """True if data is printed for programs: as JSON, or as CSV."""
        return self._format is not Format.TABLE

    @property
    def is_csv(self) -> bool:
        return self._format is Format.CSV

    @property
    def prints_rows(self) -> bool:
        """True if results are printed one by one, a line each."""
        return self._format in (Format.JSONL, Format.CSV)

    @property
    def draws_tables(self) -> bool:
        """True if tables are drawn to the width of a terminal."""
        return self.stdout_is_terminal and not self._plain

    # terminals

    @property
    def stdout_is_terminal(self) -> bool:
        return self._streams.stdout.is_terminal

    @property
    def stderr_is_terminal(self) -> bool:
        return self._streams.stderr.is_terminal

    @property
    def can_redraw(self) -> bool:
        """True if earlier output can be redrawn: on a terminal, without ``--plain`` and JSON."""
        return not self._plain and not self.is_json and self._streams.stdout.can_redraw

    @property
    def can_ask(self) -> bool:
        """True if a person can be asked: stdin and stderr are terminals."""
        return self._streams.stdin.is_terminal and self.stderr_is_terminal

    @property
    def keyboard(self) -> int | None:
        """The descriptor of stdin if that is a terminal, else None."""
        return self._streams.stdin.fileno() if self._streams.stdin.is_terminal else None

    @property
    def columns(self) -> int:
        """The width of stdout in columns."""
        return self._streams.stdout.columns

    # stderr: messages

    def talk(self, text: str) -> None:
        """Print a message, unless ``-q`` silences it."""
        if not self.quiet:
            self.warn(text)

    def warn(self, text: str) -> None:
        """Print a message, also with ``-q``."""
        self._message("", Style.PLAIN, text)

    def error(self, error: AssistError) -> None:
        """Print an error in one line, then its hint. With JSON: one object in one line."""
        if self._format in (Format.JSON, Format.JSONL):
            words = {"Code": error.code, "Message": error.message, "Hint": error.hint or None}
            self.log(self._json(words, self._streams.stderr))
            return
        self._message("error: ", Style.BAD, error.message)
        if error.hint:
            self._message("hint: ", Style.BUSY, error.hint)

    def _message(self, title: str, style: Style, text: str) -> None:
        """Print a message after its title, wrapped at words if stderr is a terminal."""
        text = escape(text)
        if self.stderr_is_terminal:
            text = wrap(title + text, self._streams.stderr.columns)[len(title) :]
        word = title.rstrip()
        self.log(self._streams.stderr.painted(word, _COLOURS[style]) + title[len(word) :] + text)

    def log(self, text: str) -> None:
        """Write a line to stderr unchanged. The caller has escaped control characters."""
        self._flush_data()
        self._output(error=True).write(f"{text}\n")

    # stderr and stdin: questions

    def ask(self, prompt: str, *, hidden: bool = False) -> str:
        """Ask a person on stderr. The answer is not echoed if ``hidden``. Raises typer.Abort on Ctrl-C and at EOF."""
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
        """Ask a person for yes or no (default: no). Raises typer.Abort as ``ask`` does."""
        while True:
            answer = self.ask(f"{question} [y/N]: ").strip().lower()
            if answer in ("", "n", "no", "y", "yes"):
                return answer.startswith("y")
            self.log("Error: invalid input")

    # stderr: progress

    def progress(self, text: str, hint: str = "") -> None:
        """Show progress in a line at the bottom of the terminal, then the hint if there is room.

        Not shown with ``-q``, or if stderr is not a terminal.
        """
        if not self.quiet:
            self._status.draw(text, hint)

    def remove_enter(self, lines: int = 1) -> None:
        """Remove the progress, and the ``lines`` that Enter has started below it."""
        self._status.step_back(lines)

    # stdout: data

    def line(self, text: str = "") -> None:
        """Print a line of data. The caller has escaped control characters."""
        self.text(f"{text}\n")

    def text(self, text: str) -> None:
        """Print data without an end of its own. The caller has escaped control characters."""
        self._output().write(text)

    def paint(self, text: str, style: Style, *, keep: str = "") -> str:
        """Colour a text if stdout shows colours. Control characters are escaped, except those in ``keep``."""
        return self._streams.stdout.painted(escape(text, keep=keep), _COLOURS[style])

    def script(self, text: str, language: str) -> None:
        """Print a script, with syntax colours if stdout shows colours. The caller has escaped it."""
        text = text.removesuffix("\n")
        if not self._streams.stdout.shows_colours:
            self.line(text)
            return
        from rich.syntax import Syntax

        painted = Syntax("", language, theme="ansi_dark", background_color="default").highlight(text)
        self.console().print(painted, soft_wrap=True, end="")

    def raw(self, data: bytes, *, error: bool = False) -> None:
        """Write bytes unchanged and without delay, to stdout or to stderr."""
        self._output(error=error).write_bytes(data)

    def prefixed(self, name: str, lines: bytes, *, error: bool = False) -> None:
        """Print lines of an instance's output, each after its name. On a terminal they are escaped."""
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
        """Print one JSON document: indented, or with ``-o jsonl`` in one line."""
        self.line(self._json(document, self._streams.stdout, indent=2 if self._format is Format.JSON else None))

    def _json(self, document: object, stream: OutputStream, indent: int | None = None) -> str:
        """Return a document as text. On a terminal, control characters are escaped as in JSON."""
        text = json.dumps(document, ensure_ascii=False, indent=indent)
        return escape_json(text) if stream.is_terminal else text

    def documents(self, documents: Iterable[object]) -> None:
        """Print a list of JSON documents: an array, or with ``-o jsonl`` one a line."""
        if self._format is Format.JSON:
            self.document(list(documents))
        else:
            for document in documents:
                self.document(document)

    def table(self, columns: Sequence[Column], rows: Iterable[Sequence[Cell | str]]) -> None:
        """Print a table for people."""
        cells = [[cell if isinstance(cell, Cell) else Cell(cell) for cell in row] for row in rows]
        if self.draws_tables:
            self._draw_table(columns, cells)
        else:
            self._print_columns(columns, cells)

    def fields(self, rows: Iterable[tuple[str, str]], columns: int) -> None:
        """Print a line for each title and its text; ``columns`` is the width of the titles.

        On a terminal the text is wrapped at words, below its beginning.
        """
        for title, text in rows:
            beginning = f"  {self.paint(pad(title, columns), Style.QUIET)} "
            self.line(beginning + self.wrapped(escape(text), columns + 3))

    def wrapped(self, text: str, indent: int = 0) -> str:
        """Return a text that begins after ``indent`` columns, wrapped at words if stdout is a terminal."""
        if self._plain or not self.stdout_is_terminal:
            return text
        room = max(self.columns - indent, MIN_WRAPPED)
        return wrap(text, room).replace("\n", "\n" + " " * indent)

    def console(self) -> "Console":
        """Return a rich console on stdout, for drawings."""
        return self._output().console()

    def flush(self) -> None:
        """Write buffered data."""
        self._streams.stdout.flush()

    def discard(self) -> None:
        """Discard buffered data, and all data that follows: stdout cannot be written."""
        self._streams.stdout.discard()

    def _output(self, *, error: bool = False) -> OutputStream:
        """Return stdout or stderr, after the progress line is wiped."""
        self._status.wipe()
        return self._streams.stderr if error else self._streams.stdout

    def _flush_data(self) -> None:
        with contextlib.suppress(OutputClosed, OutputFailure):  # the next write of data raises it
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
        widths = _widths(columns, rows, console.width)
        if not widths:
            self._print_blocks(columns, rows)
            return
        hidden = [column.title for position, column in enumerate(columns) if position not in widths]
        if hidden and self.verbose:
            self.talk(f"columns without room here: {', '.join(hidden)}; --plain and -o json show all")
        table = Table(
            box=SIMPLE_HEAD,
            show_edge=False,
            pad_edge=False,
            padding=(0, len(GAP) - 1, 0, 0),  # rich adds one column
            header_style="bold",
            border_style="dim",
        )
        for position, size in widths.items():
            column = columns[position]
            justify: Literal["left", "right"] = "right" if column.right else "left"
            table.add_column(column.title, justify=justify, no_wrap=True, width=size)
        for row in rows:
            cells = [row[position] for position in widths]
            table.add_row(
                *(Text(escape(cell.text), style=cell.style.value, no_wrap=True, overflow="ellipsis") for cell in cells)
            )
        console.print(table)

    def _print_blocks(self, columns: Sequence[Column], rows: Sequence[Sequence[Cell]]) -> None:
        """Print a block of lines for each row: each cell after its title, all of them, none cut."""
        size = max(width(column.title) for column in columns) + len(GAP)
        for number, row in enumerate(rows):
            if number:
                self.line()
            for column, cell in zip(columns, row, strict=True):
                if cell.text:
                    title = self.paint(pad(column.title, size), Style.STRONG)
                    text = self.wrapped(escape(cell.text), size).splitlines()
                    self.line(title + "\n".join(self.paint(line, cell.style) for line in text))


def _widths(columns: Sequence[Column], rows: Sequence[Sequence[Cell]], room: int) -> dict[int, int]:
    """Return the widths of the columns of a drawn table, by their positions; nothing if it does not fit.

    The first column is cut only if no other can be cut or dropped.
    """
    titles = [width(column.title) for column in columns]
    natural = [max([title, *(width(escape(row[place].text)) for row in rows)]) for place, title in enumerate(titles)]
    least = [
        min(size, max(column.least, title)) if column.flexible else size
        for column, size, title in zip(columns, natural, titles, strict=True)
    ]
    drop = [column.drop for column in columns]
    return column_widths(natural, [natural[0], *least[1:]], drop, room) or column_widths(natural, least, drop, room)
