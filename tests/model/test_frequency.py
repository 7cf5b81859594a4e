"""Frequencies (docs/rules.md section 6)."""

from __future__ import annotations

import contextlib
import itertools
import random
from datetime import date, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from assist_cli.errors import InvalidParameter, QuotaExceeded
from assist_cli.model.frequency import Frequency, after, at, cron, every, once, parse, restore
from assist_cli.model.frequency.days import due_days
from assist_cli.model.frequency.fields import HOUR, MINUTE, SECOND, values
from assist_cli.model.frequency.zone import ABBREVIATIONS, is_zone, zone_of
from tests.support.expressions import expression, field_text
from tests.support.segments import Expression

TIMES = (SECOND, MINUTE, HOUR)
NOW = datetime(2026, 3, 28, 12, tzinfo=timezone.utc)
YEARS = ["", "2026-2099", "2090/3", "2026-2099/4"]
CREATED = datetime(2026, 3, 28, 12, 0, 7, 250_000, tzinfo=timezone.utc)


def read(text: str, zone: str = "UTC", now: datetime = NOW) -> Frequency:
    return parse(text, zone=zone, now=now)


def local(text: str, zone: str, start: datetime, count: int) -> list[str]:
    """The next firings in the local time of the zone, with the offset."""
    moment = start.replace(tzinfo=ZoneInfo(zone)).astimezone(timezone.utc)
    firings = read(text, zone, now=moment).upcoming(moment, moment, count)
    return [each.local.isoformat(sep=" ") for each in firings]


def days(text: str, count: int, now: datetime = NOW) -> list[str]:
    """The days of the next firings."""
    return [f"{each.time:%a %Y-%m-%d}" for each in read(text, now=now).upcoming(now, now, count)]


@pytest.mark.parametrize(
    ("text", "zone", "text_at"),
    [
        ("13:00", "UTC", "at(2026-03-28 13:00:00)"),
        ("12:00", "UTC", "at(2026-03-29 12:00:00)"),
        ("2:30", "Europe/Berlin", "at(2026-03-29 02:30:00)"),
        ("08:00 Asia/Shanghai", "UTC", "at(2026-03-29 08:00:00)"),
        ("tomorrow 02:00", "UTC", "at(2026-03-29 02:00:00)"),
        ("Tomorrow", "UTC", "at(2026-03-29 00:00:00)"),
        ("today 23:59:59", "UTC", "at(2026-03-28 23:59:59)"),
    ],
)
def test_a_time_without_a_date_is_the_next_one(text: str, zone: str, text_at: str) -> None:
    assert at(text, zone=zone, now=NOW).text == text_at


@pytest.mark.parametrize("text", ["25:00", "today 02:00", "now", "2:00 PM", "", "12:00 Mars/Olympus"])
def test_an_unclear_time_is_refused(text: str) -> None:
    with pytest.raises(InvalidParameter):
        at(text, zone="UTC", now=NOW)


# ---- rate


def test_a_rate_counts_from_its_creation() -> None:
    frequency = read("rate(30s)")
    assert frequency.timezone is None
    assert frequency.next(CREATED, CREATED) == CREATED + timedelta(seconds=30)
    assert frequency.next(CREATED + timedelta(seconds=30), CREATED) == CREATED + timedelta(seconds=60)
    assert frequency.next(CREATED + timedelta(days=400, seconds=1), CREATED) == CREATED + timedelta(
        days=400, seconds=30
    )
    assert frequency.next(CREATED - timedelta(days=1), CREATED) == CREATED + timedelta(seconds=30)


@pytest.mark.parametrize(
    ("text", "seconds"), [("rate(10s)", 10), ("rate(5m)", 300), ("rate(2h)", 7200), (" RATE( 1 D ) ", 86_400)]
)
def test_rates_have_four_units(text: str, seconds: int) -> None:
    assert read(text).smallest_gap(NOW) == timedelta(seconds=seconds)


@pytest.mark.parametrize("text", ["rate(9s)", "rate(0s)", "rate(1s)", "rate(0d)"])
def test_a_rate_of_less_than_ten_seconds_is_refused(text: str) -> None:
    with pytest.raises(QuotaExceeded, match="the minimum is 10 s") as refused:
        read(text)
    assert refused.value.code == "IntervalExceedLimit"


