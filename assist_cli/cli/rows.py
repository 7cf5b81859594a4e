"""Rows of equal columns, printed as they come, however many: as a table, JSON or CSV.

The values are those of SQLite and of JSON. Bytes are text, with invalid UTF-8 as U+FFFD; an infinite number is null in
JSON, which has none. The first line is printed when the first row is there, or when there is none: an error before it
leaves stdout empty.
"""

from __future__ import annotations

import csv
import io
import itertools
import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from assist_cli.cli.formatting import GAP, pad, width
from assist_cli.cli.output import Column, Format, Printer
from assist_cli.units import escape, escape_json

BLOCK = 500  # rows that have the widths of a table
BLOCK_CHARACTERS = 1_000_000

Row = Sequence[Any]


def print_rows(printer: Printer, form: Format, titles: Sequence[str], rows: Iterable[Row]) -> None:
    """Print rows, each with a value for every title."""
    source = ([_decoded(value) for value in row] for row in rows)
    if form is Format.TABLE:
        _print_table(printer, titles, source)
    elif form is Format.CSV:
        first = list(itertools.islice(source, 1))
        for row in itertools.chain([titles], first, source):
            print_csv(printer, row)
    elif form is Format.JSONL:
        for row in source:
            _print_json(printer, json.dumps(_document(titles, row), ensure_ascii=False))
    else:
        before = "["
        for row in source:
            text = json.dumps(_document(titles, row), ensure_ascii=False, indent=2)
            _print_json(printer, before + "\n  " + text.replace("\n", "\n  "), end="")
            before = ","
        printer.line("\n]" if before == "," else "[]")


def print_documents(printer: Printer, documents: Iterable[Mapping[str, Any]]) -> None:
    """Print JSON documents of equal keys as CSV, with a header if there are any."""
    for number, document in enumerate(documents):
        if not number:
            print_csv(printer, list(document))
        print_csv(printer, cells(document))


def cells(document: Mapping[str, Any]) -> list[Any]:
    """Return the values of a JSON document as cells of CSV: objects and lists are JSON."""
    return [
        json.dumps(value, ensure_ascii=False) if isinstance(value, dict | list) else value
        for value in document.values()
    ]


def print_csv(printer: Printer, row: Row) -> None:
    """Print a row as CSV (RFC 4180, with LF). On a terminal control characters are written out."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\r\n").writerow(row)  # it quotes cells with a character of its line end
    line = text.getvalue().removesuffix("\r\n")
    printer.line(escape(line, keep="\t\n") if printer.stdout_is_terminal else line)


def _print_table(printer: Printer, titles: Sequence[str], rows: Iterator[Row]) -> None:
    """Print a table with the widths of its first block; drawn, each block is a table of its own."""
    cells = ((["" if value is None else str(value) for value in row], row) for row in rows)
    block = _block(cells)
    right = [
        bool(block) and all(isinstance(row[place], int | float | None) for _, row in block)
        for place in range(len(titles))
    ]
    columns = [Column(title.upper(), not number, number) for title, number in zip(titles, right, strict=True)]
    if printer.draws_tables:
        while block:
            printer.table(columns, [texts for texts, _ in block])
            block = _block(cells)
        return
    first = [[column.title for column in columns], *([escape(text) or "-" for text in texts] for texts, _ in block)]
    widths = [max(map(width, texts)) for texts in zip(*first, strict=True)]
    rest = ([escape(text) or "-" for text in texts] for texts, _ in cells)
    for texts in itertools.chain(first, rest):
        padded = (pad(text, size, right=number) for text, size, number in zip(texts, widths, right, strict=True))
        printer.line(GAP.join(padded).rstrip())


def _block(cells: Iterator[tuple[list[str], Row]]) -> list[tuple[list[str], Row]]:
    """Return the next rows, at most BLOCK of them and of limited size."""
    found, size = [], 0
    for texts, row in itertools.islice(cells, BLOCK):
        found.append((texts, row))
        size += sum(map(len, texts))
        if size > BLOCK_CHARACTERS:
            break
    return found


def _document(titles: Sequence[str], row: Row) -> dict[str, Any]:
    numbers = (None if isinstance(value, float) and not math.isfinite(value) else value for value in row)
    return dict(zip(titles, numbers, strict=True))


def _print_json(printer: Printer, text: str, end: str = "\n") -> None:
    printer.text((escape_json(text) if printer.stdout_is_terminal else text) + end)


def _decoded(value: Any) -> Any:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else value
