"""Promises and figures of a benchmark: printed, and written into docs/benchmarks.md.

A benchmark has a parser of ``arguments`` and one Report. ``python -m benchmarks`` reads the promises of each from a
file, and prints all of them.
"""

from __future__ import annotations

import argparse
import json
import sys
import textwrap
import time
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from benchmarks import document, machine
from benchmarks.measure import Times

UNKNOWN = "–"
WIDTH = 120  # of lines in the document


@dataclass(frozen=True)
class Promise:
    """A promise: the measured value is at most ``limit``, or at least that. None: it was not measured."""

    name: str
    measured: float | None
    limit: float
    unit: str = ""
    at_least: bool = False

    @property
    def is_broken(self) -> bool:
        if self.measured is None:
            return False
        return self.measured < self.limit if self.at_least else self.measured > self.limit

    @property
    def verdict(self) -> str:
        return "not measured" if self.measured is None else "broken" if self.is_broken else "kept"

    @property
    def cells(self) -> list[str]:
        """Name, measured value, budget and verdict."""
        measured = UNKNOWN if self.measured is None else f"{number(self.measured)}{self.unit}"
        return [self.name, measured, f"{'≥' if self.at_least else '≤'} {number(self.limit)}{self.unit}", self.verdict]


def number(value: float) -> str:
    """Format a measured value: two decimals, more for small values, none for large ones."""
    decimals = 0 if abs(value) >= 1000 else 2 if abs(value) >= 0.1 else 4
    text = f"{value:,.{decimals}f}"
    return text.rstrip("0").rstrip(".") if decimals else text


@dataclass(frozen=True)
class Table:
    """Rows of cells under a head. ``texts`` are the indexes of the columns with text; the others have numbers."""

    head: Sequence[str]
    rows: Sequence[Sequence[str]]
    texts: Sequence[int] = (0,)

    def plain(self) -> list[str]:
        """The lines for a terminal, in columns."""
        rows = [self.head, *self.rows]
        widths = [max(len(row[place]) for row in rows) for place in range(len(self.head))]
        return [
            "  ".join(
                f"{cell:<{width}}" if place in self.texts else f"{cell:>{width}}"
                for place, (cell, width) in enumerate(zip(row, widths, strict=True))
            ).rstrip()
            for row in rows
        ]

    def markdown(self) -> list[str]:
        """The lines for the document."""
        rule = ["---" if place in self.texts else "---:" for place in range(len(self.head))]
        return [f"| {' | '.join(row)} |" for row in (self.head, rule, *self.rows)]


def arguments(file: str, description: str | None) -> argparse.ArgumentParser:
    """The parser of a benchmark, which is named after its ``file``."""
    name = Path(file).stem
    parser = argparse.ArgumentParser(
        prog=f"python -m benchmarks.{name}",
        description=description,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--write-docs", action="store_true", help="write the figures into docs/benchmarks.md")
    parser.add_argument("--promises", type=Path, metavar="FILE", help="write the promises into FILE, as JSON")
    parser.set_defaults(name=name)
    return parser


class Report:
    """Print promises and figures as they are measured, and write them at the end.

    ``title`` says what was measured and how many turns, ``options`` are those of ``arguments``, and ``programs`` those
    whose versions matter (``machine.VERSIONS``).
    """

    def __init__(self, title: str, options: argparse.Namespace, programs: Sequence[str] = ()) -> None:
        self._title = title
        self._options = options
        self._promises: list[Promise] = []
        self._figures: list[tuple[str, str]] = []
        self._tables: list[Table] = []
        self._machine = machine.describe(programs)
        self._day, self._load, self._speed = time.strftime("%Y-%m-%d"), machine.load(), machine.speed()
        print(f"\n{title}", flush=True)

    def line(self, text: object) -> None:
        """Print something that is not for the document."""
        print(f"  {text}", flush=True)

    def figure(self, name: str, value: str) -> None:
        """Add a figure that has no budget."""
        self._figures.append((name, value))
        self.line(f"{name}: {value}")

    def table(self, table: Table) -> None:
        """Add a table of figures."""
        self._tables.append(table)
        for line in table.plain():
            self.line(line)

    def times(self, times: Iterable[Times]) -> None:
        """Add a table of times: the median and the fastest turn of each."""
        rows = [[each.name, f"{each.median * 1000:,.0f} ms", f"{each.fastest * 1000:,.0f} ms"] for each in times]
        self.table(Table(("wall time", "median", "fastest"), rows))

    def budget(self, name: str, value: float, limit: float, unit: str = "", *, at_least: bool = False) -> None:
        """Check that ``value`` is at most ``limit``, or at least that."""
        self.check(Promise(name, value, limit, unit, at_least))

    def check(self, promise: Promise) -> None:
        self._promises.append(promise)
        name, measured, budget, verdict = promise.cells
        self.line(f"{verdict.upper() if promise.is_broken else verdict:<6} {name}: {measured}, budget {budget}")

    def end(self) -> None:
        """Write the promises and the section of the document, as asked, and end with status 1 if one is broken."""
        speed = f"a fixed loop took {self._speed:.1f} ms before and {machine.speed():.1f} ms after"
        state = f"load average {self._load:.2f} at the start; {speed}"
        self.line(state)
        if self._options.write_docs:
            document.write(self._options.name, self.section(state))
        if self._options.promises:
            self._options.promises.write_text(json.dumps([asdict(each) for each in self._promises]))
        sys.exit(1 if any(each.is_broken for each in self._promises) else 0)

    def section(self, state: str) -> str:
        """The section of the document: promises, figures, tables, and where, when and in which ``state``."""
        tables = list(self._tables)
        if self._figures:
            tables.insert(0, Table(("figure", "measured"), self._figures))
        if self._promises:
            rows = [each.cells if not each.is_broken else [*each.cells[:-1], "**broken**"] for each in self._promises]
            tables.insert(0, judged(rows))
        lines = [line for table in tables for line in (*table.markdown(), "")]
        taken = f"{self._title}. {self._day}, {self._machine}, {state}."
        return "\n".join([*lines, *textwrap.wrap(taken, WIDTH)])


def judged(rows: Sequence[Sequence[str]], more: Sequence[str] = ()) -> Table:
    """The table of promises. Each row has the cells of ``more`` before those of its promise."""
    texts = (*range(len(more) + 1), len(more) + 3)
    return Table((*more, "promise", "measured", "budget", "verdict"), rows, texts)
