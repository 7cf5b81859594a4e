"""Numbers and times with their units, and foreign text, as people read them."""

from __future__ import annotations

import re
from datetime import datetime, timedelta

UNITS = (("d", 86_400), ("h", 3600), ("min", 60), ("s", 1))  # of time, with their seconds
_BINARY = (("TiB", 40), ("GiB", 30), ("MiB", 20), ("KiB", 10))

# Control characters, line and paragraph separators, and characters that change the direction of text. None of them may
# reach a terminal.
_CONTROL = "[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]"
_WHITE_SPACE = r"[ \t\r\f\v]+"

_NUMBER = r"\d+(?:\.\d+)?"
_PART = (
    rf"({_NUMBER})\s*(s(?:ec(?:ond)?s?)?|m(?:in(?:ute)?s?)?|h(?:(?:ou)?rs?)?|d(?:ays?)?|w(?:(?:ee)?ks?)?)(?![a-z])\s*"
)
_DURATION = rf"{_NUMBER}|(?:{_PART})+"
HUNDRED_YEARS = 100 * 366 * 86_400  # in seconds
_SECONDS_IN = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}


def count(number: int, one: str, many: str = "") -> str:
    """Return a number with its noun: ``1 byte``, ``1,234 bytes``."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def size(number: int) -> str:
    """Return a number of bytes in the unit that fits: ``300 bytes``, ``1.5 KiB``, ``20 GiB``."""
    for unit, power in _BINARY:
        value = number / 2**power
        if value >= 0.9995:  # 1,023.9 KiB is 1 MiB
            return f"{value:.0f} {unit}" if value >= 99.5 else f"{value:.1f} {unit}".replace(".0 ", " ")
    return count(number, "byte")


def span(seconds: float) -> str:
    """Return a time in its largest unit: ``3 s``, ``2 min``, ``5 d``."""
    for unit, length in UNITS:
        if seconds >= length:
            return f"{int(seconds // length)} {unit}"
    return "0 s"


def ago(moment: datetime, now: datetime) -> str:
    """Format a moment relative to now: ``3 s ago``, ``in 2 min``. After more than 30 days: its local date."""
    seconds = (now - moment).total_seconds()
    if abs(seconds) < 1:
        return "just now"
    if seconds < 0:
        return "in " + span(-seconds)
    if seconds > 30 * 86_400:
        return moment.astimezone().strftime("%Y-%m-%d")
    return span(seconds) + " ago"


def due(moment: datetime, now: datetime) -> str:
    """Format a due time relative to now: ``in 7 s``, ``now``, ``55 min overdue``."""
    late = (now - moment).total_seconds()
    if late >= 1:
        return span(late) + " overdue"
    return "now" if late > -1 else ago(moment, now)


def took(length: timedelta) -> str:
    """Format a duration: ``0.12 s``, ``4.1 s``, ``2 min 5 s``, ``3 h 20 min``."""
    seconds = length.total_seconds()
    if seconds < 1:
        return f"{max(seconds, 0):.2f} s"
    if seconds < 60:
        return f"{seconds:.1f} s"
    larger = next(index for index, (_, size) in enumerate(UNITS) if seconds >= size)
    (unit, size), (smaller, small_size) = UNITS[larger], UNITS[larger + 1]
    rest = int(seconds % size // small_size)
    return f"{int(seconds // size)} {unit}" + (f" {rest} {smaller}" if rest else "")


def escape(text: str, *, keep: str = "") -> str:
    """Return the text with each control character written out (``\\x1b``), except those in ``keep``."""
    return re.sub(_CONTROL, lambda found: found[0] if found[0] in keep else _written_out(found[0]), text)


def escape_json(text: str) -> str:
    """Return a JSON text with each control character as ``\\u001b``. Its meaning stays the same."""
    return re.sub(_CONTROL, lambda found: found[0] if found[0] == "\n" else f"\\u{ord(found[0]):04x}", text)


def _written_out(character: str) -> str:
    return repr(character)[1:-1] if character != "\x7f" else "\\x7f"


def one_line(text: str) -> str:
    """Return a script as one line: lines joined, white space collapsed, control characters written out.

    A byte order mark at its beginning is removed.
    """
    lines = (re.sub(_WHITE_SPACE, " ", line).strip() for line in text.removeprefix("\ufeff").split("\n"))
    return escape(" ↵ ".join(line for line in lines if line))


def seconds_of(text: str) -> float | None:
    """Parse a duration (``90``, ``30s``, ``5min``, ``1h30m``, ``2 weeks``) into seconds. Return None for other text."""
    text = text.strip().lower()
    if not re.fullmatch(_DURATION, text, re.ASCII):
        return None
    parts = re.findall(_PART, text, re.ASCII) or [(text, "")]
    return sum(float(number) * _SECONDS_IN[unit[:1]] for number, unit in parts)
