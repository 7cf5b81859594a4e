"""No due time is missed or doubled, over restarts, kills, clock steps, and changes of civil time.

The server is real and its agents are stand-ins; the clock is the test's own, so that hours take a moment.
"""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from datetime import datetime, timedelta, timezone
from itertools import pairwise
from pathlib import Path

import pytest

from assist_cli.model import frequency
from assist_cli.model.frequency import Frequency
from assist_cli.model.schedule import Missed, SlotOutcome
from assist_cli.operations.server import schedules
from assist_cli.store import checkup
from tests.support import checker, variants
from tests.support.world import World, world_of

START = datetime(2026, 11, 22, 8, tzinfo=timezone.utc)
LEAP_DAY = datetime(2028, 2, 28, 23, 30, tzinfo=timezone.utc)
YEAR_END = datetime(2026, 12, 31, 23, 30, tzinfo=timezone.utc)


def cron(expression: str, zone: str = "UTC", now: datetime = START) -> Frequency:
    return frequency.cron(expression, zone=zone, now=now)


def checked(
    world: World, invocation_id: str, found: Frequency, start: datetime, served: list[tuple[datetime, datetime]]
) -> Counter[SlotOutcome]:
    arrivals = {
        record: start + timedelta(seconds=moment)
        for record, (whose, moment) in world.arrivals.records.items()
        if whose == invocation_id
    }
    assert checkup.disagreements(world.controller.database) == []
    return checker.check(world.slots(invocation_id), arrivals, found, start, world.wall, served)


def over_kills(home: Path, rounds: int, seed: int) -> Counter[SlotOutcome]:
    """Start and kill servers at random, between two steps and within one. Return the sum of all outcomes."""
    chance = random.Random(seed)
    plans = [
        (frequency.every(10), Missed.SKIP),
        (frequency.every(17), Missed.RUN_ONCE),
        (cron("*/15 * * * * *"), Missed.SKIP),
        (cron("7 */3 * * * *"), Missed.RUN_ONCE),
        (cron("0 */20 * * * *", "Asia/Shanghai"), Missed.SKIP),
    ]
    served: list[tuple[datetime, datetime]] = []

    async def story(world: World) -> list[str]:
        made = [world.schedule(found, missed=missed) for found, missed in plans]
        async with world.agents():
            for _ in range(rounds):
                begin = world.wall
                async with world.serving(killed=chance.random() < 0.8) as server:
                    await world.forward(chance.uniform(0, 60))
                    served.append((begin, world.wall))
                    if chance.random() < 0.5:
                        # written, and not a byte sent: it dies before any other task runs
                        world.skip(chance.uniform(0, 12))
                        await server.turn()
                world.skip(chance.choice((0, 0, 1, 4, 9, 70, 700)) * chance.random())
            begin = world.wall
            async with world.serving():
                await world.forward(8)  # this long, sent bytes may still be on their way
                await world.until(lambda: all("Pending" not in world.outcomes(each) for each in made))
            served.append((begin, world.wall))
        return made

    with world_of(home, START) as world:
        made = asyncio.run(story(world))
        return sum(
            (checked(world, each, found, START, served) for each, (found, _) in zip(made, plans, strict=True)),
            Counter(),
        )


@pytest.mark.parametrize("rounds", [10, pytest.param(20, marks=pytest.mark.long)])
def test_over_kills(home: Path, rounds: int) -> None:
    found = over_kills(home, rounds=rounds, seed=2026)
    assert found[SlotOutcome.RAN] > 2.5 * rounds
    assert found[SlotOutcome.MISSED_DOWN] > rounds / 2
    assert found[SlotOutcome.MADE_UP] > 2
    assert SlotOutcome.PENDING not in found


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(10))
def test_over_many_kills(home: Path, seed: int) -> None:
    over_kills(home, rounds=200, seed=seed)


@pytest.mark.parametrize(
    ("zone", "change"),
    variants.every(
        3,
        [
            ("Europe/Berlin", "2027-03-28 01:00"),
            ("Europe/Berlin", "2027-10-31 01:00"),
            ("America/New_York", "2027-03-14 07:00"),
            ("America/New_York", "2027-11-07 06:00"),
            ("Australia/Lord_Howe", "2027-04-03 15:00"),
            ("Australia/Lord_Howe", "2027-10-02 15:30"),
            ("America/Santiago", "2027-04-04 03:00"),
            ("America/Santiago", "2027-09-05 04:00"),
            ("Africa/Cairo", "2027-04-29 22:00"),
            ("Africa/Cairo", "2027-10-28 21:00"),
        ],
    ),
)
def test_where_clocks_change(home: Path, zone: str, change: str) -> None:
    """Hourly schedules follow elapsed time; a schedule for a time of day fires one time on that day."""
    start = datetime.fromisoformat(change).replace(tzinfo=timezone.utc) - timedelta(hours=2)
    often = cron("0 */10 * * * *", zone, start)
    fixed = [cron(f"0 {minute} {hour} * * *", zone, start) for hour in range(4) for minute in (0, 15, 30, 45)]

    async def story(world: World) -> list[str]:
        made = [world.schedule(found) for found in (often, *fixed)]
        async with world.agents():
            async with world.serving(killed=True):
                await world.forward(2 * 3600 - 1)  # it dies just before the change, and the next one continues
            async with world.serving():
                await world.forward(2.5 * 3600)
        return made

    with world_of(home, start) as world:
        by_the_hour, *at_a_time = asyncio.run(story(world))
        moments = world.moments(by_the_hour)
        assert {round(later - earlier) for earlier, later in pairwise(moments)} == {600}
        assert len(moments) == 26
        assert sum(len(world.moments(each)) for each in at_a_time) > 5
        for each, found in zip(at_a_time, fixed, strict=True):
            assert len(world.moments(each)) <= 1
            checked(world, each, found, start, [(start, world.wall)])


