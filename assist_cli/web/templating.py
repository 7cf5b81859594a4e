"""The templates, and what they may call: states as words and shapes, times, sizes, and files of ``static``.

Every value is escaped for HTML, and its control characters are written out. A template has loops and conditions, and no
other logic.
"""

from __future__ import annotations

import functools
import hashlib
import shlex
from collections.abc import Iterable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup
from markupsafe import escape as html_escape

from assist_cli import units
from assist_cli.model.folding import fold, fold_some
from assist_cli.units import escape, one_line
from assist_cli.web import words
from assist_cli.web.ansi import AnsiText, Piece
from assist_cli.web.security import TOKEN_FIELD

HERE = Path(__file__).parent
STATIC = HERE / "static"
# The pages at the top: name, path, and the key after "g". A user sees those that the role may open.
NAVIGATION = (
    ("Run", "/run", "r"),
    ("Invocations", "/invocations", "v"),
    ("Commands", "/commands", "c"),
    ("Schedules", "/schedules", "s"),
    ("Queue", "/queue", "q"),
    ("Instances", "/instances", "i"),
    ("Files", "/files", "f"),
    ("Audit", "/audit", "a"),
)
BLOCK = 1000  # lines in one <pre>: a browser lays out only the blocks that are visible


@functools.cache
def environment() -> jinja2.Environment:
    """Return the environment of all templates."""
    made = jinja2.Environment(
        loader=jinja2.FileSystemLoader(HERE / "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_printable,
        auto_reload=False,
    )
    made.filters.update(
        ago=units.ago,
        count=units.count,
        due=units.due,
        fold=fold,
        fold_some=fold_some,
        iso=_iso,
        exact=_exact,
        one_line=one_line,
        pieces=_pieces,
        span=units.span,
        blocks=_blocks,
        size=units.size,
        took=units.took,
        quoted=shlex.quote,
        unchanged=_unchanged,
    )
    made.globals.update(asset=asset, shape=words.SHAPES.__getitem__, token_field=TOKEN_FIELD)
    return made


@functools.cache
def asset(path: str) -> str:
    """Return the URL of a file of ``static``: with its hash, so that a browser may keep it for ever."""
    digest = hashlib.sha256((STATIC / path).read_bytes()).hexdigest()[:12]
    return f"/static/{path}?v={digest}"


def render(template: str, values: dict[str, Any]) -> str:
    """Return a page as text."""
    return environment().get_template(template).render(values)


def _printable(value: Any) -> Any:
    """Write out control characters in every text of a page, see ``units.escape``. Lines and tabs stay."""
    return escape(value, keep="\n\t") if type(value) is str else value


def _unchanged(text: str) -> Markup:
    """Return a text with all of its characters, for a field of a form that is to be sent back."""
    return html_escape(text)


def _iso(moment: datetime) -> str:
    return moment.isoformat(timespec="seconds")


def _exact(moment: datetime) -> str:
    """Return a time in the zone of this machine, with its offset."""
    local = moment.astimezone()
    return f"{local:%Y-%m-%d %H:%M:%S} {local:%Z} ({local:%z})"


def _pieces(text: str) -> list[Piece]:
    """Return a line or a text of output as pieces with CSS classes."""
    return list(AnsiText().pieces(text))


def _blocks(text: str) -> Iterable[tuple[int, list[list[Piece]]]]:
    """Return an output in blocks of lines, each with the number of its first line. A line is a list of pieces."""
    ansi = AnsiText()
    lines: list[list[Piece]] = [[]]
    for classes, part in ansi.pieces(text):
        first, *others = part.split("\n")
        lines[-1].append((classes, first))
        lines.extend([(classes, other)] for other in others)
    if len(lines) > 1 and not any(part for _, part in lines[-1]):
        lines.pop()
    return [(start + 1, lines[start : start + BLOCK]) for start in range(0, len(lines), BLOCK)]


def duration(began: datetime | None, ended: datetime | None) -> timedelta | None:
    """Return the length of a run; None before its end, and if nothing ran."""
    return None if began is None or ended is None else ended - began
