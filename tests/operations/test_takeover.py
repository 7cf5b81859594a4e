"""Two copies of a home: no script runs twice, and the copy that took over last is the one that agents serve."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from assist_cli.errors import Conflict
from assist_cli.model import frequency
from assist_cli.model.ids import Kind, derived
from assist_cli.model.schedule import Missed, SlotOutcome
from assist_cli.model.target import Selection
from assist_cli.operations.runs import recording
from assist_cli.operations.runs.plans import RunRequest
from assist_cli.operations.server import backup, lease, takeover
from assist_cli.store import schedules
from assist_cli.store.database import CONTROLLER_EPOCH, REPLACED, to_ms
from tests.support.world import World, restored, world_of

START = datetime(2026, 11, 22, 8, tzinfo=timezone.utc)
EVERY = frequency.every(10)
RAN = {SlotOutcome.RAN, SlotOutcome.LATE, SlotOutcome.MADE_UP}


@pytest.fixture
def world(home: Path) -> Iterator[World]:
    with world_of(home, START, size=4) as made:
        yield made


@contextlib.contextmanager
def copied(world: World) -> Iterator[World]:
    """The copy of a world, from a backup that was written now."""
    file = world.controller.home.root.parent / "assist.backup"
    backup.write(world.controller.home, file)
    with restored(world, world.controller.home.root.parent / "copy", file) as copy:
        yield copy


def slots_of(world: World, made: str) -> dict[tuple[str, datetime], tuple[SlotOutcome, str | None]]:
    return {(slot.instance_id, slot.due): (slot.outcome, slot.record_id) for slot in world.slots(made)}


def held_together(old: World, new: World, made: str) -> int:
    """Check what two copies say of each slot against what the agents ran. Return the number of slots."""
    told = [slots_of(each, made) for each in (old, new)]
    arrived = set(old.arrivals.of(made))
    counted = set()
    for slot in {*told[0], *told[1]}:
        known = [each[slot] for each in told if slot in each]
        records = {record for _, record in known if record in arrived}
        assert len(records) <= 1, f"{slot} ran twice"
        counted |= records
        says_ran = any(outcome in RAN for outcome, _ in known)
        assert says_ran == bool(records), f"nobody tells the truth of {slot}: {known}"
        assert all(outcome is not SlotOutcome.PENDING for outcome, _ in known)
    assert counted == arrived
    assert len({*told[0], *told[1]}) > len(arrived) * 0.8
    return len({*told[0], *told[1]})


@pytest.mark.parametrize("fencing", [True, False], ids=["agents know epochs", "older agents"])
@pytest.mark.parametrize("lag", [10, *(pytest.param(each, marks=pytest.mark.long) for each in (60, 600))])
def test_a_copy_that_lags_runs_nothing_twice(world: World, lag: int, fencing: bool) -> None:
    """It serves while the original still does; where agents are older, both fire all of it."""
    world.arrivals.fencing = fencing

    async def story() -> None:
        many = world.schedule(EVERY, on=("n1", "n2", "n3"), jitter=3)
        one = world.schedule(frequency.every(25), on=("n4",), missed=Missed.RUN_ONCE)
        async with world.agents(), world.serving():
            await world.forward(34)
            with copied(world) as copy:
                await world.forward(lag)
                async with copy.serving(take_over=True):
                    await world.forward(62, copy)
                    counts = held_together(world, copy, many), held_together(world, copy, one)
                    assert counts == ((lag + 96) // 10 * 3, (lag + 96) // 25)
                    newest = max(slots_of(copy, many).items())[1]
                    assert newest[0] in RAN
                    if fencing:
                        refused = [outcome for outcome, _ in slots_of(world, many).values()]
                        assert SlotOutcome.NOT_DELIVERED in refused

    asyncio.run(story())


def test_both_copies_give_the_record_of_a_due_time_the_same_id(world: World) -> None:
    async def story() -> None:
        made = world.schedule(EVERY, on=("n1", "n2"), jitter=4)
        with copied(world) as copy:
            async with world.agents(), world.serving(), copy.serving(take_over=True):
                await world.forward(35, copy)
                assert slots_of(world, made) == slots_of(copy, made)
                assert len(slots_of(world, made)) == 6
                assert world.arrivals.deliveries > len(world.arrivals.of(made)) == 6
                due = START + timedelta(seconds=20)
                (first, *_) = world.sockets
                assert slots_of(copy, made)[first, due][1] == derived(Kind.RECORD, to_ms(due), made, first)

    asyncio.run(story())


def test_a_run_in_place_of_missed_ones_is_not_run_by_both(world: World) -> None:
    async def story() -> None:
        made = world.schedule(EVERY, missed=Missed.RUN_ONCE)
        async with world.agents():
            with copied(world) as copy:
                async with world.serving():
                    await world.forward(1006)  # the newest due time is 6 s ago, which is too late for a copy
                async with copy.serving(take_over=True):
                    await copy.forward(1)
                    assert copy.outcomes(made)[-1] == "MadeUp"
                    assert len(world.arrivals.of(made)) == 100
                    held_together(world, copy, made)

    asyncio.run(story())


@pytest.mark.parametrize("wait", [5, 3600])
def test_a_one_time_run_is_not_run_by_both(world: World, wait: int) -> None:
    async def story() -> None:
        made = world.schedule(frequency.once(START + timedelta(seconds=30), zone="UTC"))
        async with world.agents():
            with copied(world) as copy:
                async with world.serving():
                    await world.forward(31)
                assert world.outcomes(made) == ["Ran"]
                world.skip(wait)
                async with copy.serving(take_over=True):
                    await copy.forward(1)
                    assert copy.outcomes(made) == ["Late" if wait == 5 else "MissedDown"]
        assert len(world.arrivals.of(made)) == 1

    asyncio.run(story())


def test_what_one_copy_skips_the_other_runs_at_most_once(world: World) -> None:
    """The copy does not know of the run that is still in progress; the due time of that run is one for both."""

    async def story() -> None:
        made = world.schedule(EVERY)
        world.arrivals.lasting.add(made)
        with copied(world) as copy:
            async with world.agents(), world.serving():
                await world.forward(21)
                assert world.outcomes(made)[1:] == ["SkippedOverlap"]
                async with copy.serving(take_over=True):
                    await world.forward(10, copy)
        assert len(world.arrivals.of(made)) == 2

    asyncio.run(story())


def test_a_due_time_that_comes_a_second_time_is_another_firing(world: World) -> None:
    """The clock is set back, and later the schedule passes due times whose records exist already."""

    async def story() -> None:
        made = world.schedule(frequency.cron("0 * * * * *", zone="UTC", now=START), on=("n1", "n2"))
        other = world.schedule(EVERY, on=("n3",))
        async with world.agents(), world.serving():
            await world.forward(302)
            world.step(-180)
            await world.forward(302)
            assert world.outcomes(made) == ["Ran"] * 20
            assert world.outcomes(other) == ["Ran"] * 60
        assert len(set(world.arrivals.of(made))) == 20
        assert schedules.errors(world.controller.database) == {}
        assert len(slots_of(world, made)) == 14, "six of the twenty came a second time"

    asyncio.run(story())


def test_what_a_person_runs_has_a_random_id(world: World) -> None:
    request = RunRequest(b"true", targets=Selection(("n1",)))
    with copied(world) as copy:
        ids = set()
        for each in (world, world, copy, copy):
            with recording.recorded(each.controller, request) as invocation:
                ids.add(invocation.instances[0].record.id)
    assert len(ids) == 4


# taking over


def setting(world: World, name: str) -> str | None:
    return world.controller.database.setting(name)


def test_the_original_is_refused_and_notes_it(world: World, caplog: pytest.LogCaptureFixture) -> None:
    world.arrivals.fencing = True
    caplog.set_level(logging.INFO)

    async def story() -> None:
        async with world.agents(), world.serving():
            with copied(world) as copy:
                await world.greet(all_of_them=False)
                async with copy.serving(take_over=True):
                    assert "took over: 4 of 4 agents refuse other copies of this home now" in caplog.text
                    assert copy.controller.database.first("SELECT 1 FROM audit WHERE action = 'server.take-over'")
                    with pytest.raises(Conflict, match="another server has taken over from it") as conflict:
                        await world.greet(all_of_them=False)
                    assert conflict.value.code == "ControllerReplaced"
                    assert setting(world, REPLACED) == setting(copy, CONTROLLER_EPOCH) == str(int(START.timestamp()))

    asyncio.run(story())
    with pytest.raises(Conflict, match="another server has taken over"):
        lease.take(world.controller, "0123456789abcdef")


def test_the_original_becomes_the_controller_again_though_its_clock_is_behind(world: World) -> None:
    world.arrivals.fencing = True

    async def story() -> None:
        async with world.agents():
            with copied(world) as copy:
                async with copy.serving(take_over=True):
                    pass
                world.step(-3600)
                with pytest.raises(Conflict):
                    await world.greet(all_of_them=False)
                async with world.serving(take_over=True):
                    assert int(setting(world, CONTROLLER_EPOCH) or 0) == int(setting(copy, CONTROLLER_EPOCH) or 0) + 1
                    await world.greet(all_of_them=False)
                with pytest.raises(Conflict):
                    await copy.greet(all_of_them=False)

    asyncio.run(story())


@pytest.mark.parametrize("bad", [1, 2])
def test_the_word_of_a_few_agents_ends_no_server(world: World, caplog: pytest.LogCaptureFixture, bad: int) -> None:
    """They may be broken or hostile, and name any epoch."""
    world.arrivals.fencing = True
    world.arrivals.epochs = dict.fromkeys(list(world.sockets)[:bad], 2**53 - 1)

    async def story() -> None:
        async with world.agents():
            await world.greet(all_of_them=False)

    asyncio.run(story())
    assert setting(world, REPLACED) is None
    names = "n1" if bad == 1 else "n1, n2"
    assert f"refused by {names}, as another server had taken over; {4 - bad} other agents serve" in caplog.text


def test_the_epoch_of_most_agents_counts(world: World) -> None:
    world.arrivals.fencing = True
    world.arrivals.epochs = dict(zip(world.sockets, (2**53 - 1, 7, 7, 7), strict=True))

    async def story() -> None:
        async with world.agents():
            with pytest.raises(Conflict):
                await world.greet(all_of_them=False)

    asyncio.run(story())
    assert setting(world, REPLACED) == "7"


def test_agents_that_are_away_or_older_are_named(world: World, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)

    async def story() -> None:
        lost = dict(list(world.sockets.items())[:1])
        world.sockets = {instance: path for instance, path in world.sockets.items() if instance not in lost}
        async with world.agents(), world.serving(take_over=True):
            pass

    asyncio.run(story())
    assert "took over: 0 of 4 agents" in caplog.text
    assert "unreachable: n1; they serve other copies until this one reaches them" in caplog.text
    assert "too old to refuse other copies: n2, n3, n4; assist instance upgrade --all" in caplog.text


def test_a_restored_home_is_not_served_before_it_takes_over(world: World) -> None:
    with copied(world) as copy:
        with pytest.raises(Conflict, match="restored from a backup"):
            lease.take(copy.controller, "0123456789abcdef")
        with pytest.raises(Conflict):
            takeover.check(copy.controller.database)
        lease.take(copy.controller, "0123456789abcdef", take_over=True)
        takeover.check(copy.controller.database)


def test_another_server_of_the_same_home_ends_in_its_next_turn(world: World) -> None:
    async def story() -> None:
        made = world.schedule(EVERY)
        async with world.agents(), world.serving() as server:
            await world.forward(11)
            lease.take(world.controller, "0123456789abcdef", take_over=True)
            await server.turn()
            assert isinstance(server.failure, Conflict)
            assert "another one has taken over this home" in str(server.failure)
            world.skip(10)
            await server.turn()
        assert len(world.arrivals.of(made)) == 1

    asyncio.run(story())
