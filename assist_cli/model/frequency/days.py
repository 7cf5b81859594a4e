"""The days on which a cron expression is due.

A year starts on one of seven weekdays and is a leap year or not. So there are 14 kinds of years, and the days of each
kind are computed one time. No expression needs the days of more than 14 years.
"""

from __future__ import annotations

import bisect
import calendar
import functools
import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date

_EPOCH = date(1970, 1, 1).toordinal()
_WEEK = 7
_LENGTHS = (31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)


@dataclass(frozen=True)
class DayRule:
    """The ways in which an expression names a day: a day that matches any of them is due. Without any, all are.

    Weekdays count from Sunday, 0. ``from_last`` has days before the last one of the month (``L`` is 0, ``L-3`` is 3),
    ``nearest`` the days of ``15W``, and ``last_workday`` is ``LW``. ``nth`` has weekday and number (``5#2``), ``last``
    the weekdays of ``5L``.
    """

    months: tuple[int, ...]
    numbers: tuple[int, ...] = ()
    from_last: tuple[int, ...] = ()
    nearest: tuple[int, ...] = ()
    last_workday: bool = False
    weekdays: tuple[int, ...] = ()
    nth: tuple[tuple[int, int], ...] = ()
    last: tuple[int, ...] = ()
    is_every_day: bool = False

    def of_month(self, length: int, first: int) -> list[int]:
        """Return the due days of a month of this length, whose first day is this weekday."""
        if self.is_every_day:
            return list(range(1, length + 1))
        found = {day for day in self.numbers if day <= length}
        found.update(length - back for back in self.from_last if back < length)
        found.update(_nearest_workday(day, length, first) for day in self.nearest if day <= length)
        if self.last_workday:
            found.add(_nearest_workday(length, length, first))
        for weekday in self.weekdays:
            found.update(range(_first_of(weekday, first), length + 1, _WEEK))
        for weekday, number in self.nth:
            day = _first_of(weekday, first) + (number - 1) * _WEEK
            if day <= length:
                found.add(day)
        for weekday in self.last:
            found.add(range(_first_of(weekday, first), length + 1, _WEEK)[-1])
        return sorted(found)


@dataclass(frozen=True)
class Days:
    """The days of a rule in some years; days are counted from 1970-01-01."""

    rule: DayRule
    years: tuple[int, ...]

    @property
    def last(self) -> int:
        """Return the last day of the last year."""
        return _first_day(self.years[-1] + 1) - 1

    def first(self, day: int) -> int | None:
        """Return the first due day that is not before ``day``."""
        for start, due in self._from(day):
            index = bisect.bisect_left(due, day - start)
            if index < len(due):
                return start + due[index]
        return None

    def neighbours(self, day: int) -> tuple[int, int] | None:
        """Return the first two successive due days, neither of them before ``day``."""
        before = None  # the last due day of the previous years
        for start, due in self._from(day):
            index = bisect.bisect_left(due, day - start)
            if index == len(due):
                continue
            if before is not None and before + 1 == start + due[index]:
                return before, start + due[index]
            twins = _twins(self.rule, start)
            at = bisect.bisect_left(twins, day - start)
            if at < len(twins):
                return start + twins[at], start + twins[at] + 1
            before = start + due[-1]
        return None

    def _from(self, day: int) -> Iterator[tuple[int, Sequence[int]]]:
        """Yield the first day of each year from that of ``day`` on, and its due days, counted from that."""
        year = date.fromordinal(max(day + _EPOCH, 1)).year
        for each in self.years[bisect.bisect_left(self.years, year) :]:
            start = _first_day(each)
            yield start, due_days(self.rule, *_kind(start))


@functools.lru_cache(maxsize=8192)
def due_days(rule: DayRule, is_leap: bool, first: int) -> tuple[int, ...]:
    """Return the due days of a year that begins with this weekday, counted from its first day."""
    found: list[int] = []
    start = 0
    for month, length in enumerate(_LENGTHS, 1):
        days = length + (month == 2 and is_leap)
        if month in rule.months:
            found.extend(start + day - 1 for day in rule.of_month(days, (first + start) % _WEEK))
        start += days
    return tuple(found)


@functools.lru_cache(maxsize=8192)
def _twins_of(rule: DayRule, is_leap: bool, first: int) -> tuple[int, ...]:
    due = due_days(rule, is_leap, first)
    return tuple(day for day, following in itertools.pairwise(due) if following == day + 1)


def _twins(rule: DayRule, start: int) -> tuple[int, ...]:
    """Return the due days of a year whose following day is due too; ``start`` is its first day."""
    return _twins_of(rule, *_kind(start))


def _kind(start: int) -> tuple[bool, int]:
    """Return the kind of the year that begins on this day: leap year or not, and its first weekday."""
    found = date.fromordinal(start + _EPOCH)
    return calendar.isleap(found.year), found.isoweekday() % _WEEK


@functools.lru_cache(maxsize=256)
def _first_day(year: int) -> int:
    return date(year, 1, 1).toordinal() - _EPOCH


def _first_of(weekday: int, first: int) -> int:
    """Return the first day of a month that is this weekday, where the month begins with the weekday ``first``."""
    return (weekday - first) % _WEEK + 1


def _nearest_workday(day: int, length: int, first: int) -> int:
    """Return the day of Monday to Friday that is nearest to a day, in the same month."""
    weekday = (first + day - 1) % _WEEK
    if weekday == 6:
        return day - 1 if day > 1 else day + 2
    if weekday == 0:
        return day + 1 if day < length else day - 2
    return day