@pytest.mark.parametrize(
    "text", ["rate(5)", "rate(5w)", "rate(-5m)", "rate(5m) UTC", "rate()", "rate(1001d)", "rate 5m"]
)
def test_an_invalid_rate_is_refused(text: str) -> None:
    with pytest.raises(InvalidParameter):
        read(text)


def test_every_is_a_rate_in_its_largest_unit() -> None:
    assert [every(seconds).text for seconds in (10, 90, 300, 7200, 86_400)] == [
        *("rate(10s)", "rate(90s)", "rate(5m)", "rate(2h)", "rate(1d)")
    ]
    with pytest.raises(QuotaExceeded):
        every(9)
    for seconds in (10.5, float("inf"), 1e300, -10.5):
        with pytest.raises(InvalidParameter):
            every(seconds)


# ---- the smallest gap


@pytest.mark.parametrize(
    ("text", "first", "second"),
    [
        ("0,55 * * * * *", "00:00:55", "00:01:00"),
        ("*/7 * * * * *", "00:00:56", "00:01:00"),
        ("0,5 0 0 * * *", "00:00:00", "00:00:05"),
        ("* 0 0 1 1 ?", "00:00:00", "00:00:01"),
        ("0,55 59,0 * * * *", "00:59:55", "01:00:00"),
        ("0,55 0,59 0,23 * * *", "23:59:55", "2026-03-29 00:00:00"),
    ],
)
def test_two_firings_that_are_too_close_are_named(text: str, first: str, second: str) -> None:
    with pytest.raises(QuotaExceeded) as refused:
        read(text)
    assert f"the second field '{text.split()[0]}' fires at " in refused.value.message
    assert first in refused.value.message
    assert second in refused.value.message


@pytest.mark.parametrize(
    ("text", "gap"),
    [
        ("0,55 0 * * * *", timedelta(seconds=55)),
        ("*/10 * * * * *", timedelta(seconds=10)),
        ("5,15,50 * * * * *", timedelta(seconds=10)),
        ("0,55 0,59 0,23 L * *", timedelta(seconds=55)),  # the next day is never due
        ("0,55 0,59 0,23 28 2 ?", timedelta(seconds=55)),
        ("* * * * *", timedelta(minutes=1)),
        ("0 59,0 * * * *", timedelta(minutes=1)),
        ("0 50,0 0,8 * * *", timedelta(minutes=50)),
        ("0 30 23,0 * * *", timedelta(hours=1)),
        ("0 0 0,23 * * *", timedelta(hours=1)),
        ("0 0 0,23 L * *", timedelta(hours=23)),
        ("0 0 2 * * MON,THU", timedelta(days=1)),
        ("0 0 2 1 1 ? 2027", timedelta(days=1)),
        ("at(2026-12-01)", timedelta(days=1)),
        ("rate(7d)", timedelta(days=7)),
    ],
)
def test_the_smallest_gap_follows_from_the_fields(text: str, gap: timedelta) -> None:
    assert read(text).smallest_gap(NOW) == gap


def test_neighbouring_days_of_some_years_only_are_found() -> None:
    """28 February and 1 March are neighbours, but not in a leap year: in 2028 alone nothing is too close."""
    with pytest.raises(QuotaExceeded, match="2027-02-28 23:59:55 and at 2027-03-01 00:00:00"):
        read("0,55 0,59 0,23 28,1 2,3 ? 2027-2028")
    assert read("0,55 0,59 0,23 28,1 2,3 ? 2028").smallest_gap(NOW) == timedelta(seconds=55)


def test_the_smallest_gap_counts_all_times_of_a_day() -> None:
    """Compare each second of a day with the first second of the next."""
    chance = random.Random(41)
    for _ in range(300):
        text = " ".join(field_text(chance, field, wildcard=0.15) for field in TIMES)
        seconds, minutes, hours = (values(field, word) for field, word in zip(TIMES, text.split(), strict=True))
        times = [hour * 3600 + minute * 60 + second for hour in hours for minute in minutes for second in seconds]
        smallest = min(later - time for time, later in itertools.pairwise([*times, times[0] + 86_400]))
        assert restore(f"{text} * * *", "UTC").smallest_gap(NOW) == timedelta(seconds=smallest), text