@pytest.mark.parametrize("start", variants.every(2, [LEAP_DAY, YEAR_END]))
def test_over_leap_day_and_year_end(home: Path, start: datetime) -> None:
    plans = [frequency.every(1700), cron("0 */47 * * * *", now=start), cron("0 0 0 1,29 * ?", now=start)]

    async def story(world: World) -> list[str]:
        made = [world.schedule(found) for found in plans]
        async with world.agents(), world.serving():
            await world.forward(25 * 3600)
        return made

    with world_of(home, start) as world:
        for each, found in zip(asyncio.run(story(world)), plans, strict=True):
            outcomes = checked(world, each, found, start, [(start, world.wall)])
            assert outcomes.keys() == {SlotOutcome.RAN}


HOUR = 3600.0
AGAIN = "2026-10-25 02:30+01:00"


@pytest.mark.parametrize(
    "step", [HOUR, -HOUR, *(pytest.param(each, marks=pytest.mark.long) for each in (1800.5, -3.0))]
)
@pytest.mark.parametrize("down", variants.every(2, [True, False]), ids=["restarted", "serving"])
def test_a_clock_step_causes_no_burst_no_pause_and_no_double(home: Path, step: float, down: bool) -> None:
    plans = {10.0: frequency.every(10), 15.0: cron("*/15 * * * * *"), 300.0: cron("0 */5 * * * *")}

    async def story(world: World) -> tuple[list[str], str]:
        made = [world.schedule(found) for found in plans.values()]
        daily = world.schedule(cron("0 5 8 * * *"))  # it is in the hour before the step
        async with world.agents():
            async with world.serving(killed=down):
                await world.forward(601)
                if not down:
                    world.step(step)
                    await world.forward(600)
            if down:
                world.step(step)
                async with world.serving():
                    await world.forward(600)
        return made, daily

    with world_of(home, START) as world:
        made, daily = asyncio.run(story(world))
        for interval, each in zip(plans, made, strict=True):
            moments = world.moments(each)
            gaps = [later - earlier for earlier, later in pairwise(moments)]
            assert max(gaps) <= 2 * interval + 0.5, "it stood still"
            tight = [gap for gap in gaps if gap < interval / 2 - 0.5]
            assert len(tight) <= down, "it ran twice"  # time that passed without a server is unknown
            assert moments[-1] > world.elapsed - interval - 0.5
        assert len(world.moments(daily)) == 1


@pytest.mark.parametrize("step", [HOUR, -HOUR], ids=str)
@pytest.mark.parametrize("down", [False, True], ids=["serving", "restarted"])
def test_elapsed_time_ignores_clock_steps(home: Path, step: float, down: bool) -> None:
    async def story() -> None:
        later = world.schedule(frequency.after(60, zone="Europe/Berlin", now=START))
        often = world.schedule(frequency.every(17))
        async with world.agents():
            async with world.serving(killed=down):
                await world.forward(30)
                if not down:
                    world.step(step)
                    await world.forward(60)
            if down:
                world.step(step)
                async with world.serving():
                    await world.forward(60)
        assert (world.moments(later), world.outcomes(later)) == ([60], ["Ran"])
        assert world.moments(often) == [17, 34, 51, 68, 85]

    with world_of(home, START) as world:
        asyncio.run(story())


@pytest.mark.parametrize("meanwhile", ["nothing", "pause", "restart", "set back"])
def test_an_instant_in_a_repeated_hour_is_kept(home: Path, meanwhile: str) -> None:
    """02:30 in Berlin for the second time, half an hour after the schedule was created."""
    start = datetime(2026, 10, 25, 1, tzinfo=timezone.utc)

    async def story() -> None:
        texts = (frequency.after(1800, zone="Europe/Berlin", now=start), frequency.at(AGAIN, zone="UTC", now=start))
        made = [world.schedule(found) for found in texts]
        async with world.agents():
            async with world.serving(killed=meanwhile == "restart"):
                await world.forward(600)
                if meanwhile == "pause":
                    for each in made:
                        schedules.pause(world.controller, each)
                        schedules.resume(world.controller, each)
                if meanwhile != "restart":
                    if meanwhile == "set back":
                        world.step(-120)
                    await world.forward(1400)
            if meanwhile == "restart":
                async with world.serving():
                    await world.forward(1400)
        elapsed, instant = (world.moments(each) for each in made)
        assert (elapsed, instant) == ([1800], [1920 if meanwhile == "set back" else 1800])

    with world_of(home, start) as world:
        asyncio.run(story())


def test_each_server_computes_the_next_due_times_again(home: Path) -> None:
    """The rules, or the time zones, differ from those with which it was written."""

    async def story() -> None:
        early, late, off = (world.schedule(cron("0 */10 * * * *")) for _ in range(3))
        for each, wrong in ((early, 100), (late, 5000), (off, -60)):
            with world.controller.database.transaction() as transaction:
                due = int((START.timestamp() + wrong) * 1000)
                transaction.execute("UPDATE schedules SET next_at = ? WHERE invocation_id = ?", [due, each])
        async with world.agents(), world.serving():
            await world.forward(1300)
        assert [world.moments(each) for each in (early, late, off)] == [[600, 1200], [600, 1200], [0, 600, 1200]]

    with world_of(home, START) as world:
        asyncio.run(story())
