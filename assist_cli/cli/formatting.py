"""How times, sizes and foreign text read to a person."""

from __future__ import annotations

import contextlib
import re
from datetime import datetime, timedelta

# Control characters, line and paragraph separators, and what turns the direction of text: none may reach a terminal.
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]")
_WHITE_SPACE = re.compile(r"[ \t\r\f\v]+")

BAR_COLUMNS = 24

_UNITS = (("d", 86_400), ("h", 3600), ("min", 60), ("s", 1))
_DURATION = re.compile(r"(\d+(?:\.\d+)?)([smhd])?", re.IGNORECASE | re.ASCII)
_SECONDS_IN = {"s": 1, "m": 60, "h": 3600, "d": 86_400}


def escape(text: str, *, keep: str = "") -> str:
    """The text with each control character written out (``\\x1b``), but for those in ``keep``."""
    return _CONTROL.sub(lambda found: found[0] if found[0] in keep else _written_out(found[0]), text)


def escape_json(text: str) -> str:
    """A JSON text with each control character in it as ``\\u001b``; the text means the same."""
    return _CONTROL.sub(lambda found: found[0] if found[0] == "\n" else f"\\u{ord(found[0]):04x}", text)


def _written_out(character: str) -> str:
    return repr(character)[1:-1] if character != "\x7f" else "\\x7f"


def one_line(text: str) -> str:
    """A script as one line: its lines side by side, white space closed up, control characters written out.

    A byte order mark at its beginning is left out.
    """
    lines = (_WHITE_SPACE.sub(" ", line).strip() for line in text.removeprefix("\ufeff").split("\n"))
    return escape(" ↵ ".join(line for line in lines if line))


def ago(moment: datetime, now: datetime) -> str:
    """A moment seen from now: ``3 s ago``, ``2 min ago``; its local date when it is more than a month old."""
    seconds = (now - moment).total_seconds()
    if abs(seconds) < 1:
        return "just now"
    if seconds < 0:
        return "in " + span(-seconds)
    if seconds > 30 * 86_400:
        return moment.astimezone().strftime("%Y-%m-%d")
    return span(seconds) + " ago"


def due(moment: datetime, now: datetime) -> str:
    """A moment at which something is to happen, seen from now: ``in 7 s``, ``now``, ``55 min overdue``."""
    late = (now - moment).total_seconds()
    if late >= 1:
        return span(late) + " overdue"
    return "now" if late > -1 else ago(moment, now)


def span(seconds: float) -> str:
    """A time in its largest unit: ``3 s``, ``2 min``, ``5 d``."""
    for unit, length in _UNITS:
        if seconds >= length:
            return f"{int(seconds // length)} {unit}"
    return "0 s"


def took(length: timedelta) -> str:
    """How long something took: ``0.12 s``, ``4.1 s``, ``2 min 5 s``, ``3 h 20 min``."""
    seconds = length.total_seconds()
    if seconds < 1:
        return f"{max(seconds, 0):.2f} s"
    if seconds < 60:
        return f"{seconds:.1f} s"
    larger = next(index for index, (_, size) in enumerate(_UNITS) if seconds >= size)
    (unit, size), (smaller, small_size) = _UNITS[larger], _UNITS[larger + 1]
    rest = int(seconds % size // small_size)
    return f"{int(seconds // size)} {unit}" + (f" {rest} {smaller}" if rest else "")


def clock(moment: datetime, zone: str | None = None) -> str:
    """A moment in local time, to the second, with its offset; before it in ``zone``, where that differs."""
    local = moment.astimezone()
    here = local.isoformat(" ", "seconds")
    if zone is None:
        return here
    from assist_cli.errors import InvalidParameter  # completion loads this module, and none of these
    from assist_cli.model.frequency.zone import zone_of

    with contextlib.suppress(InvalidParameter):  # a zone that this machine does not know any more
        there = moment.astimezone(zone_of(zone).rules)
        if there.utcoffset() != local.utcoffset():
            return f"{there:%Y-%m-%d %H:%M:%S} {zone} = {here}"
    return here


def seconds_of(text: str) -> float | None:
    """The seconds of a duration as people write it (``90``, ``30s``, ``10m``, ``2h``, ``30d``); None for other text."""
    found = _DURATION.fullmatch(text.strip())
    return float(found[1]) * _SECONDS_IN[(found[2] or "s").lower()] if found else None


def count(number: int, one: str, many: str = "") -> str:
    """``1 byte``, ``1,234 bytes``."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def width(text: str) -> int:
    """How many columns of a terminal a text takes: a Chinese character takes two."""
    if text.isascii():
        return len(text)
    from rich.cells import cell_len

    return cell_len(text)


def pad(text: str, columns: int, *, right: bool = False) -> str:
    """The text with spaces to so many columns, behind it or, to the ``right``, before it."""
    spaces = " " * (columns - width(text))
    return spaces + text if right else text + spaces


def bar(done: int, total: int, columns: int = BAR_COLUMNS) -> str:
    """A bar that is filled as far as ``done`` is of ``total``."""
    filled = done * columns // max(total, 1)
    return "█" * filled + "░" * (columns - filled)


def so_far(done: int, total: int, bad: int, unstarted: int) -> str:
    """A bar and its numbers: of ``total``, so many are over, ``bad`` of them failed and ``unstarted`` did not start."""
    words = (f", {number} {word}" for number, word in ((bad, "failed"), (unstarted, "not started")) if number)
    return f"{bar(done, total)} {done}/{total}{''.join(words)}"