# frequencies that never fire, and those in the past


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("0 0 0 30 2 *", "day-of-month 30 and month 2"),
        ("0 0 0 31 APR,JUN ?", "day-of-month 31 and month APR,JUN"),
        ("0 0 0 29 2 ? 2027", "day-of-month 29 and month 2 and year 2027"),
        ("0 0 0 ? 2 5#5 2027", "month 2 and day-of-week 5#5 and year 2027"),
    ],
)
def test_a_frequency_that_never_fires_is_refused(text: str, named: str) -> None:
    with pytest.raises(InvalidParameter, match="it never fires") as refused:
        read(text)
    assert named in refused.value.message


@pytest.mark.parametrize("text", ["0 0 0 1 1 ? 2026", "0 0 0 * * ? 1999", "at(2026-03-28 12:00:00)", "at(1999-01-01)"])
def test_a_frequency_in_the_past_is_refused(text: str) -> None:
    with pytest.raises(InvalidParameter, match="is in the past"):
        read(text)


def test_a_frequency_in_the_past_can_be_loaded() -> None:
    frequency = restore("at(2020-01-01 00:00:00)", "Asia/Shanghai")
    assert frequency.next(NOW, NOW) is None
    assert frequency.next(datetime(2019, 1, 1, tzinfo=timezone.utc), NOW) == datetime(
        2019, 12, 31, 16, tzinfo=timezone.utc
    )


def test_a_firing_is_after_the_given_time() -> None:
    frequency = read("0 0 * * * *")
    assert frequency.next(NOW, NOW) == NOW + timedelta(hours=1)
    assert frequency.next(NOW - timedelta(microseconds=1), NOW) == NOW
    assert frequency.next(NOW + timedelta(microseconds=1), NOW) == NOW + timedelta(hours=1)


# ---- at


@pytest.mark.parametrize(
    ("text", "stored", "zone"),
    [
        ("at(2026-12-01 02:00:00)", "at(2026-12-01 02:00:00)", "Europe/Berlin"),
        ("at(2026-12-01 02:00 Asia/Shanghai)", "at(2026-12-01 02:00:00)", "Asia/Shanghai"),
        ("at(2026-12-01T02:00) Asia/Shanghai", "at(2026-12-01 02:00:00)", "Asia/Shanghai"),
        ("At( 2026-12-1   2:00 UTC )", "at(2026-12-01 02:00:00)", "UTC"),
        ("at(2026-12-01T02:00:00Z)", "at(2026-12-01 02:00:00)", "UTC"),
        ("at(2026-12-01T02:00:00-03:30)", "at(2026-12-01 02:00:00)", "GMT-3:30"),
        ("at(2026-12-01)", "at(2026-12-01 00:00:00)", "Europe/Berlin"),
    ],
)
def test_at_fires_once(text: str, stored: str, zone: str) -> None:
    frequency = read(text, "Europe/Berlin")
    assert (frequency.text, frequency.timezone, frequency.is_once) == (stored, zone, True)
    [firing] = frequency.upcoming(NOW, NOW, 5)
    assert f"at({firing.local:%Y-%m-%d %H:%M:%S})" == stored
    assert parse(frequency.expression, zone="UTC", now=NOW) == frequency


def test_at_as_a_word_and_as_a_moment() -> None:
    assert at("2026-12-01 02:00", zone="Asia/Shanghai", now=NOW).expression == "at(2026-12-01 02:00:00 Asia/Shanghai)"
    later = once(NOW + timedelta(minutes=10, microseconds=1), zone="Asia/Shanghai")
    assert later.text == "at(2026-03-28 20:10:01)"
    assert later.next(NOW, NOW) == NOW + timedelta(minutes=10, seconds=1)
    assert not later.is_elapsed
    with pytest.raises(InvalidParameter, match="the year"):
        once(NOW + timedelta(days=36_500), zone="UTC")


def test_an_instant_in_a_repeated_hour_keeps_its_offset() -> None:
    second_pass = datetime(2026, 10, 25, 1, 30, tzinfo=timezone.utc)
    for found in (once(second_pass, zone="Europe/Berlin"), read("at(2026-10-25 02:30+01:00)", "Europe/Berlin")):
        assert found.expression == "at(2026-10-25 02:30:00 GMT+1:00)"
        assert restore(found.text, found.timezone).instant == found.instant == second_pass
        assert read(found.expression).instant == second_pass
    assert once(second_pass - timedelta(hours=1), zone="Europe/Berlin").timezone == "Europe/Berlin"
    assert read("at(2026-10-25 02:30)", "Europe/Berlin").instant == second_pass - timedelta(hours=1)
    assert read("at(2026-03-29 02:30)", "Europe/Berlin").instant == datetime(2026, 3, 29, 1, tzinfo=timezone.utc)


