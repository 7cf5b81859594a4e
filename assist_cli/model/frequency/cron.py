"""Cron: the seconds on which an expression fires (docs/rules.md section 6).

A segment is a stretch of time in which the offset of a zone stays the same. An expression names civil times. It is due
when the clock of a segment shows one of them. Three more rules apply at the beginning of a segment:

- Clocks went back, so a span of civil times repeats. The second pass counts for an expression that is hourly, or names
  two or more times within the span.
- Clocks went ahead, so a span of civil times is skipped. An expression that names one of them, and is not hourly, fires
  one time, at the first moment after the span. This firing is made up; all others are named.
- Of two firings closer than the minimum gap, a named one wins over a made-up one, else the earlier one wins.
"""

from __future__ import annotations

import bisect
import itertools
from collections.abc import Iterator
from dataclasses import dataclass

from assist_cli.model.frequency.days import Days
from assist_cli.model.frequency.fields import Fields
from assist_cli.model.frequency.zone import DAY, Change, Zone
from assist_cli.model.quotas import INTERVAL

_MARGIN = 2 * DAY  # more than any two offsets differ


@dataclass(frozen=True)
class Gap:
    """Two successive firings, as civil times."""

    first: int
    second: int

    @property
    def seconds(self) -> int:
        return self.second - self.first


@dataclass(frozen=True)
class Cron:
    """A cron expression in a zone."""

    fields: Fields
    days: Days
    zone: Zone

    def first(self, start: int) -> int | None:
        """Return the first firing at or after a moment."""
        while True:
            end = self.zone.quiet_until(start)
            found = self._in_segment(start, end)
            if found is not None:
                return found
            # From here on, no clock shows an earlier civil time than this.
            civil = self.first_civil(end + self.zone.offset(end) - _MARGIN)
            if civil is None:
                return None
            start = max(end, civil - self.zone.offset(end) - _MARGIN)

    def _in_segment(self, start: int, end: int) -> int | None:
        """Return the first firing from ``start`` until before ``end``; no clock changes between them."""
        offset = self.zone.offset(start)
        civil = start + offset
        change = self.zone.last_change(start, INTERVAL.limit)
        if change is not None and change.is_gap:
            if start == change.at and self._makes_up(change):
                return start
        elif change is not None and not self._counts_twice(change):
            civil = max(civil, change.at + change.before)
        found = self.first_civil(civil)
        if found is not None and change is not None and self._follows_closely(change, found - offset):
            found = self.first_civil(found + 1)
        return None if found is None or found - offset >= end else found - offset

    def _counts_twice(self, change: Change) -> bool:
        """Return True if the second pass of a repeated span counts."""
        if self.fields.is_hourly:
            return True
        begin, end = change.span
        first = self.first_civil(begin)
        return first is not None and self._names(first + 1, end)

    def _makes_up(self, change: Change) -> bool:
        """Return True if it fires at the end of a skipped span: it names no moment close to that end."""
        begin, end = change.span
        near = INTERVAL.limit - 1
        return (
            not self.fields.is_hourly
            and self._names(begin, end)
            and not self._names(begin - near, begin)
            and not self._names(end, end + near + 1)
        )

    def _follows_closely(self, change: Change, moment: int) -> bool:
        """Return True if the old clock has named a moment less than the minimum gap before this one."""
        return self._names(moment - INTERVAL.limit + 1 + change.before, change.at + change.before)

    def _names(self, begin: int, end: int) -> bool:
        """Return True if it names a civil time from ``begin`` until before ``end``."""
        found = self.first_civil(begin)
        return found is not None and found < end

    def first_civil(self, civil: int) -> int | None:
        """Return the first civil time of the expression at or after ``civil``."""
        start, second = divmod(civil, DAY)
        day = self.days.first(start)
        if day == start:
            time = self._first_time(second)
            if time is not None:
                return day * DAY + time
            day = self.days.first(start + 1)
        return None if day is None else day * DAY + self._earliest

    def _first_time(self, second: int) -> int | None:
        """Return the first time of the day at or after ``second``."""
        hour, rest = divmod(second, 3600)
        minute, second = divmod(rest, 60)
        seconds, minutes, hours = self.fields.seconds, self.fields.minutes, self.fields.hours
        at_hour = bisect.bisect_left(hours, hour)
        if at_hour < len(hours) and hours[at_hour] == hour:
            at_minute = bisect.bisect_left(minutes, minute)
            if at_minute < len(minutes) and minutes[at_minute] == minute:
                at_second = bisect.bisect_left(seconds, second)
                if at_second < len(seconds):
                    return hour * 3600 + minute * 60 + seconds[at_second]
                at_minute += 1
            if at_minute < len(minutes):
                return hour * 3600 + minutes[at_minute] * 60 + seconds[0]
            at_hour += 1
        if at_hour < len(hours):
            return hours[at_hour] * 3600 + minutes[0] * 60 + seconds[0]
        return None

    @property
    def _earliest(self) -> int:
        return self.fields.hours[0] * 3600 + self.fields.minutes[0] * 60 + self.fields.seconds[0]

    @property
    def _latest(self) -> int:
        return self.fields.hours[-1] * 3600 + self.fields.minutes[-1] * 60 + self.fields.seconds[-1]

    def smallest_gap(self, civil: int, below: int) -> Gap | None:
        """Return the closest successive firings, from the day of ``civil`` on; None if ``below`` or more apart.

        It is computed from the fields and not from a sample. ``below`` is at most a day.
        """
        day = self.days.first(civil // DAY)
        if day is None:
            return None
        gaps = [Gap(day * DAY + first, day * DAY + second) for first, second in self._closest_times()]
        least = min([below, *(gap.seconds for gap in gaps)])
        if DAY - self._latest + self._earliest < least and (pair := self.days.neighbours(day)):
            gaps.append(Gap(pair[0] * DAY + self._latest, pair[1] * DAY + self._earliest))
        return min((gap for gap in gaps if gap.seconds < below), key=lambda gap: gap.seconds, default=None)

    def _closest_times(self) -> Iterator[tuple[int, int]]:
        """Yield the closest pairs of one day: within a minute, across two minutes, across two hours."""
        seconds, minutes, hours = self.fields.seconds, self.fields.minutes, self.fields.hours
        start = self._earliest - seconds[0]
        for first, second in _closest(seconds):
            yield start + first, start + second
        start = hours[0] * 3600
        for first, second in _closest(minutes):
            yield start + first * 60 + seconds[-1], start + second * 60 + seconds[0]
        for first, second in _closest(hours):
            yield first * 3600 + minutes[-1] * 60 + seconds[-1], second * 3600 + minutes[0] * 60 + seconds[0]


def _closest(values: tuple[int, ...]) -> list[tuple[int, int]]:
    """Return the closest two neighbours, if there are two."""
    return sorted(itertools.pairwise(values), key=lambda pair: pair[1] - pair[0])[:1]


def cron_of(fields: Fields, zone: Zone) -> Cron:
    return Cron(fields, Days(fields.days, fields.years), zone)
