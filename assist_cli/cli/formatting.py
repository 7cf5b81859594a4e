"""Times, sizes and foreign text as people read them, and text and tables fitted to the width of a terminal."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterable, Sequence
from datetime import datetime

from assist_cli.units import count

BAR_COLUMNS = 24
GAP = "  "  # between two columns


def clock(moment: datetime, zone: str | None = None) -> str:
    """Format a moment in local time, with its offset; if ``zone`` has another offset, in that zone first."""
    local = moment.astimezone()
    here = local.isoformat(" ", "seconds")
    if zone is None:
        return here
    from assist_cli.errors import InvalidParameter  # not at the top: completion loads this module
    from assist_cli.model.frequency.zone import zone_of

    with contextlib.suppress(InvalidParameter):  # this machine no longer knows the zone
        there = moment.astimezone(zone_of(zone).rules)
        if there.utcoffset() != local.utcoffset():
            return f"{there:%Y-%m-%d %H:%M:%S} {zone} = {here}"
    return here


def width(text: str) -> int:
    """Return the number of terminal columns of a text. A Chinese character takes two."""
    if text.isascii():
        return len(text)
    from rich.cells import cell_len

    return cell_len(text)


def pad(text: str, columns: int, *, right: bool = False) -> str:
    """Pad a text with spaces to ``columns``: after it, or with ``right`` before it."""
    spaces = " " * (columns - width(text))
    return spaces + text if right else text + spaces


def wrap(text: str, columns: int, indent: int = 0) -> str:
    """Break a line at spaces into lines of at most ``columns``, all but the first one indented.

    A word that is longer than a line is broken too.
    """
    lines, line = [], ""
    for piece in re.findall(r" *[^ ]+", text):
        if width(line + piece) > columns:
            if line:
                lines.append(line)
                piece = " " * indent + piece.lstrip(" ")
            line = ""
        line += piece
        while width(line) > columns:
            head = line[:columns]
            while width(head) > columns:
                head = head[:-1]
            lines.append(head)
            line = " " * indent + line[len(head) :]
    return "\n".join([*lines, line])


def fit(text: str, columns: int) -> str:
    """Wrap the lines of a help text that are longer than ``columns``, each below the beginning of its last column.

    Lines without indentation that follow each other are one paragraph.
    """
    found: list[str] = []
    for line in text.splitlines():
        prose = found and line and not line.startswith(" ") and found[-1] and not found[-1].startswith(" ")
        if prose and max(width(line), width(found[-1])) > columns:
            line = f"{found.pop()} {line}"
        found.append(line)
    return "\n".join(_fitted(line, columns) for line in found)


def _fitted(line: str, columns: int) -> str:
    """Wrap a line. What follows stands below its last column, or below all of it if that leaves too little room."""
    if width(line) <= columns:
        return line
    indent = len(line) - len(line.lstrip(" "))
    below = indent + 4 if indent else 0
    gaps = list(re.finditer(r"(?<=[^ ]) {2,}(?=[^ ])", line))
    if not gaps:
        return wrap(line, columns, below)
    gap = gaps[-1]
    if gap.end() <= columns // 2:
        return wrap(line, columns, gap.end())
    text = " " * (indent + 4) + line[gap.end() :]
    return f"{wrap(line[: gap.start()], columns, below)}\n{wrap(text, columns, indent + 4)}"


def column_widths(natural: Sequence[int], least: Sequence[int], drop: Sequence[int], room: int) -> dict[int, int]:
    """Return the widths of the table columns that fit into ``room``, by their positions.

    Columns are dropped until the ``least`` widths of the others fit: ``drop`` 1 first, then 2; those with 0 stay. Then
    the widest are narrowed. Return nothing if even the least widths of those that stay are too large.
    """
    kept = list(range(len(least)))
    for position in sorted((each for each in kept if drop[each]), key=lambda each: drop[each]):
        if _total(least[each] for each in kept) > room:
            kept.remove(position)
    if _total(least[each] for each in kept) > room:
        return {}
    widths = {each: min(natural[each], room) for each in kept}
    while _total(widths.values()) > room:
        widths[max((each for each in kept if widths[each] > least[each]), key=widths.__getitem__)] -= 1
    return widths


def _total(widths: Iterable[int]) -> int:
    """Return the width of a table with columns of these widths."""
    return sum(each + len(GAP) for each in widths) - len(GAP)


def bar(done: int, total: int, columns: int = BAR_COLUMNS) -> str:
    """Draw a progress bar: ``done`` of ``total``."""
    filled = done * columns // max(total, 1)
    return "█" * filled + "░" * (columns - filled)


def so_far(done: int, total: int, bad: int, unstarted: int) -> str:
    """Draw a progress bar with its numbers: ``done`` of ``total`` ended, some failed (``bad``), some did not start."""
    words = (f", {number} {word}" for number, word in ((bad, "failed"), (unstarted, "not started")) if number)
    return f"{bar(done, total)} {done}/{total}{''.join(words)}"


def and_paused(schedules: int) -> str:
    """Return the end of a sentence about a user or a key, whose schedules were paused with it."""
    return f", and {count(schedules, 'schedule')} of it paused: assist schedule list" if schedules else "."
