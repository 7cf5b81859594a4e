"""Due times of a schedule (docs/rules.md section 6)."""

from __future__ import annotations

import time
from datetime import datetime, timedelta, timezone
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as some

from assist_cli.errors import InvalidParameter
from assist_cli.model import frequency
from assist_cli.model.frequency import Frequency
from assist_cli.model.schedule import Missed, Schedule, Timing, Turn, after_step, due_times, offset, patience, turn

MADE = datetime(2026, 11, 22, 8, tzinfo=timezone.utc)
EVERY = frequency.every(10)
DAILY = frequency.cron("0 30 9 * * *", zone="UTC", now=MADE)
HALF_HOURLY = frequency.cron("0 0,30 * * * *", zone="UTC", now=MADE)
ONCE = frequency.at("2026-11-22 09:00", zone="UTC", now=MADE)


def after(seconds: float) -> datetime:
    return MADE + timedelta(seconds=seconds)


def planned(found: Frequency, *, missed: Missed = Missed.SKIP, upcoming: datetime | None = None) -> Schedule:
    return Schedule("t-1", found.text, found.timezone, MADE, upcoming or found.next(MADE, MADE), missed=missed)


def turn_at(found: Frequency, now: datetime, missed: Missed = Missed.SKIP) -> Turn:
    return turn(planned(found, missed=missed), found, now)


def test_a_due_time_fires() -> None:
    assert turn_at(EVERY, after(10)) == Turn(after(10), False, None, after(20))


def test_a_due_time_late_by_half_the_interval_still_fires() -> None:
    assert turn_at(EVERY, after(15)) == Turn(after(10), False, None, after(20))
    assert turn_at(EVERY, after(15.001)) == Turn(None, False, after(10), after(20))


def test_a_due_time_late_by_a_minute_fires_for_any_interval() -> None:
    due = MADE.replace(hour=9, minute=30)
    following = due + timedelta(days=1)
    assert turn_at(DAILY, due + timedelta(seconds=60)) == Turn(due, False, None, following)
    assert turn_at(DAILY, due + timedelta(seconds=61)) == Turn(None, False, due, following)


def test_the_newest_of_many_overdue_times_fires_and_the_others_are_missed() -> None:
    assert turn_at(EVERY, after(101)) == Turn(after(100), False, after(10), after(110))


def test_missed_times_run_one_time_with_run_once() -> None:
    assert turn_at(EVERY, after(107), Missed.RUN_ONCE) == Turn(after(100), True, after(10), after(110))
    assert turn_at(EVERY, after(17), Missed.RUN_ONCE) == Turn(after(10), True, None, after(20))


def test_a_one_time_schedule_may_be_late_up_to_a_minute() -> None:
    due = MADE.replace(hour=9)
    assert turn_at(ONCE, due + timedelta(seconds=60)) == Turn(due, False, None, None)
    assert turn_at(ONCE, due + timedelta(seconds=61)) == Turn(None, False, due, None)
    assert turn_at(ONCE, due + timedelta(days=1), Missed.RUN_ONCE) == Turn(due, True, None, None)


def test_a_year_of_downtime_is_computed_quickly() -> None:
    began = time.process_time()
    found = turn_at(frequency.cron("*/10 * * * * *", zone="UTC", now=MADE), MADE + timedelta(days=365, seconds=2))
    assert (found.fires, found.missed) == (MADE + timedelta(days=365), after(10))
    assert time.process_time() - began < 1


@given(
    some.sampled_from([EVERY, DAILY, HALF_HOURLY, frequency.cron("*/20 0-5 8,9 * * *", zone="UTC", now=MADE)]),
    some.integers(0, 400_000),
    some.sampled_from(Missed),
)
def test_each_due_time_fires_or_is_missed_and_none_is_lost(found: Frequency, seconds: int, missed: Missed) -> None:
    first = found.next(MADE, MADE)
    assert first is not None
    now = first + timedelta(seconds=seconds)
    taken = turn_at(found, now, missed)
    dues = [first]
    while (following := found.next(dues[-1], MADE)) is not None and following <= now:
        dues.append(following)
    until = taken.fires or taken.next
    assert until is not None
    lost = [] if taken.missed is None else [*due_times(found, MADE, taken.missed, until, None)]
    assert sorted(lost + ([taken.fires] if taken.fires else [])) == dues
    assert taken.next == following
    late = now - dues[-1] > patience(dues[-1], following)
    assert (taken.fires is None, taken.made_up) == (late and missed is Missed.SKIP, late and missed is Missed.RUN_ONCE)


@given(some.integers(0, 20_000), some.integers(0, 50))
def test_the_newest_of_a_period_are_first_and_limited(seconds: int, limit: int) -> None:
    found = frequency.cron("*/15 */7 8 * * *", zone="UTC", now=MADE)
    first = found.next(MADE, MADE)
    assert first is not None
    until = first + timedelta(seconds=seconds)
    all_of_it = [*due_times(found, MADE, first, until, None)]
    assert all(newer > older for newer, older in pairwise(all_of_it))
    assert [*due_times(found, MADE, first, until, limit)] == all_of_it[:limit]


def test_jitter_spreads_instances_and_stays_the_same() -> None:
    jitter = timedelta(seconds=5)
    offsets = [offset(f"i-{number}", jitter) for number in range(200)]
    assert offsets == [offset(f"i-{number}", jitter) for number in range(200)]
    assert all(timedelta(0) <= each < jitter for each in offsets)
    quarters = [sum(int(each / jitter * 4) == quarter for each in offsets) for quarter in range(4)]
    assert min(quarters) > 25
    assert offset("i-1", timedelta(0)) == timedelta(0)


def test_invalid_values_are_refused() -> None:
    Timing(EVERY, jitter=timedelta(seconds=5)).check(MADE)
    with pytest.raises(InvalidParameter, match="more than half"):
        Timing(EVERY, jitter=timedelta(seconds=5.5)).check(MADE)
    with pytest.raises(InvalidParameter, match="cannot keep 0"):
        Timing(EVERY, keep=0).check(MADE)


def stepped(found: Frequency, last: datetime, now: datetime, step: timedelta | None) -> datetime | None:
    made = Schedule("t-1", found.text, found.timezone, MADE, found.next(last, MADE), last)
    return after_step(made, found, now, step)


HOUR = timedelta(hours=1)


def test_after_a_clock_step_back_a_frequent_schedule_continues() -> None:
    last = MADE.replace(hour=11, minute=30)
    now = last + timedelta(minutes=7) - HOUR
    assert stepped(HALF_HOURLY, last, now, -HOUR) == MADE.replace(hour=11)


def test_it_does_not_fire_twice_in_a_row() -> None:
    last = MADE.replace(hour=11, minute=30)
    step = -timedelta(minutes=45)
    assert stepped(HALF_HOURLY, last, last + timedelta(minutes=1) + step, step) == MADE.replace(hour=11, minute=30)


def test_a_rare_schedule_does_not_fire_again_at_a_time_it_had() -> None:
    last = MADE.replace(hour=9, minute=30)
    tomorrow = last + timedelta(days=1)
    assert stepped(DAILY, last, last + timedelta(minutes=7) - HOUR, -HOUR) == tomorrow
    assert stepped(DAILY, last, last + timedelta(minutes=7) - HOUR, None) == tomorrow


def test_a_first_firing_follows_the_clock() -> None:
    made = planned(DAILY, upcoming=MADE + timedelta(days=30))
    assert after_step(made, DAILY, MADE, -HOUR) == MADE.replace(hour=9, minute=30)