def test_a_relative_time_is_elapsed_time() -> None:
    later = after(90.5, zone="Asia/Shanghai", now=NOW)
    assert (later.text, later.is_elapsed) == ("at(2026-03-28 20:01:31)", True)
    assert [read(text).is_elapsed for text in ("rate(30s)", "@daily", "at(2027-01-01)")] == [True, False, False]
    for seconds in (1e11, 1e300, float("inf")):
        with pytest.raises(InvalidParameter, match="2099"):
            after(seconds, zone="UTC", now=NOW)


def test_no_rate_fires_after_2099() -> None:
    found = read("rate(1000d)").upcoming(NOW, NOW, 10_000)
    assert 20 < len(found) < 30
    assert found[-1].time.year <= 2099


# ---- cron: its fields


@pytest.mark.parametrize(
    ("text", "stored"),
    [
        ("*/5 * * * *", "0 */5 * * * *"),
        ("0  */5 * * *  *", "0 */5 * * * *"),
        ("0 0 9 ? jan mon-fri", "0 0 9 ? JAN MON-FRI"),
        ("0 0 9 * * * 2027", "0 0 9 * * * 2027"),
    ],
)
def test_cron_has_five_six_or_seven_fields(text: str, stored: str) -> None:
    frequency = cron(text, zone="Asia/Shanghai", now=NOW)
    assert (frequency.text, frequency.timezone, frequency.is_once) == (stored, "Asia/Shanghai", False)
    assert parse(frequency.expression, zone="UTC", now=NOW) == frequency
    assert restore(frequency.text, frequency.timezone) == frequency


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0 0 0 L * ?", ["Tue 2026-03-31", "Thu 2026-04-30", "Sun 2026-05-31"]),
        ("0 0 0 15,L 2 ?", ["Mon 2027-02-15", "Sun 2027-02-28", "Tue 2028-02-15", "Tue 2028-02-29"]),
        ("0 0 0 ? * L5", ["Fri 2026-04-24", "Fri 2026-05-29"]),
        ("0 0 0 ? * 5L", ["Fri 2026-04-24", "Fri 2026-05-29"]),
        ("0 0 0 ? * FRIL", ["Fri 2026-04-24", "Fri 2026-05-29"]),
        ("0 0 0 ? * 7L", ["Sun 2026-03-29", "Sun 2026-04-26"]),
        ("0 0 0 ? * 5#2", ["Fri 2026-04-10", "Fri 2026-05-08"]),
        ("0 0 0 ? * FRI#5", ["Fri 2026-05-29", "Fri 2026-07-31"]),
        ("0 0 0 ? * MON#1,3,5L", ["Wed 2026-04-01", "Mon 2026-04-06", "Wed 2026-04-08"]),
        ("0 0 0 ? * 0", ["Sun 2026-03-29", "Sun 2026-04-05"]),
        ("0 0 0 ? * 7", ["Sun 2026-03-29", "Sun 2026-04-05"]),
        ("0 0 0 ? * 5-7", ["Sun 2026-03-29", "Fri 2026-04-03", "Sat 2026-04-04"]),
        ("0 0 0 ? * SAT-MON", ["Sun 2026-03-29", "Mon 2026-03-30", "Sat 2026-04-04"]),
        ("0 0 0 ? * 1/2", ["Mon 2026-03-30", "Wed 2026-04-01", "Fri 2026-04-03", "Mon 2026-04-06"]),
        (
            "0 0 0 1,15 * MON",
            ["Mon 2026-03-30", "Wed 2026-04-01", "Mon 2026-04-06", "Mon 2026-04-13", "Wed 2026-04-15"],
        ),
        ("0 0 0 13 * FRI#2", ["Fri 2026-04-10", "Mon 2026-04-13", "Fri 2026-05-08", "Wed 2026-05-13"]),
        ("0 0 0 31 2 MON", ["Mon 2027-02-01", "Mon 2027-02-08"]),
        ("0 0 0 1 NOV-JAN ?", ["Sun 2026-11-01", "Tue 2026-12-01", "Fri 2027-01-01", "Mon 2027-11-01"]),
        ("0 0 0 29 2 ?", ["Tue 2028-02-29", "Sun 2032-02-29"]),
        ("0 0 0 1 1 ? 2028/30", ["Sat 2028-01-01", "Tue 2058-01-01", "Thu 2088-01-01"]),
        ("0 0 0 31 12 ? 2099", ["Thu 2099-12-31"]),
        ("0 0 0 15W * ?", ["Wed 2026-04-15", "Fri 2026-05-15", "Mon 2026-06-15"]),
        ("0 0 0 1W 8,11 ?", ["Mon 2026-08-03", "Mon 2026-11-02"]),  # never in the month before
        ("0 0 0 31W * ?", ["Tue 2026-03-31", "Fri 2026-05-29", "Fri 2026-07-31"]),
        ("0 0 0 LW * ?", ["Tue 2026-03-31", "Thu 2026-04-30", "Fri 2026-05-29"]),
        ("0 0 0 L-3 * ?", ["Mon 2026-04-27", "Thu 2026-05-28"]),
        ("0 0 0 L-30 * ?", ["Fri 2026-05-01", "Wed 2026-07-01"]),
        ("0 0 0 */1 * MON", ["Mon 2026-03-30", "Mon 2026-04-06"]),
        ("0 0 0 13 * */1", ["Mon 2026-04-13", "Wed 2026-05-13"]),
    ],
)
def test_days(text: str, expected: list[str]) -> None:
    assert days(text, len(expected)) == expected


