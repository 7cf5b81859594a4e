"""Firings where clocks are changed, against a model that looks at every minute (docs/rules.md section 6).

The zones: an hour in both hemispheres, half an hour, at midnight, two hours.
"""

from __future__ import annotations

import bisect
import itertools
import random
from datetime import datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest

from assist_cli.model.frequency import parse, restore
from assist_cli.model.frequency.fields import HOUR, MINUTE, Fields
from assist_cli.model.frequency.zone import DAY, Change, zone_of
from tests.support.expressions import field_text

UTC = timezone.utc
ZONES = ["Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Africa/Cairo", "Antarctica/Troll"]
YEARS = [2026, 2060, 2099]


def epoch(moment: datetime) -> int:
    return int(moment.timestamp())


def changes(zone: str, year: int) -> list[Change]:
    start = epoch(datetime(year, 1, 1, tzinfo=UTC))
    return zone_of(zone).changes(start, start + 366 * DAY)


class Minutes:
    """Each minute of some hours around a change, with what the standard library says that clocks show then."""

    HOURS = 12

    def __init__(self, zone: str, change: Change) -> None:
        clock, self.change = ZoneInfo(zone), change
        self.start = change.at - self.HOURS * 3600
        moments = range(self.start, change.at + self.HOURS * 3600, 60)
        self.shown = [(moment, datetime.fromtimestamp(moment, clock)) for moment in moments]
        # What the old clock shows as long as it counts; of a gap these are the times that are left out.
        self.old = [
            (moment, datetime.fromtimestamp(moment + change.before, UTC))
            for moment in range(change.at, change.at + change.length, 60)
        ]

    def firings(self, fields: Fields) -> list[datetime]:
        def fits(civil: datetime) -> bool:
            return civil.minute in fields.minutes and civil.hour in fields.hours

        if fields.goes_on:
            found = {moment for moment, civil in [*self.shown, *self.old] if fits(civil)}
        else:
            found = {moment for moment, civil in self.shown if civil.fold == 0 and fits(civil)}
            if self.change.is_gap and any(fits(civil) for _, civil in self.old):
                found.add(self.change.at)
        return [datetime.fromtimestamp(moment, UTC) for moment in sorted(found)]


@pytest.mark.parametrize("zone", ZONES)
def test_every_minute_around_a_change(zone: str) -> None:
    """A firing is found on each minute that fits, and on no other; seconds move with minutes."""
    chance = random.Random(zone)
    for year in YEARS:
        found = changes(zone, year)
        assert len(found) == 2, f"{zone} changes its clocks twice in {year}"
        for change in found:
            minutes = Minutes(zone, change)
            after = datetime.fromtimestamp(minutes.start - 1, UTC)
            for _ in range(12):
                minute = field_text(chance, MINUTE, wildcard=0.1)
                hour = field_text(chance, HOUR, ["0", "1", "2", "3"], wildcard=0.2)
                frequency = restore(f"0 {minute} {hour} * * *", zone)
                wanted = minutes.firings(frequency.rule.fields)  # type: ignore[union-attr]
                fired = [each.time for each in frequency.upcoming(after, after, len(wanted))]
                assert fired == wanted, f"{frequency.expression} around {datetime.fromtimestamp(change.at, UTC)}"


@pytest.mark.parametrize("zone", ZONES)
def test_firings_do_not_depend_on_where_one_starts(zone: str) -> None:
    """From whatever moment one asks, the next firing is the same, and no two are closer than 10 s."""
    chance = random.Random(zone)
    for change in changes(zone, 2026):
        for _ in range(10):
            second = chance.choice(["0", "30", "*/10", "0,55", "5,50", "59"])
            minute = chance.choice(["*", "0", "*/15", "0,31", "10,40", "59,0", "30-35"])
            hour = chance.choice(["*", "*/2", "1-23/2", "0-3", "1,2", "2", "23,0,1", "*/6"])
            frequency = restore(f"{second} {minute} {hour} * * *", zone)
            after = datetime.fromtimestamp(change.at - 3 * 3600, UTC)
            if frequency.smallest_gap(after) < timedelta(seconds=10):
                continue
            firings = [each.time for each in frequency.upcoming(after, after, 150)]
            assert all((second - first).total_seconds() >= 10 for first, second in itertools.pairwise(firings))
            for _ in range(50):
                start = chance.uniform(epoch(firings[0]), epoch(firings[-1]) - 1)
                moment = datetime.fromtimestamp(start, UTC)
                wanted = firings[bisect.bisect_right(firings, moment)]
                assert frequency.next(moment, after) == wanted, f"{frequency.expression} after {moment}"


