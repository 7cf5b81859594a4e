"""The fields of a cron expression: seconds first, each a list of values, ranges and steps (docs/rules.md section 6).

A message names the invalid field. Ranges may wrap around, as in ``FRI-MON`` and ``22-2``, except for years.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from assist_cli import codes
from assist_cli.errors import InvalidParameter
from assist_cli.model.frequency.days import DayRule

FIRST_YEAR, LAST_YEAR = 1970, 2099
_MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
_WEEKDAYS = ("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT")
DAY_NAMES = frozenset(_WEEKDAYS)

_ITEM = re.compile(r"(?:(?P<star>\*)|(?P<low>\w+)(?:-(?P<high>\w+))?)(?:/(?P<step>\d+))?", re.ASCII)
_EVERY = re.compile(r"\?|\*(?:/0?1)?", re.ASCII)  # a day field that does not restrict the days
_FROM_LAST = re.compile(r"L-(\d+)", re.ASCII)
_NEAREST = re.compile(r"(\w+)W", re.ASCII)
_LAST = re.compile(r"L(\w+)|(\w+)L", re.ASCII)
_NTH = re.compile(r"(\w+)#(\w+)", re.ASCII)


@dataclass(frozen=True)
class Field:
    """One field of an expression: values from ``low`` to ``high``, some of them by name."""

    name: str
    low: int
    high: int
    example: str
    names: Mapping[str, int] = field(default_factory=dict)


SECOND = Field("second", 0, 59, "0, 30 or */15")
MINUTE = Field("minute", 0, 59, "0, 30 or */5")
HOUR = Field("hour", 0, 23, "2, 8-18 or */6")
DAY_OF_MONTH = Field("day-of-month", 1, 31, "1, 1,15, 15W or L, the last")
MONTH = Field("month", 1, 12, "1, JAN or 4-9", {name: number for number, name in enumerate(_MONTHS, 1)})
DAY_OF_WEEK = Field(
    "day-of-week", 0, 7, "MON-FRI, 5L or 5#2; 0 and 7 are Sunday", {name: day for day, name in enumerate(_WEEKDAYS)}
)
YEAR = Field("year", FIRST_YEAR, LAST_YEAR, "2027 or 2026-2030")


@dataclass(frozen=True)
class Fields:
    """The fields of an expression: their values in order, and their ``texts`` as written."""

    seconds: tuple[int, ...]
    minutes: tuple[int, ...]
    hours: tuple[int, ...]
    days: DayRule
    years: tuple[int, ...]
    texts: Mapping[str, str] = field(compare=False)

    @property
    def is_hourly(self) -> bool:
        """Return True if it has all 24 hours: then it follows the elapsed time through a change of the clocks."""
        return len(self.hours) == 24

    @property
    def has_both_days(self) -> bool:
        """Return True if both day fields restrict the days, so that either may match."""
        return not (_is_every(self.texts[DAY_OF_MONTH.name]) or _is_every(self.texts[DAY_OF_WEEK.name]))

    @property
    def has_weekday_numbers(self) -> bool:
        """Return True if a weekday is given by its number."""
        items = self.texts[DAY_OF_WEEK.name].split(",")
        return any(character.isdigit() for item in items for character in re.split("[/#]", item)[0])


def read(words: Sequence[str]) -> Fields:
    """Parse 5, 6 or 7 words into fields. Raises InvalidParameter (InvalidFrequency)."""
    if len(words) == 5:
        words = ["0", *words]
    if len(words) == 6:
        words = [*words, "*"]
    second, minute, hour, day_of_month, month, day_of_week, year = words
    texts = {SECOND.name: second, DAY_OF_MONTH.name: day_of_month, MONTH.name: month, DAY_OF_WEEK.name: day_of_week}
    return Fields(
        seconds=values(SECOND, second),
        minutes=values(MINUTE, minute),
        hours=values(HOUR, hour),
        days=_days(day_of_month, values(MONTH, month), day_of_week),
        years=values(YEAR, year),
        texts={**texts, YEAR.name: year},
    )


def values(field: Field, text: str) -> tuple[int, ...]:
    """Return the values that a field names, in order."""
    return tuple(sorted({value for item in text.split(",") for value in _values(field, item, text)}))


def _values(field: Field, item: str, text: str) -> Sequence[int]:
    if item == "?":
        raise _wrong(field, text, "'?' must be alone, in a field for days")
    found = _ITEM.fullmatch(item)
    if found is None:
        raise _wrong(field, text, f"'{item}' is not a value, range or step" if item else "a value is missing")
    top = min(field.high, 6) if field is DAY_OF_WEEK else field.high
    size = top - field.low + 1
    low = field.low if found["star"] else _value(field, found["low"], text)
    high = top
    if found["high"]:
        high = _value(field, found["high"], text)
    elif not found["star"] and not found["step"]:
        high = low
    step = _number(field, text, found["step"], 1, size) if found["step"] else 1
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
    return _number(field, text, word, field.low, field.high)


def _number(field: Field, text: str, word: str, low: int, high: int) -> int:
    """Parse a decimal number within a field; it may have one leading zero."""
    if not word.isdecimal():
        last = {DAY_OF_WEEK.name: "a day of the week", YEAR.name: "a year"}.get(field.name)  # a zone may stand behind
        raise _wrong(field, text, f"'{word}' is " + (f"neither {last} nor a time zone" if last else "unknown"))
    if len(word) > max(len(str(high)), 2):
        raise _wrong(field, text, f"{word} is not a number from {low} to {high}")
    if not low <= int(word) <= high:
        raise _wrong(field, text, f"{word} is not from {low} to {high}")
    return int(word)


def _is_every(text: str) -> bool:
    """Return True if a day field does not restrict the days."""
    return _EVERY.fullmatch(text) is not None


def _days(of_month: str, months: tuple[int, ...], of_week: str) -> DayRule:
    found = {**_days_of_month(of_month), **_days_of_week(of_week)}
    return DayRule(months, is_every_day=not any(found.values()), **found)


def _days_of_month(text: str) -> dict[str, Any]:
    """Return the parts of a DayRule that the day-of-month field names."""
    if _is_every(text):
        return {}
    numbers: set[int] = set()
    from_last: set[int] = set()
    nearest: tuple[int, ...] = ()
    for item in text.split(","):
        distance, workday = _FROM_LAST.fullmatch(item), _NEAREST.fullmatch(item)
        if item == "L":
            from_last.add(0)
        elif distance:
            from_last.add(_number(DAY_OF_MONTH, text, distance[1], 1, 30))
        elif re.fullmatch(r"L-\d+W", item, re.ASCII):
            raise _wrong(
                DAY_OF_MONTH, text, f"'{item}' is not supported; LW is the last weekday, 15W one near the 15th"
            )
        elif workday and item != "LW":
            if item != text:
                raise _wrong(DAY_OF_MONTH, text, f"'{item}', a nearest weekday, must be alone")
            nearest = (_value(DAY_OF_MONTH, workday[1], text),)
        elif item != "LW":
            numbers.update(_values(DAY_OF_MONTH, item, text))
    return {
        "numbers": tuple(sorted(numbers)),
        "from_last": tuple(sorted(from_last)),
        "nearest": nearest,
        "last_workday": "LW" in text.split(","),
    }


def _days_of_week(text: str) -> dict[str, Any]:
    """Return the parts of a DayRule that the day-of-week field names."""
    if _is_every(text):
        return {}
    weekdays: set[int] = set()
    nth: set[tuple[int, int]] = set()
    ends: set[int] = set()
    for item in text.split(","):
        last, numbered = _LAST.fullmatch(item), _NTH.fullmatch(item)
        if last:
            ends.add(_value(DAY_OF_WEEK, last[1] or last[2], text) % 7)
        elif numbered:
            nth.add((_value(DAY_OF_WEEK, numbered[1], text) % 7, _number(DAY_OF_WEEK, text, numbered[2], 1, 5)))
        else:
            weekdays.update(_values(DAY_OF_WEEK, item, text))
    return {"weekdays": tuple(sorted(weekdays)), "nth": tuple(sorted(nth)), "last": tuple(sorted(ends))}


def _wrong(field: Field, text: str, reason: str) -> InvalidParameter:
    return InvalidParameter(
        f"cannot use the {field.name} field '{text}': {reason}",
        code=codes.INVALID_FREQUENCY,
        hint=f"{field.name} is for example {field.example}; assist help frequency has all forms",
    )
