"""Firings where clocks change, compared with a brute force over every minute (docs/rules.md section 6).

The zones: an hour in both hemispheres, half an hour, at midnight, two hours, a whole day, and Ramadan.
"""

from __future__ import annotations

import bisect
import itertools
import random
from datetime import datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest

from assist_cli.model.frequency import parse, restore
from assist_cli.model.frequency.fields import DAY_OF_MONTH, DAY_OF_WEEK, HOUR, MINUTE
from assist_cli.model.frequency.zone import DAY, Change, zone_of
from tests.support import variants
from tests.support.expressions import field_text
from tests.support.segments import Walk

UTC = timezone.utc
LORD_HOWE = ["Sun 01:30", "Sun 01:40", "Sun 01:50"]
ZONES = ["Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Africa/Cairo", "Antarctica/Troll"]
YEARS = [2026, 2060, 2099]
CHANGES = [
    ("Africa/Cairo", 2027),
    ("Africa/Casablanca", 2027),
    ("America/Nuuk", 2027),
    ("America/Santiago", 2027),
    ("Antarctica/Troll", 2027),
    ("Australia/Lord_Howe", 2027),
    ("Europe/Berlin", 2027),
    ("Pacific/Apia", 2011),
]


def epoch(moment: datetime) -> int:
    return int(moment.timestamp())


def changes(zone: str, year: int) -> list[Change]:
    start = epoch(datetime(year, 1, 1, tzinfo=UTC))
    return zone_of(zone).changes(start, start + 366 * DAY)


