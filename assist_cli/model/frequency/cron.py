"""Cron: on which seconds an expression fires (docs/rules.md section 6).

Cron is civil time. Two rules say what happens where the clocks of the zone are changed:

- The hours are fixed: each civil time fires once. One that is left out fires when the gap ends, one that comes twice
  fires the first time.
- The hour field has a wildcard or a step: for as long as the clocks were moved by, both the new clock and the old one
  count. So elapsed time goes on: nothing is lost, and what both show at once fires once.

Of two firings that only a change brings closer than the least gap, the second is dropped.
"""

from __future__ import annotations

import bisect
import itertools
from collections.abc import Iterator
from dataclasses import dataclass

from assist_cli.model.frequency.days import Days, days_of
from assist_cli.model.frequency.fields import Fields
from assist_cli.model.frequency.zone import DAY, Zone
from assist_cli.model.quotas import INTERVAL

# Days of the week and leap years are the same again after 28 years, in all the years that an expression can name.
_CALENDAR = 28 * 365 + 7


@dataclass(frozen=True)
class Gap:
    """Two firings in a row, as civil times."""

    first: int
    second: int

    @property
    def seconds(self) -> int:
        return self.second - self.first


@dataclass(frozen=True)
class Cron:
    """An expression in a zone."""

    fields: Fields
    days: Days
    zone: Zone

    def first(self, start: int) -> int | None:
        """The first firing that is not before a moment."""
        while (firing := self._candidate(start)) is not None and not self._counts(firing):
            start = firing + 1
        return firing

    def _candidate(self, start: int) -> int | None:
        return self._going_on(start) if self.fields.goes_on else self._fixed(start)

    def _fixed(self, start: int) -> int | None:
        civil = start + self.zone.offset(start)
        change = self.zone.last_change(start)
        if change and not change.is_gap:
            civil = max(civil, change.at + change.before)  # what comes twice has fired
        elif change and change.at == start:
            civil = change.at + change.before  # what was left out fires now
        found = self.first_civil(civil)
        return None if found is None else self.zone.moment(found)

    def _going_on(self, start: int) -> int | None:
        while True:
            change = self.zone.last_change(start)
            until = self.zone.quiet_until(start)
            clocks = [self.zone.offset(start)]
            if change:
                clocks.append(change.before)
                until = min(until, change.at + change.length)
            found = [civil - clock for clock in clocks if (civil := self.first_civil(start + clock)) is not None]
            firing = min(found, default=None)
            if firing is not None and firing < until:
                return firing
            if start // DAY > self.days.last + 1:
                return None
            start = until

    def _counts(self, firing: int) -> bool:
        """Whether it is one of its own, and not closer than the least gap to one before it.

        Only a change of the clocks brings two so close: one clock alone leaves the gap between any two. Offsets are
        whole minutes, so a third in a row is never close to both, and one that does not count itself takes none away.
        """
        if self.zone.last_change(firing, INTERVAL.limit) is None:
            return True
        before = self._candidate(firing - INTERVAL.limit + 1)
        assert before is not None
        return before == firing or self._candidate(before - INTERVAL.limit + 1) != before

    def first_civil(self, civil: int) -> int | None:
        """The first civil time of the expression that is not before ``civil``."""
        start, second = divmod(civil, DAY)
        day = self.days.first(start)
        if day == start:
            time = self._first_time(second)
            if time is not None:
                return day * DAY + time
            day = self.days.first(start + 1)
        return None if day is None else day * DAY + self._earliest

    def _first_time(self, second: int) -> int | None:
        """The first time of the day that is not before ``second``."""
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
        """The two firings in a row that are closest, of all from the day of ``civil`` on; None if ``below`` or more.

        It follows from the fields and not from a sample. ``below`` is at most a day.
        """
        day = self.days.first(civil // DAY)
        if day is None:
            return None
        gaps = [Gap(day * DAY + first, day * DAY + second) for first, second in self._closest_times()]
        least = min([below, *(gap.seconds for gap in gaps)])
        if DAY - self._latest + self._earliest < least and (pair := self._neighbours(day)):
            gaps.append(Gap(pair[0] * DAY + self._latest, pair[1] * DAY + self._earliest))
        return min((gap for gap in gaps if gap.seconds < below), key=lambda gap: gap.seconds, default=None)

    def _closest_times(self) -> Iterator[tuple[int, int]]:
        """The closest pairs of one day: within a minute, from a minute to the next, from an hour to the next."""
        seconds, minutes, hours = self.fields.seconds, self.fields.minutes, self.fields.hours
        start = self._earliest - seconds[0]
        for first, second in _closest(seconds):
            yield start + first, start + second
        start = hours[0] * 3600
        for first, second in _closest(minutes):
            yield start + first * 60 + seconds[-1], start + second * 60 + seconds[0]
        for first, second in _closest(hours):
            yield first * 3600 + minutes[-1] * 60 + seconds[-1], second * 3600 + minutes[0] * 60 + seconds[0]

    def _neighbours(self, day: int) -> tuple[int, int] | None:
        """The first two days in a row that are both due, of those from a due ``day`` on."""
        last = day + _CALENDAR if self.fields.every_year else self.days.last
        following = self.days.first(day + 1)
        while following is not None and following <= last:
            if following == day + 1:
                return day, following
            day, following = following, self.days.first(following + 1)
        return None


def _closest(values: tuple[int, ...]) -> list[tuple[int, int]]:
    """The two neighbours that are closest, when there are two."""
    return sorted(itertools.pairwise(values), key=lambda pair: pair[1] - pair[0])[:1]


def cron_of(fields: Fields, zone: Zone) -> Cron:
    return Cron(fields, days_of(fields), zone)