def test_years_end_with_2099() -> None:
    frequency = read("0 0 0 ? * THU")
    assert frequency.next(datetime(2099, 12, 30, tzinfo=timezone.utc), NOW) == datetime(
        2099, 12, 31, tzinfo=timezone.utc
    )
    assert frequency.next(datetime(2099, 12, 31, tzinfo=timezone.utc), NOW) is None


def test_over_the_end_of_a_year() -> None:
    late = datetime(2027, 12, 31, 23, 59, 55, tzinfo=timezone.utc)
    assert read("*/10 * * * * *").next(late, NOW) == datetime(2028, 1, 1, tzinfo=timezone.utc)
    assert read("0 0 22-2/2 * * *").next(late, NOW) == datetime(2028, 1, 1, tzinfo=timezone.utc)


@pytest.mark.parametrize(
    ("text", "field"),
    [
        ("60 * * * * *", "second"),
        ("? * * * * *", "second"),
        ("0 61 * * * *", "minute"),
        ("0 */0 * * * *", "minute"),
        ("0 */90 * * * *", "minute"),
        ("0 0 24 * * *", "hour"),
        ("0 0 1- * * *", "hour"),
        ("0 0 0 0 * *", "day-of-month"),
        ("008 0 0 * * *", "second"),
        ("0 0 0 032 * *", "day-of-month"),
        ("0 0 0 W * *", "day-of-month"),
        ("0 0 0 1-15W * *", "day-of-month"),
        ("0 0 0 1,15W * *", "day-of-month"),
        ("0 0 0 32W * *", "day-of-month"),
        ("0 0 0 L-0 * *", "day-of-month"),
        ("0 0 0 L-31 * *", "day-of-month"),
        ("0 0 0 1,? * MON", "day-of-month"),
        ("0 0 0 * * FR\N{LATIN SMALL LETTER DOTLESS I}", "day-of-week"),
        ("0 0 0 * * \N{LATIN SMALL LETTER LONG S}UN", "day-of-week"),
        ("0 0 0 * * W-SUN", "day-of-week"),
        ("0 0 0 1 13 *", "month"),
        ("0 0 0 1 MAI *", "month"),
        ("0 0 0 * * 8", "day-of-week"),
        ("0 0 0 * * MOX", "day-of-week"),
        ("0 0 0 * * L", "day-of-week"),
        ("0 0 0 * * 5#6", "day-of-week"),
        ("0 0 0 * * 1,,2", "day-of-week"),
        ("0 0 0 * * * 2100", "year"),
        ("0 0 0 * * * 2030-2027", "year"),
        ("0 0 ٣ * * *", "hour"),
    ],
)
def test_a_refusal_names_the_field(text: str, field: str) -> None:
    with pytest.raises(InvalidParameter, match=f"cannot use the {field} field '") as refused:
        read(text)
    assert refused.value.code == "InvalidFrequency"
    assert refused.value.hint