@pytest.mark.parametrize("zone", ZONES)
@pytest.mark.parametrize(("text", "seconds"), [("*/10 * * * * *", 10), ("0 */15 * * * *", 900), ("0 7 * * * *", 3600)])
def test_a_wildcard_hour_has_no_hole(zone: str, text: str, seconds: int) -> None:
    """No wait is longer than on any other day, and none shorter than 10 s."""
    for change in changes(zone, 2026):
        moment = datetime.fromtimestamp(change.at - 2 * 3600, UTC)
        end = moment + timedelta(hours=5)
        frequency = restore(text, zone)
        while moment < end:
            following = frequency.next(moment, moment)
            assert following is not None
            if moment > end - timedelta(hours=5):
                assert 10 <= (following - moment).total_seconds() <= seconds
            moment = following


def local(text: str, zone: str, start: datetime, count: int) -> list[str]:
    moment = start.replace(tzinfo=ZoneInfo(zone)).astimezone(UTC)
    return [f"{each.local:%H:%M:%S}" for each in parse(text, zone=zone, now=moment).upcoming(moment, moment, count)]


def test_half_an_hour_in_lord_howe() -> None:
    spring, autumn = datetime(2026, 10, 4), datetime(2026, 4, 5)
    assert local("0 15 2 * * *", "Australia/Lord_Howe", spring, 1) == ["02:30:00"]
    assert local("0 45 1 * * *", "Australia/Lord_Howe", autumn, 2) == ["01:45:00", "01:45:00"]
    assert local("0 10 * * * *", "Australia/Lord_Howe", spring, 5)[1:] == [
        "01:10:00",
        "02:40:00",
        "03:10:00",
        "04:10:00",
    ]
    assert local("0 10 * * * *", "Australia/Lord_Howe", autumn, 5)[1:] == [
        "01:10:00",
        "01:40:00",
        "02:10:00",
        "03:10:00",
    ]


def test_what_only_a_change_brings_close_is_one() -> None:
    """01:59:55 and 02:30:00, which fires at 03:00:00: five seconds later. 03:00:05 is ten after the first again."""
    before = datetime(2026, 3, 29, 1, 50)
    assert local("5,55 30,59 1,2 * * *", "Europe/Berlin", before, 2) == ["01:59:05", "01:59:55"]
    assert local("0,55 30,59 1-3 * * *", "Europe/Berlin", before, 3) == ["01:59:00", "01:59:55", "03:30:00"]
    assert local("5 0,30 2,3 * * *", "Europe/Berlin", before, 2) == ["03:00:00", "03:30:05"]
    # Half an hour: the old clock shows minute 31 when the new one shows 1, five seconds after 0:55.
    late = datetime(2026, 4, 5, 1, 25)
    assert local("0,55 0,31 * * * *", "Australia/Lord_Howe", late, 5) == [
        *("01:31:00", "01:31:55", "01:30:00", "01:30:55", "01:31:55")
    ]


def test_at_where_clocks_are_changed() -> None:
    assert local("at(2026-03-29 02:30:00)", "Europe/Berlin", datetime(2026, 3, 28), 9) == ["03:00:00"]
    start = datetime(2026, 10, 25, tzinfo=UTC)
    twice = parse("at(2026-10-25 02:30:00)", zone="Europe/Berlin", now=datetime(2026, 10, 24, tzinfo=UTC))
    assert twice.next(start - timedelta(days=1), start) == start + timedelta(minutes=30)


def test_the_days_of_a_change_are_marked() -> None:
    start = datetime(2026, 3, 28, 12, tzinfo=UTC)
    firings = parse("0 0 12 * * *", zone="Europe/Berlin", now=start).upcoming(start, start, 3)
    assert [(each.note, each.hours) for each in firings] == [("gap", "02:00-03:00"), (None, None), (None, None)]
    start = datetime(2026, 10, 24, 12, tzinfo=UTC)
    firings = parse("0 0 12 * * *", zone="Europe/Berlin", now=start).upcoming(start, start, 2)
    assert [(each.note, each.hours) for each in firings] == [("overlap", "02:00-03:00"), (None, None)]
    at_midnight = datetime(2026, 10, 28, tzinfo=UTC)  # Cairo goes from 24:00 back to 23:00 on the 29th
    firings = parse("0 0 12 * * *", zone="Africa/Cairo", now=at_midnight).upcoming(at_midnight, at_midnight, 3)
    assert [(each.note, each.hours) for each in firings] == [(None, None), ("overlap", "23:00-00:00"), (None, None)]


def test_a_rate_takes_no_notice() -> None:
    anchor = datetime(2026, 3, 29, tzinfo=UTC)
    firings = restore("rate(1h)", None).upcoming(anchor, anchor, 30, zone="Europe/Berlin")
    assert [each.time - anchor for each in firings] == [timedelta(hours=hour) for hour in range(1, 31)]
    assert {each.note for each in firings} == {None}
    assert [each.local.hour for each in firings[:3]] == [3, 4, 5]
