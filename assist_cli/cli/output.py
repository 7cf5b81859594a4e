"""The one place that prints. stdout is data, stderr is talk.

A Printer knows how much to say (``-q``, ``-v``) and in which form the data goes out (``-o``). Tables are drawn with
rich on a terminal; into a pipe, and with ``--plain``, they are columns of text two spaces apart and cut nowhere. Colour
is for terminals without ``NO_COLOR``, and never says what the words do not.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import TextIO

from assist_cli.cli.formatting import escape, pad, width
from assist_cli.errors import AssistError


class Format(str, Enum):
    """The forms of data on stdout."""

    TABLE = "table"
    JSON = "json"
    JSONL = "jsonl"


class Encoding(str, Enum):
    """How CommandContent, Output, Stdout and Stderr are written."""

    TEXT = "text"
    BASE64 = "base64"


class Style(str, Enum):
    """What a colour stands for; the value is rich's word for it."""

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

_ANSI = {
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
    """Prints for one command."""

    def __init__(
        self, *, quiet: bool = False, verbose: bool = False, format: Format = Format.TABLE, plain: bool = False
    ) -> None:
        self.verbose = verbose
        self.quiet = quiet
        self._format = format
        self._plain = plain

    @property
    def is_json(self) -> bool:
        return self._format is not Format.TABLE

    # stderr: talk

    def talk(self, text: str) -> None:
        """Say something to the person; ``-q`` silences it."""
        if not self.quiet:
            self.warn(text)

    def warn(self, text: str) -> None:
        """Say what must be known even then."""
        self._say(escape(text))

    def error(self, error: AssistError) -> None:
        """An error in one line, and its hint; where JSON is asked for, one object in one line."""
        if self.is_json:
            words = {"Code": error.code, "Message": error.message, "Hint": error.hint or None}
            self._say(json.dumps(words, ensure_ascii=False))
            return
        self._say(f"{_paint('error:', Style.BAD, sys.stderr)} {escape(error.message)}")
        if error.hint:
            self._say(f"{_paint('hint:', Style.BUSY, sys.stderr)} {escape(error.hint)}")

    def _say(self, text: str) -> None:
        with contextlib.suppress(OSError):  # stdout that fails is seen by what writes there
            sys.stdout.flush()
        print(text, file=sys.stderr, flush=True)

    # stdout: data

    def line(self, text: str = "") -> None:
        """A line of data; what may hold control characters was escaped before."""
        print(text)

    def paint(self, text: str, style: Style, *, keep: str = "") -> str:
        """The text in a colour, where stdout shows colours. Control characters but those to ``keep`` are escaped."""
        return _paint(escape(text, keep=keep), style, sys.stdout)

    def script(self, text: str, language: str) -> None:
        """A script, in the colours of its language where stdout shows colours; it was escaped before."""
        text = text.removesuffix("\n")
        if not _shows_colours(sys.stdout):
            print(text)
            return
        from rich.console import Console
        from rich.syntax import Syntax

        painted = Syntax("", language, theme="ansi_dark", background_color="default").highlight(text)
        Console(file=sys.stdout, highlight=False).print(painted, soft_wrap=True, end="")

    def raw(self, data: bytes, *, error: bool = False) -> None:
        """Bytes as they are, at once: to stdout, or to stderr."""
        stream = sys.stderr if error else sys.stdout
        stream.flush()
        stream.buffer.write(data)
        stream.buffer.flush()

    def prefixed(self, name: str, line: bytes, *, error: bool = False) -> None:
        """One line of an instance's output after its name: escaped on a terminal, as it is elsewhere."""
        stream = sys.stderr if error else sys.stdout
        if stream.isatty():
            print(
                f"{_paint(escape(name), Style.BUSY, stream)}: {escape(line.decode('utf-8', 'replace'), keep=chr(9))}",
                file=stream,
            )
        else:
            self.raw(b"%s: %s\n" % (name.encode(), line), error=error)

    def document(self, document: object) -> None:
        """One JSON document: indented, or in one line where lines of JSON are asked for."""
        print(json.dumps(document, ensure_ascii=False, indent=2 if self._format is Format.JSON else None))

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
        if self._plain or not sys.stdout.isatty():
            _print_columns(columns, cells)
        else:
            _draw(columns, cells)


def _paint(text: str, style: Style, stream: TextIO) -> str:
    if style is Style.PLAIN or not _shows_colours(stream):
        return text
    return f"\x1b[{_ANSI[style]}m{text}\x1b[0m"


def _shows_colours(stream: TextIO) -> bool:
    return stream.isatty() and not os.environ.get("NO_COLOR")


def _print_columns(columns: Sequence[Column], rows: Sequence[Sequence[Cell]]) -> None:
    table = [[column.title for column in columns], *([escape(cell.text) or "-" for cell in row] for row in rows)]
    widths = [max(map(width, texts)) for texts in zip(*table, strict=True)]
    for texts in table:
        padded = (
            pad(text, size, right=column.right) for text, size, column in zip(texts, widths, columns, strict=True)
        )
        print(GAP.join(padded).rstrip())


def _draw(columns: Sequence[Column], rows: Sequence[Sequence[Cell]]) -> None:
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console(file=sys.stdout, highlight=False)
    if console.width < _least_width(columns, rows):
        _print_columns(columns, rows)  # lines that the terminal breaks are better than columns without letters
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
    """What a drawn table takes at least: what does not give way, a little of what does, and what is between."""
    least = len(GAP) * (len(columns) - 1)
    for position, column in enumerate(columns):
        texts = [column.title, *(escape(row[position].text) for row in rows)]
        longest = max(map(width, texts))
        least += min(longest, LEAST_OF_A_FLEXIBLE) if column.flexible else longest
    return least