@pytest.mark.parametrize(
    "text", ["", " ", "hello", "* * * *", "@reboot", "0 0 0 * * * 2027 UTC UTC", "0 " * 600, "at()"]
)
def test_unknown_forms_are_refused(text: str) -> None:
    with pytest.raises(InvalidParameter, match="cannot"):
        read(text)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("0 0 9 * * ? CST", "the year field 'CST': 'CST' is neither a year nor a time zone"),
        ("0 9 * * * CST", "the day-of-week field 'CST': 'CST' is neither a day of the week nor a time zone"),
        ("0 0 9 L-3W * ?", "'L-3W' is not supported"),
        ("at(2027-02-30)", "frequency 'at(2027-02-30)': there is no such date or time"),
        ("CRON_TZ=UTC at(2027-01-01)", "its form is at(2026-12-01 02:00:00), with or without a time zone"),
        ("TZ=UTC rate(5m)", "and has no time zone"),
        ("rate(1.5s)", "frequency 'rate(1.5s)': it is not a whole number of seconds"),
    ],
)
def test_a_refusal_says_what_was_probably_wanted(text: str, said: str) -> None:
    with pytest.raises(InvalidParameter) as refused:
        read(text)
    assert said in refused.value.message


def test_a_rate_takes_fractions_as_durations_do() -> None:
    assert [read(text).text for text in ("rate(1.5h)", "rate(0.5m)", "rate(1.0d)")] == [
        "rate(90m)",
        "rate(30s)",
        "rate(1d)",
    ]


# ---- time zones


@pytest.mark.parametrize(
    ("text", "zone", "hour"),
    [
        ("0 0 9 * * * Asia/Shanghai", "Asia/Shanghai", 1),
        ("0 9 * * * Asia/Shanghai", "Asia/Shanghai", 1),
        ("0 0 9 * * * 2026-2030 Asia/Shanghai", "Asia/Shanghai", 1),
        ("0 0 9 ? * MON-SUN Singapore", "Singapore", 1),
        ("0 0 9 * * ? UTC", "UTC", 9),
        ("0 0 9 * * ? utc", "UTC", 9),
        ("0 0 9 * * ? GMT+8:00", "GMT+8:00", 1),
        ("0 0 9 * * ? gmt+08", "GMT+8:00", 1),
        ("0 0 9 * * ? GMT-3:30", "GMT-3:30", 12),
        ("0 9 * * * W-SU", "W-SU", 6),
        ("0 9 * * * Z", "UTC", 9),
        ("0 9 * * * +08:00", "GMT+8:00", 1),
        ("0 0 9 * * ? -03:30", "GMT-3:30", 12),
        ("CRON_TZ=Asia/Shanghai 0 9 * * *", "Asia/Shanghai", 1),
        ("CRON_TZ=UTC @hourly", "UTC", 13),
        ("cron_tz=Asia/Shanghai 0 9 * * *", "Asia/Shanghai", 1),
        ("TZ=Asia/Shanghai 0 9 * * *", "Asia/Shanghai", 1),
        ("@daily GMT-9", "GMT-9:00", 9),
        ("0 0 9 * * ?", "America/Sao_Paulo", 12),
    ],
)
def test_a_zone_stands_behind_the_expression(text: str, zone: str, hour: int) -> None:
    frequency = read(text, "America/Sao_Paulo")
    assert frequency.timezone == zone
    firing = frequency.next(NOW, NOW)
    assert firing is not None
    assert (firing.hour, firing.minute) == (hour, 30 if zone == "GMT-3:30" else 0)


@pytest.mark.parametrize(
    ("zone", "hint"),
    [
        ("Asia/Shangai", "Asia/Shanghai"),
        ("asia/shanghai", "Asia/Shanghai"),
        ("Europe/Shanghai", "Asia/Shanghai"),
        ("Nowhere/Land", "Europe/Berlin"),
        ("GMT+14:60", "GMT"),
        ("GMT+15:00", "GMT"),
        ("GMT-13:00", "GMT"),
        ("right/UTC", ""),
        ("Asia/../../etc/passwd", ""),
        ("America/", ""),
    ],
)
def test_an_unknown_zone_is_refused(zone: str, hint: str) -> None:
    with pytest.raises(InvalidParameter, match="time zone") as refused:
        read(f"0 0 9 * * ? {zone}")
    assert hint in refused.value.hint
    with pytest.raises(InvalidParameter, match="time zone"):
        read("0 0 9 * * ?", zone)


