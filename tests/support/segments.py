"""The rule for changes of clocks by brute force over every minute, from the words of docs/rules.md section 6.

It shares no code with the engine: fields, days and clocks are read again here, as simply as possible.
"""

from __future__ import annotations

import calendar
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

MINUTE = timedelta(minutes=1)
CLOSE = 10  # seconds
MONTHS = ["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"]
WEEKDAYS = ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"]


def numbers(text: str, low: int, high: int, names: list[str] | None = None) -> set[int]:
    """The values of a field of numbers, names, ranges and steps."""
    found: set[int] = set()
    for item in text.split(","):
        body, _, step = item.partition("/")
        words = [str(names.index(word) + low) if names and word in names else word for word in body.split("-")]
        begin = low if words[0] == "*" else int(words[0])
        end = int(words[1]) if len(words) > 1 else high if step or words[0] == "*" else begin
        if end < begin:  # over the end
            end += high - low + 1
        found.update((value - low) % (high - low + 1) + low for value in range(begin, end + 1, int(step or 1)))
    return found


def workday(day: date) -> date:
    """The nearest Monday to Friday in the same month."""
    around = [day + timedelta(days=distance) for distance in (0, -1, 1, -2, 2)]
    return next(each for each in around if each.month == day.month and each.weekday() < 5)


def of_month(item: str, day: date) -> bool:
    last = date(day.year, day.month, calendar.monthrange(day.year, day.month)[1])
    if item == "L":
        return day == last
    if item == "LW":
        return day == workday(last)
    if item.startswith("L-"):
        return day == last - timedelta(days=int(item[2:]))
    if item.endswith("W"):
        return int(item[:-1]) <= last.day and day == workday(day.replace(day=int(item[:-1])))
    return day.day in numbers(item, 1, 31)


def of_week(item: str, day: date) -> bool:
    weekday = day.isoweekday() % 7
    if item.endswith("L"):
        return weekday == int(item[:-1]) % 7 and (day + timedelta(days=7)).month != day.month
    if "#" in item:
        number, nth = item.split("#")
        return weekday == int(number) % 7 and (day.day + 6) // 7 == int(nth)
    return weekday in {each % 7 for each in numbers(item, 0, 7 if "7" in item else 6, WEEKDAYS)}


@dataclass(frozen=True)
class Segment:
    """A time span in which the clock is ``offset`` ahead of UTC; its ends are naive and in UTC."""

    begin: datetime
    end: datetime
    offset: timedelta


class Walk:
    """Each minute of a period in a zone; it begins and ends on a whole minute and far from a change."""

    def __init__(self, zone: str, begin: datetime, end: datetime) -> None:
        clock = ZoneInfo(zone)
        self.segments: list[Segment] = []
        self.minutes: list[list[datetime]] = []  # of each segment, in local time
        moment = begin
        while moment < end:
            offset = moment.replace(tzinfo=timezone.utc).astimezone(clock).utcoffset()
            assert offset is not None
            if not self.segments or self.segments[-1].offset != offset:
                self.segments.append(Segment(moment, moment, offset))
                self.minutes.append([])
            last = self.segments[-1]
            self.segments[-1] = Segment(last.begin, moment + MINUTE, offset)
            self.minutes[-1].append(moment + offset)
            moment += MINUTE

    def firings(self, expression: str) -> list[datetime]:
        """The UTC times at which an expression of six fields fires."""
        named, made_up = set(), set()
        rule = Expression(expression)
        for index, (segment, minutes) in enumerate(zip(self.segments, self.minutes, strict=True)):
            shown = list(rule.among(minutes))
            if index:
                before = self.segments[index - 1].offset
                first, second = segment.begin + before, segment.begin + segment.offset
                if second < first:  # a span is repeated
                    twice = [each for each in shown if each < first]
                    if not rule.is_hourly and len(twice) < 2:
                        shown = [each for each in shown if each >= first]
                elif not rule.is_hourly:
                    out = [first + number * MINUTE for number in range((second - first) // MINUTE)]
                    if any(rule.among(out)):
                        made_up.add(segment.begin)
            named.update(each - segment.offset for each in shown)
        kept: list[datetime] = []
        for each in sorted(named):
            if not kept or (each - kept[-1]).total_seconds() >= CLOSE:
                kept.append(each)
        alone = [each for each in made_up if all(abs((each - other).total_seconds()) >= CLOSE for other in named)]
        return [each.replace(tzinfo=timezone.utc) for each in sorted(kept + alone)]


class Expression:
    """A cron expression of six fields, with the values of each."""

    def __init__(self, text: str) -> None:
        second, minute, hour, self.of_month, month, self.of_week = text.split()
        self.seconds = sorted(numbers(second, 0, 59))
        self.in_minutes, self.in_hours = numbers(minute, 0, 59), numbers(hour, 0, 23)
        self.months = numbers(month, 1, 12, MONTHS)
        self.is_hourly = len(self.in_hours) == 24
        self.known: dict[date, bool] = {}

    def among(self, minutes: list[datetime]) -> Iterator[datetime]:
        """The civil times of the expression within these minutes."""
        for minute in minutes:
            if minute.minute in self.in_minutes and minute.hour in self.in_hours and self.is_due(minute.date()):
                for second in self.seconds:
                    yield minute + timedelta(seconds=second)

    def is_due(self, day: date) -> bool:
        if day not in self.known:
            every = ("*", "?", "*/1")
            ways = [any(of_month(item, day) for item in self.of_month.split(","))] if self.of_month not in every else []
            if self.of_week not in every:
                ways.append(any(of_week(item, day) for item in self.of_week.split(",")))
            self.known[day] = day.month in self.months and (any(ways) or not ways)
        return self.known[day]