def around(zone: str, year: int) -> list[Walk]:
    """Some days around each change of a year, minute by minute."""
    found = []
    for change in changes(zone, year):
        middle = datetime.fromtimestamp(change.at // 60 * 60, UTC).replace(tzinfo=None)
        found.append(Walk(zone, middle - timedelta(hours=50), middle + timedelta(hours=50)))
    return found


def random_expression(chance: random.Random) -> str:
    """An expression that often names a time near a change, on days near one."""
    hours = ["0", "1", "2", "3", "23", "22-1", "*/2", "*/6"]
    days = ["L", "LW", "L-1", "L-2", "1", "4", "27", "28", "29", "30", "31"]
    month = chance.choice(["*", "*", "*", "3,4,10", "JAN-JUN", "9-12"])
    return " ".join(
        [
            chance.choice(["0", "0", "30", "5", "55", "3,13", "59", "*/10", "0,55", "5,50"]),
            field_text(chance, MINUTE, ["0", "30", "59", "*/10"], wildcard=0.1),
            field_text(chance, HOUR, hours, wildcard=0.2),
            chance.choice(["28W", "1W", "31W"])
            if chance.random() < 0.1
            else field_text(chance, DAY_OF_MONTH, days, 0.6),
            month,
            field_text(chance, DAY_OF_WEEK, ["SUN", "0", "6", "7L", "6#1", "5L", "FRI", "SAT"], wildcard=0.6),
        ]
    )


def agree(zone: str, year: int, number: int) -> int:
    """Compare random expressions with every minute around the changes of a year. Return the number of comparisons."""
    chance = random.Random(f"{zone} {year}")
    compared = 0
    for walk in around(zone, year):
        begin, end = (each.replace(tzinfo=UTC) for each in (walk.segments[0].begin, walk.segments[-1].end))
        for _ in range(number):
            text = random_expression(chance)
            frequency = restore(text, zone)
            if frequency.smallest_gap(begin) < timedelta(seconds=10):
                continue
            wanted = walk.firings(text)
            after, fired = begin - timedelta(seconds=1), []
            while (following := frequency.next(after, begin)) is not None and following < end:
                fired.append(following)
                after = following
            assert fired == wanted, f"{text} in {zone} around {begin + (end - begin) / 2}"
            compared += 1
    return compared


@pytest.mark.parametrize(("zone", "year"), variants.every(2, CHANGES))
def test_every_minute_around_a_change(zone: str, year: int) -> None:
    """A firing is found on each second that the rule names, and on no other."""
    assert agree(zone, year, number=12) >= 6


@pytest.mark.long
@pytest.mark.parametrize(("zone", "year"), [*CHANGES, *((zone, year) for zone in ZONES for year in YEARS)])
def test_every_minute_around_many_changes(zone: str, year: int) -> None:
    assert agree(zone, year, number=60) > 30


@pytest.mark.parametrize("zone", ZONES)
def test_firings_do_not_depend_on_where_one_starts(zone: str) -> None:
    """From any start, the next firing is the same, and no two are closer than 10 s."""
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
@pytest.mark.parametrize("text", ["*/10 * * * * *", "0 */15 * * * *"])
def test_an_hourly_expression_has_no_hole(zone: str, text: str) -> None:
    """Clocks move by whole quarters of an hour: steps that divide one keep their distance."""
    for change in changes(zone, 2026):
        start = datetime.fromtimestamp(change.at - 3600, UTC)
        firings = [each.time for each in restore(text, zone).upcoming(start, start, 500)]
        assert len({second - first for first, second in itertools.pairwise(firings)}) == 1


def local(text: str, zone: str, start: datetime, count: int) -> list[str]:
    moment = start.replace(tzinfo=ZoneInfo(zone)).astimezone(UTC)
    return [f"{each.local:%H:%M:%S}" for each in parse(text, zone=zone, now=moment).upcoming(moment, moment, count)]


@pytest.mark.parametrize(
    ("text", "zone", "start", "fired"),
    [
        # Clocks go from 24:00 on Saturday back to 23:00: no Sunday in the repeated span.
        ("30 * * * SUN", "America/Santiago", "2027-04-03 21:00", ["Sun 00:30", "Sun 01:30"]),
        ("30 * * * SAT", "America/Santiago", "2027-04-03 21:45", ["Sat 22:30", "Sat 23:30", "Sat 23:30", "Sat 00:30"]),
        ("0 */6 * * *", "America/Santiago", "2027-04-03 17:00", ["Sat 18:00", "Sun 00:00", "Sun 06:00"]),
        ("30 * * * SUN", "Africa/Cairo", "2027-10-28 12:00", ["Sun 00:30", "Sun 01:30"]),
        ("0 */6 * * *", "Africa/Cairo", "2027-10-28 17:00", ["Thu 18:00", "Fri 00:00", "Fri 06:00"]),
        ("0 0 * * FRI", "Africa/Cairo", "2027-10-28 12:00", ["Fri 00:00", "Fri 00:00"]),
        ("30 2 * * *", "Europe/Berlin", "2027-03-28 00:00", ["Sun 03:00", "Mon 02:30"]),
        ("30 2 * * *", "Europe/Berlin", "2027-10-31 00:00", ["Sun 02:30", "Mon 02:30"]),
        ("0,30 2 * * *", "Europe/Berlin", "2027-03-28 00:00", ["Sun 03:00", "Mon 02:00"]),
        ("0,30 2 * * *", "Europe/Berlin", "2027-10-31 00:00", ["Sun 02:00", "Sun 02:30"] * 2),
        ("30 * * * *", "Europe/Berlin", "2027-03-28 01:00", ["Sun 01:30", "Sun 03:30"]),
        ("30 * * * *", "Europe/Berlin", "2027-10-31 02:00", ["Sun 02:30", "Sun 02:30", "Sun 03:30"]),
        ("5 0 2,3 * * *", "Europe/Berlin", "2027-03-28 00:00", ["Sun 03:00:05", "Mon 02:00:05"]),
        (
            "*/20 1 * * *",
            "Australia/Lord_Howe",
            "2027-04-04 00:00",
            ["Sun 01:00", "Sun 01:20", "Sun 01:40", "Mon 01:00"],
        ),
        (
            "*/10 1 * * *",
            "Australia/Lord_Howe",
            "2027-04-04 01:35",
            ["Sun 01:40", "Sun 01:50", *LORD_HOWE, "Mon 01:00"],
        ),
        ("10 * * * *", "Australia/Lord_Howe", "2027-04-04 01:00", ["Sun 01:10", "Sun 02:10"]),
        ("10 * * * *", "Australia/Lord_Howe", "2027-10-03 01:00", ["Sun 01:10", "Sun 03:10"]),
        ("0 1,2 * * *", "Antarctica/Troll", "2027-10-31 00:00", ["Sun 01:00", "Sun 02:00"] * 2),
        ("0 1,2 * * *", "Antarctica/Troll", "2027-03-28 00:00", ["Sun 03:00", "Mon 01:00"]),
        ("30 23 * * SAT", "America/Nuuk", "2027-03-27 12:00", ["Sun 00:00", "Sat 23:30"]),
        ("0 12 * * FRI", "Pacific/Apia", "2011-12-29 12:00", ["Sat 00:00", "Fri 12:00"]),
        ("30 2 * * *", "Africa/Casablanca", "2027-02-07 00:00", ["Sun 02:30", "Mon 02:30"]),
        ("30 2 * * *", "Africa/Casablanca", "2027-03-14 00:00", ["Sun 03:00", "Mon 02:30"]),
    ],
)
def test_examples_of_the_rule(text: str, zone: str, start: str, fired: list[str]) -> None:
    moment = datetime.fromisoformat(start).replace(tzinfo=ZoneInfo(zone)).astimezone(UTC)
    found = restore(text, zone).upcoming(moment, moment, len(fired))
    assert [f"{each.local:%a %H:%M:%S}".removesuffix(":00") for each in found] == fired


def test_an_expression_with_many_times_in_a_repeated_hour_fires_through_it() -> None:
    start = datetime(2027, 10, 31, 0, 55, tzinfo=ZoneInfo("Europe/Berlin")).astimezone(UTC)
    found = restore("*/10 1-3 * * *", "Europe/Berlin").upcoming(start, start, 24)
    assert {second.time - first.time for first, second in itertools.pairwise(found)} == {timedelta(minutes=10)}


def test_firings_that_only_a_change_brings_together_are_one() -> None:
    """A named firing replaces the substitute of a skipped time; else the earlier one stays."""
    before = datetime(2026, 3, 29, 1, 50)
    assert local("5,55 30,59 1,2 * * *", "Europe/Berlin", before, 3) == ["01:59:05", "01:59:55", "01:30:05"]
    assert local("0,55 30,59 1-3 * * *", "Europe/Berlin", before, 3) == ["01:59:00", "01:59:55", "03:30:00"]
    assert local("5 0,30 2,3 * * *", "Europe/Berlin", before, 2) == ["03:00:05", "03:30:05"]
    # The clock goes from 02:00:00 back to 01:30:00, five seconds after 01:59:55.
    late = datetime(2026, 4, 5, 1, 25)
    assert local("0,55 30,59 * * * *", "Australia/Lord_Howe", late, 6) == [
        *("01:30:00", "01:30:55", "01:59:00", "01:59:55", "01:30:55", "01:59:00")
    ]


def test_at_where_clocks_change() -> None:
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
    at_midnight = datetime(2027, 3, 26, 12, tzinfo=UTC)  # Nuuk goes from 23:00 to 24:00 on the 27th
    [moved] = parse("30 23 * * SAT", zone="America/Nuuk", now=at_midnight).upcoming(at_midnight, at_midnight, 1)
    assert (f"{moved.local:%a %H:%M}", moved.note, moved.hours) == ("Sun 00:00", "gap", "23:00-00:00")


def test_a_rate_ignores_changes_of_clocks() -> None:
    anchor = datetime(2026, 3, 29, tzinfo=UTC)
    firings = restore("rate(1h)", None).upcoming(anchor, anchor, 30, zone="Europe/Berlin")
    assert [each.time - anchor for each in firings] == [timedelta(hours=hour) for hour in range(1, 31)]
    assert {each.note for each in firings} == {None}
    assert [each.local.hour for each in firings[:3]] == [3, 4, 5]