@pytest.mark.parametrize(
    "text",
    ["0 0 9 * * * UTC UTC", "0 9 * * * Asia/Shanghai UTC", "CRON_TZ=UTC 0 9 * * * UTC", "0 0 9 * * UTC Z", "0 9 * * Z"],
)
def test_a_zone_is_not_a_field(text: str) -> None:
    with pytest.raises(InvalidParameter, match=r"more than one time zone|has 4"):
        read(text)


@pytest.mark.parametrize("space", ["\u00a0", "\u2009", "\u200b", "\u3000", "\x1c"])
@pytest.mark.parametrize("text", ["0{}0 9 * * *", "0 0 9 * * *{}", "rate(30s){}", "at(2026-12-01{}02:00)"])
def test_unusual_spaces_are_refused(text: str, space: str) -> None:
    with pytest.raises(InvalidParameter, match="no meaning"):
        read(text.format(space))


@pytest.mark.parametrize(
    ("name", "stored"),
    [
        ("@hourly", "0 0 * * * *"),
        ("@daily", "0 0 0 * * *"),
        ("@midnight", "0 0 0 * * *"),
        ("@Weekly", "0 0 0 * * SUN"),
        ("@monthly", "0 0 0 1 * *"),
        ("@yearly", "0 0 0 1 1 *"),
        ("@annually", "0 0 0 1 1 *"),
    ],
)
def test_some_expressions_have_a_name(name: str, stored: str) -> None:
    assert read(name).text == stored


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("0 9 1 * MON", ["Both day fields"]),
        ("0 0 9 1 * 2", ["Both day fields", "Weekday numbers"]),
        ("0 0 9 ? * 1-5", ["Weekday numbers"]),
        ("0 0 9 */1 * MON#2", []),
        ("0 0 9 * * 5L", ["Weekday numbers"]),
        ("rate(30s)", []),
    ],
)
def test_often_misunderstood_expressions_are_explained(text: str, said: list[str]) -> None:
    remarks = read(text).remarks
    assert len(remarks) == len(said)
    assert all(remark.startswith(word) for remark, word in zip(remarks, said, strict=True))


# ---- changes of clocks


def test_fixed_hours_fire_one_time_where_clocks_change() -> None:
    assert local("0 30 2 * * *", "Europe/Berlin", datetime(2026, 3, 28), 3) == [
        *("2026-03-28 02:30:00+01:00", "2026-03-29 03:00:00+02:00", "2026-03-30 02:30:00+02:00")
    ]
    assert local("0 30 2 * * *", "Europe/Berlin", datetime(2026, 10, 24), 3) == [
        *("2026-10-24 02:30:00+02:00", "2026-10-25 02:30:00+02:00", "2026-10-26 02:30:00+01:00")
    ]


def test_all_24_hours_fire_where_clocks_change() -> None:
    assert local("*/10 * * * * *", "Europe/Berlin", datetime(2026, 3, 29, 1, 59, 35), 4) == [
        *("2026-03-29 01:59:40+01:00", "2026-03-29 01:59:50+01:00"),
        *("2026-03-29 03:00:00+02:00", "2026-03-29 03:00:10+02:00"),
    ]
    assert local("0 0 */2 * * *", "Europe/Berlin", datetime(2026, 3, 28, 23), 4) == [
        *("2026-03-29 00:00:00+01:00", "2026-03-29 03:00:00+02:00"),
        *("2026-03-29 04:00:00+02:00", "2026-03-29 06:00:00+02:00"),
    ]
    assert [each[11:16] for each in local("0 0 */2 * * *", "Europe/Berlin", datetime(2026, 10, 24, 23), 3)] == [
        *("00:00", "02:00", "04:00")
    ]
    assert local("0 30 * * * *", "Europe/Berlin", datetime(2026, 10, 25, 1), 4) == [
        *("2026-10-25 01:30:00+02:00", "2026-10-25 02:30:00+02:00"),
        *("2026-10-25 02:30:00+01:00", "2026-10-25 03:30:00+01:00"),
    ]


# ---- any input


PIECES = st.sampled_from(
    [
        *"*?,-/#LW 0123456789",
        "rate(",
        "at(",
        ")",
        "MON",
        "JAN",
        "2026-12-01",
        "02:00",
        "UTC",
        "GMT+",
        "Asia/",
        "\n",
        "é",
    ]
)


