"""The fields of a cron expression: seconds first, each a list of values, ranges and steps (docs/rules.md section 6).

A message names the field that is wrong. Ranges may run over the end, as in ``FRI-MON`` and ``22-2``, but for years.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from assist_cli import codes
from assist_cli.errors import InvalidParameter

FIRST_YEAR, LAST_YEAR = 1970, 2099
_MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
_WEEKDAYS = ("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT")
DAY_NAMES = frozenset(_WEEKDAYS)

_ITEM = re.compile(r"(?:(?P<star>\*)|(?P<low>\w+)(?:-(?P<high>\w+))?)(?:/(?P<step>\d{1,4}))?", re.ASCII)
_LAST = re.compile(r"L(\w+)|(\w+)L", re.ASCII)
_NTH = re.compile(r"(\w+)#(\w+)", re.ASCII)


@dataclass(frozen=True)
class Field:
    """What one place of an expression may hold: values from ``low`` to ``high``, some of them by name."""

    name: str
    low: int
    high: int
    example: str
    names: Mapping[str, int] = field(default_factory=dict)


SECOND = Field("second", 0, 59, "0, 30 or */15")
MINUTE = Field("minute", 0, 59, "0, 30 or */5")
HOUR = Field("hour", 0, 23, "2, 8-18 or */6")
DAY_OF_MONTH = Field("day-of-month", 1, 31, "1, 1,15 or L, the last")
MONTH = Field("month", 1, 12, "1, JAN or 4-9", {name: number for number, name in enumerate(_MONTHS, 1)})
DAY_OF_WEEK = Field(
    "day-of-week", 0, 7, "MON-FRI, 5L or 5#2; 0 and 7 are Sunday", {name: day for day, name in enumerate(_WEEKDAYS)}
)
YEAR = Field("year", FIRST_YEAR, LAST_YEAR, "2027 or 2026-2030")


@dataclass(frozen=True)
class Fields:
    """An expression, field by field; values in order.

    ``days`` are its ways to name a day, each a pair of day-of-month and day-of-week in numbers of which one is ``*``;
    a day that fits one of them is due. Without any, every day is. ``goes_on`` tells that the hour field has a wildcard
    or a step, so that firings go on through a change of the clocks.
    """

    seconds: tuple[int, ...]
    minutes: tuple[int, ...]
    hours: tuple[int, ...]
    days: tuple[tuple[str, str], ...]
    months: tuple[int, ...]
    years: tuple[int, ...]
    goes_on: bool
    texts: Mapping[str, str] = field(compare=False)

    @property
    def every_year(self) -> bool:
        return len(self.years) == LAST_YEAR - FIRST_YEAR + 1


def read(words: Sequence[str]) -> Fields:
    """The fields of 5, 6 or 7 words. Raises InvalidParameter (InvalidFrequency)."""
    if len(words) == 5:
        words = ["0", *words]
    if len(words) == 6:
        words = [*words, "*"]
    second, minute, hour, day_of_month, month, day_of_week, year = words
    hours = values(HOUR, hour)
    texts = {SECOND.name: second, DAY_OF_MONTH.name: day_of_month, MONTH.name: month, DAY_OF_WEEK.name: day_of_week}
    return Fields(
        seconds=values(SECOND, second),
        minutes=values(MINUTE, minute),
        hours=hours,
        days=(*_days_of_month(day_of_month), *_days_of_week(day_of_week)),
        months=values(MONTH, month),
        years=values(YEAR, year),
        goes_on="*" in hour or "/" in hour or len(hours) == 24,
        texts={**texts, YEAR.name: year},
    )


def values(field: Field, text: str) -> tuple[int, ...]:
    """The values that a field names, in order."""
    return tuple(sorted({value for item in text.split(",") for value in _values(field, item, text)}))


def _values(field: Field, item: str, text: str) -> Sequence[int]:
    if item == "?":
        raise _wrong(field, text, "'?' stands for a day only")
    found = _ITEM.fullmatch(item)
    if found is None:
        raise _wrong(field, text, f"'{item}' is no value, range or step" if item else "a value is missing")
    top = min(field.high, 6) if field is DAY_OF_WEEK else field.high
    size = top - field.low + 1
    low = field.low if found["star"] else _value(field, found["low"], text)
    high = top
    if found["high"]:
        high = _value(field, found["high"], text)
    elif not found["star"] and not found["step"]:
        high = low
    step = int(found["step"] or 1)
    if not 1 <= step <= size:
        raise _wrong(field, text, f"a step is from 1 to {size}")
    if field is DAY_OF_WEEK and low == 7 and high != 7:
        low = 0
    if low > high:
        if field is YEAR:
            raise _wrong(field, text, f"{low} comes after {high}")
        high += size
    return [(value - field.low) % size + field.low for value in range(low, high + 1, step)]


def _value(field: Field, word: str, text: str) -> int:
    if word in field.names:
        return field.names[word]
    if not word.isdecimal():
        raise _wrong(field, text, f"'{word}' is not known")
    if not (len(word) <= 4 and field.low <= int(word) <= field.high):
        raise _wrong(field, text, f"{word} is not from {field.low} to {field.high}")
    return int(word)


def _days_of_month(text: str) -> Sequence[tuple[str, str]]:
    items = text.split(",")
    if items in (["*"], ["?"]):
        return []
    if any("W" in item for item in items):
        raise _wrong(DAY_OF_MONTH, text, "W, the nearest weekday, is not understood")
    days = [("L", "*")] if "L" in items else []
    plain = [item for item in items if item != "L"]
    if plain:
        numbers = sorted({value for item in plain for value in _values(DAY_OF_MONTH, item, text)})
        days.append((",".join(map(str, numbers)), "*"))
    return days


def _days_of_week(text: str) -> Sequence[tuple[str, str]]:
    items = text.split(",")
    if items in (["*"], ["?"]):
        return []
    days: list[tuple[str, str]] = []
    numbers: set[int] = set()
    for item in items:
        last, nth = _LAST.fullmatch(item), _NTH.fullmatch(item)
        if last:
            days.append(("*", f"L{_value(DAY_OF_WEEK, last[1] or last[2], text) % 7}"))
        elif nth:
            if nth[2] not in ("1", "2", "3", "4", "5"):
                raise _wrong(DAY_OF_WEEK, text, f"'{nth[2]}' is not from 1 to 5")
            days.append(("*", f"{_value(DAY_OF_WEEK, nth[1], text) % 7}#{nth[2]}"))
        else:
            numbers.update(_values(DAY_OF_WEEK, item, text))
    if numbers:
        days.append(("*", ",".join(map(str, sorted(numbers)))))
    return days


def _wrong(field: Field, text: str, reason: str) -> InvalidParameter:
    return InvalidParameter(
        f"cannot use the {field.name} field '{text}': {reason}",
        code=codes.INVALID_FREQUENCY,
        hint=f"{field.name} is for example {field.example}; assist help frequency has all forms",
    )