HEAVY = "0,55 0,59 0,23 ? * MON#1,TUE#1,WED#2,THU#3,FRI#5,1L,3L,5L 2026-2099"


@pytest.mark.parametrize("parts", [pytest.param(300, id="some"), pytest.param(5000, id="many", marks=pytest.mark.long)])
def test_no_expression_visits_more_than_20_000_days(parts: int) -> None:
    """To be read, checked and fired twice, in its first years and in its last."""
    chance = random.Random(43)
    texts = [HEAVY, "0 0 0 29 2 1#5 2099", "0,55 0,59 0,23 31W,L * MON#5"]
    for text in [*texts, *(f"{expression(chance)} {chance.choice(YEARS)}" for _ in range(parts))]:
        due_days.cache_clear()
        with contextlib.suppress(InvalidParameter, QuotaExceeded):
            frequency = read(text)
            for moment in (NOW, datetime(2098, 7, 1, tzinfo=timezone.utc)):
                frequency.smallest_gap(moment)
                frequency.upcoming(moment, moment, 2)
        assert due_days.cache_info().misses * 366 <= 20_000, text


@pytest.mark.parametrize("number", [pytest.param(15, id="some"), pytest.param(1500, id="many", marks=pytest.mark.long)])
def test_days_are_those_of_a_brute_force(number: int) -> None:
    chance = random.Random(44)
    first = date(2026, 1, 1).toordinal() - date(1970, 1, 1).toordinal()
    for _ in range(number):
        text = " ".join(["0 0 0", *expression(chance, workdays=True).split()[3:]])
        found, wanted = restore(text, "UTC").rule.days, Expression(text)  # type: ignore[union-attr]
        due = [day for day in range(first, first + 1500) if wanted.is_due(date(1970, 1, 1) + timedelta(days=day))]
        day, fired = found.first(first), []
        while day is not None and day < first + 1500:
            fired.append(day)
            day = found.first(day + 1)
        assert fired == due, text
        twins = [(one, other) for one, other in itertools.pairwise(due) if other == one + 1]
        assert not twins or found.neighbours(first) == twins[0], text


@given(st.one_of(st.text(), st.lists(PIECES).map("".join), st.lists(PIECES, min_size=5, max_size=8).map(" ".join)))
@example("0 0 0 * * * GMT+99999999999:00")
@example("at(9999-12-31 23:59:59)")
@example("at(0001-01-01 00:00 GMT+14:00)")
@example("rate(999999999d)")
@example("0 0 0 1/9999 * *")
@example("0 0 0 * * * Asia/" + "a" * 500)
def test_unreadable_input_is_refused_and_nothing_else_happens(text: str) -> None:
    for read_it in (parse, cron, at):
        with contextlib.suppress(InvalidParameter, QuotaExceeded):
            frequency = read_it(text, zone="Europe/Berlin", now=NOW)
            following = frequency.next(NOW, NOW)
            assert following is not None
            assert following > NOW


def test_stored_text_reads_the_same() -> None:
    chance = random.Random(42)
    for _ in range(500):
        frequency = restore(expression(chance), "Asia/Shanghai")
        assert restore(frequency.text, frequency.timezone) == frequency
        assert restore(frequency.expression, "UTC") == frequency
        assert restore(frequency.expression, "UTC").next(NOW, NOW) == frequency.next(NOW, NOW)


@pytest.mark.parametrize(
    ("name", "advice"),
    [
        ("CEST", "did you mean Europe/Berlin?"),
        ("msk", "did you mean Europe/Moscow?"),
        ("CST", "did you mean America/Chicago or Asia/Shanghai?"),
        ("UTC+2", "did you mean GMT+2:00?"),
        ("utc-03:30", "did you mean GMT-3:30?"),
        ("XEST", "give a name such as Europe/Berlin, UTC, or an offset such as GMT+8:00"),
        ("berlin", "did you mean Europe/Berlin?"),
        ("Europe/Berln", "did you mean Europe/Berlin?"),
    ],
)
def test_an_abbreviation_is_not_taken_for_a_zone_of_similar_spelling(name: str, advice: str) -> None:
    with pytest.raises(InvalidParameter) as caught:
        zone_of(name)
    assert caught.value.hint.endswith(advice)


def test_each_abbreviation_stands_for_zones_and_is_none() -> None:
    for name, zones in ABBREVIATIONS.items():
        assert not is_zone(name)
        assert all(map(is_zone, zones))
