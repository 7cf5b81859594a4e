"""The server fires each due time one time, and the slots have the outcome of each (docs/rules.md section 6)."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from assist_cli.errors import Conflict, InvalidParameter, Refused
from assist_cli.model import frequency
from assist_cli.model.command import CommandVersion
from assist_cli.model.rollout import AT_ONCE
from assist_cli.model.schedule import Missed, Timing
from assist_cli.model.secret import Secret
from assist_cli.model.status import InvocationStatus, InvokeStatus
from assist_cli.model.target import Selection
from assist_cli.model.timeouts import DEFAULTS, AgentTimeouts, Timeouts
from assist_cli.operations.commands import commands, parameters
from assist_cli.operations.fleet import instances
from assist_cli.operations.runs import recording, stop
from assist_cli.operations.runs.plans import InvokeRequest, RunRequest
from assist_cli.operations.runs.senders import sender
from assist_cli.operations.server import cleaner, handover, lease, recovery, schedules
from assist_cli.operations.server.clock import Clock
from assist_cli.operations.server.server import Server
from assist_cli.store import checkup, invocations, records
from assist_cli.store.lease import Lease, take
from tests.support.world import World, world_of

START = datetime(2026, 11, 22, 8, tzinfo=timezone.utc)
EVERY = frequency.every(10)
TIMEOUT = 60

RUNNING, STOPPING, STOPPED, FINISHED, FAILED = InvocationStatus


@pytest.fixture
def world(home: Path) -> Iterator[World]:
    with world_of(home, START, size=3) as made:
        yield made


def status(world: World, invocation_id: str) -> tuple[InvokeStatus, list[InvocationStatus]]:
    assert checkup.disagreements(world.controller.database) == []
    found = invocations.get(world.controller.database, invocation_id, output=False)
    return found.status, [place.status for place in found.instances]


def test_each_due_time_runs_one_time(world: World) -> None:
    async def story() -> None:
        async with world.agents(), world.serving():
            made = world.schedule(EVERY, on=("n1", "n2"))
            await world.forward(35)
            assert world.outcomes(made) == ["Ran"] * 6
            assert [(slot.due - START).total_seconds() for slot in world.slots(made)] == [10, 10, 20, 20, 30, 30]
            assert sorted(world.moments(made)) == [10, 10, 20, 20, 30, 30]
            assert status(world, made) == (InvokeStatus.RUNNING, [RUNNING, RUNNING])
            found = invocations.get(world.controller.database, made, output=False)
            assert [(each.repeats, each.record.number, each.record.status) for each in found.instances] == [
                (3, 3, FINISHED)
            ] * 2

    asyncio.run(story())


def test_a_restart_at_the_due_time_loses_nothing_and_repeats_nothing(world: World) -> None:
    async def story() -> None:
        made = world.schedule(EVERY)
        async with world.agents():
            for _ in range(5):
                async with world.serving(killed=True):
                    await world.forward(9)
                await world.forward(3)
            async with world.serving():
                await world.forward(1)
        assert set(world.outcomes(made)) <= {"Ran", "Late"}
        assert [slot.due for slot in world.slots(made)] == [START + timedelta(seconds=10 * n) for n in range(1, 7)]
        assert len(world.moments(made)) == 6

    asyncio.run(story())


def test_an_unsent_record_of_a_server_is_sent_by_the_next(world: World) -> None:
    async def story() -> None:
        made = world.schedule(EVERY)
        async with world.serving(killed=True) as server:
            world.step(10)
            world.elapsed += 10
            await server.turn()  # written; its delivery has not started yet
        assert world.outcomes(made) == ["Pending"]
        async with world.agents(), world.serving():
            await world.forward(2)
        assert world.outcomes(made) == ["Ran"]
        assert len(world.moments(made)) == 1

    asyncio.run(story())


def test_a_late_record_is_closed_and_never_sent(world: World) -> None:
    async def story() -> None:
        made = world.schedule(EVERY)
        async with world.serving(killed=True) as server:
            world.step(10)
            world.elapsed += 10
            await server.turn()
        async with world.agents():
            await world.forward(7)
            async with world.serving():
                await world.forward(1)
        # a record that was sent and that no agent knows may be on its way for some seconds
        assert world.moments(made) == []

    asyncio.run(story())


def test_a_due_time_during_the_previous_run_is_skipped_and_not_queued(world: World) -> None:
    async def story() -> None:
        made = world.schedule(EVERY, on=("n1", "n2"))
        world.arrivals.lasting.add(made)
        world.use_timeouts(DEFAULTS.replace(server=DEFAULTS.server.replace(first_scan=0.5)))
        async with world.agents():
            async with world.serving(killed=True):
                await world.forward(11)
                first, other = world.arrivals.of(made)
                world.arrivals.end(first)
                await world.forward(10)
            async with world.serving():  # the second server knows it too
                await world.forward(10)
                world.arrivals.lasting.clear()
                for record in world.arrivals.of(made):
                    if record not in world.arrivals.ended:
                        world.arrivals.end(record)
                await world.forward(10)
        found = {
            name: [slot.outcome.value for slot in world.slots(made) if slot.instance_id == place]
            for name, place in zip(("n1", "n2"), world.sockets, strict=False)
        }
        assert sorted(found.values()) == [
            ["Ran", "Ran", "SkippedOverlap", "Ran"],
            ["Ran", "SkippedOverlap", "SkippedOverlap", "Ran"],
        ]
        assert other != first

    asyncio.run(story())


def test_due_times_without_a_server_are_missed(world: World) -> None:
    async def story() -> None:
        made = world.schedule(EVERY)
        again = world.schedule(EVERY, missed=Missed.RUN_ONCE)
        async with world.agents():
            await world.forward(57)
            async with world.serving():
                await world.forward(5)
        assert world.outcomes(made) == ["MissedDown"] * 5 + ["Ran"]
        assert world.outcomes(again) == ["MissedDown"] * 4 + ["MadeUp", "Ran"]
        assert (len(world.moments(made)), len(world.moments(again))) == (1, 2)
        (row,) = world.controller.database.query(
            "SELECT count(*) AS count FROM slots WHERE invocation_id = ? AND outcome = 'MissedDown'", [made]
        )
        assert row["count"] == 1

    asyncio.run(story())


def test_a_late_firing_runs_and_is_marked_late(world: World) -> None:
    async def story() -> None:
        made = world.schedule(EVERY)
        async with world.agents():
            await world.forward(14)
            async with world.serving():
                await world.forward(1)
        (slot,) = world.slots(made)
        assert (slot.outcome.value, slot.lateness) == ("Late", timedelta(seconds=4))

    asyncio.run(story())


def test_an_undelivered_firing_is_reported(world: World) -> None:
    async def story() -> None:
        made = world.schedule(EVERY)
        async with world.serving():
            await world.forward(11)
        assert world.outcomes(made) == ["NotDelivered"]
        (place,) = invocations.get(world.controller.database, made, output=False).instances
        assert (place.status, place.record.status, place.record.error_code) == (RUNNING, FAILED, "ClientNotRunning")

    asyncio.run(story())


def test_instances_are_spread(world: World) -> None:
    async def story() -> None:
        made = world.schedule(EVERY, on=("n1", "n2", "n3"), jitter=5)
        async with world.agents(), world.serving():
            await world.forward(30)
        moments = world.moments(made)
        assert len(moments) >= 6
        assert world.outcomes(made)[:6] == ["Ran"] * 6
        first, second = sorted(moments)[:3], sorted(moments)[3:6]
        assert [round(each - 10, 2) for each in second] == [round(each, 2) for each in first]
        assert 10 <= first[0] < first[1] < first[2] < 15

    asyncio.run(story())


def test_a_firing_with_jitter_keeps_its_time_during_other_writes(world: World) -> None:
    """Another process changes the database, so the server checks for open records."""

    async def story() -> None:
        made = world.schedule(EVERY, on=("n1", "n2", "n3"), jitter=5)
        async with world.agents(), world.serving():
            await world.forward(20)
            before = sorted(world.moments(made))
            for _ in range(10):
                world.schedule(frequency.every(1000))
                await world.forward(1)
        after = sorted(world.moments(made))[len(before) :]
        assert len(before) == len(after) == 3
        assert [round(each - 10, 1) for each in after] == [round(each, 1) for each in before]

    asyncio.run(story())


def test_a_firing_with_jitter_is_stopped_before_it_is_sent(world: World) -> None:
    async def story() -> None:
        made = world.schedule(EVERY, on=("n1", "n2", "n3"), jitter=5)
        async with world.agents(), world.serving():
            await world.forward(10)
            with world.controller.database.transaction() as transaction:
                records.mark_stopping(transaction, made, list(world.sockets), world.wall)
            await world.forward(5)
        assert status(world, made)[0] is InvokeStatus.STOPPED
        assert len(world.moments(made)) < 3
        assert set(world.outcomes(made)) <= {"Ran", "NotDelivered"}

    asyncio.run(story())


def test_a_one_time_schedule_fires_one_time(world: World) -> None:
    async def story() -> None:
        made = world.schedule(frequency.at("2026-11-22 08:00:30", zone="UTC", now=START))
        async with world.agents(), world.serving():
            await world.forward(29)
            assert status(world, made) == (InvokeStatus.RUNNING, [RUNNING])
            await world.forward(60)
        assert status(world, made) == (InvokeStatus.FINISHED, [FINISHED])
        assert (world.moments(made), world.outcomes(made)) == ([30], ["Ran"])
        assert schedules.listing(world.controller) == []

    asyncio.run(story())


def test_a_missed_one_time_schedule_has_failed(world: World) -> None:
    async def story() -> None:
        made = world.schedule(frequency.at("2026-11-22 08:00:30", zone="UTC", now=START))
        async with world.agents():
            await world.forward(100)
            async with world.serving():
                await world.forward(1)
        assert status(world, made) == (InvokeStatus.FAILED, [FAILED])
        (place,) = invocations.get(world.controller.database, made, output=False).instances
        assert (place.record.error_code, place.record.error_info.startswith("the server was down at")) == (
            "DeliveryTimeout",
            True,
        )
        assert (world.moments(made), world.outcomes(made)) == ([], ["MissedDown"])

    asyncio.run(story())


def test_it_does_not_fire_while_paused_and_does_after_a_resume(world: World) -> None:
    async def story() -> None:
        made = world.schedule(EVERY)
        async with world.agents(), world.serving():
            await world.forward(11)
            assert schedules.pause(world.controller, made).schedule.paused == world.wall
            await world.forward(20)
            assert len(world.moments(made)) == 1
            assert schedules.resume(world.controller, made).schedule.next == START + timedelta(seconds=40)
            await world.forward(10)
        assert world.moments(made) == [10, 40]
        assert world.outcomes(made) == ["Ran", "Ran"]

    asyncio.run(story())


def test_after_a_stop_it_has_ended(world: World) -> None:
    async def story() -> None:
        made = world.schedule(EVERY, on=("n1", "n2"))
        async with world.agents(), world.serving():
            await world.forward(11)
            stopped = stop_it(world, made, "n1")
            assert stopped == (InvokeStatus.RUNNING, [STOPPED, RUNNING])
            await world.forward(10)
            assert len(world.moments(made)) == 3
            assert stop_it(world, made) == (InvokeStatus.STOPPED, [STOPPED, STOPPED])
            await world.forward(20)
            assert len(world.moments(made)) == 3
        with pytest.raises(Conflict, match="was stopped"):
            schedules.pause(world.controller, made)

    asyncio.run(story())


def stop_it(world: World, invocation_id: str, *names: str) -> tuple[InvokeStatus, list[InvocationStatus]]:
    """Stop between two records: there is no agent to ask."""
    stop.stop(world.controller, invocation_id, Selection(names))
    return status(world, invocation_id)


def test_the_server_stops_a_record_when_no_other_process_does(world: World) -> None:
    async def story() -> None:
        made = world.schedule(EVERY)
        world.arrivals.lasting.add(made)
        async with world.agents(), world.serving():
            await world.forward(11)
            with world.controller.database.transaction() as transaction:
                records.mark_stopping(transaction, made, list(world.sockets), world.wall)
            assert status(world, made) == (InvokeStatus.STOPPING, [STOPPING])
            await world.forward(2)
        assert status(world, made) == (InvokeStatus.STOPPED, [STOPPED])
        assert world.outcomes(made) == ["Ran"]

    asyncio.run(story())


def test_the_server_reconciles_open_records(world: World) -> None:
    async def story() -> None:
        async with world.agents():
            request = RunRequest(b"true", timeout=TIMEOUT, targets=Selection(("n1",)))
            with recording.recorded(world.controller, request) as unsent:
                pass
            with recording.recorded(world.controller, request) as sent:
                (place,) = sent.instances
                with world.controller.database.transaction() as transaction:
                    records.mark_sent(
                        transaction, place.record.id, world.controller.moment(), timedelta(seconds=TIMEOUT)
                    )
                world.arrivals.take(place.record.id, sent.id, b"true")
            async with world.serving():
                await world.forward(1)
        assert status(world, sent.id) == (InvokeStatus.FINISHED, [FINISHED])
        assert status(world, unsent.id) == (InvokeStatus.FAILED, [FAILED])

    asyncio.run(story())


def test_an_overdue_record_is_closed_and_corrected_when_its_agent_answers(
    world: World,
) -> None:
    world.use_timeouts(Timeouts(agent=AgentTimeouts(fetch=0.05)))

    async def story() -> None:
        request = RunRequest(b"true", timeout=TIMEOUT, targets=Selection(("n1",)))
        with recording.recorded(world.controller, request) as sent:
            (place,) = sent.instances
            with world.controller.database.transaction() as transaction:
                records.mark_sent(transaction, place.record.id, world.controller.moment(), timedelta(seconds=TIMEOUT))
        world.arrivals.take(place.record.id, sent.id, b"true")
        world.skip(TIMEOUT + 1)
        async with world.serving():
            await world.until(lambda: status(world, sent.id) == (InvokeStatus.FAILED, [FAILED]))
        (found,) = records.unanswered(world.controller.database, START)
        assert found.id == place.record.id
        async with world.agents():
            await recovery.correct(world.controller)
        assert status(world, sent.id) == (InvokeStatus.FINISHED, [FINISHED])

    asyncio.run(story())


def test_secrets_are_read_at_each_firing_and_written_nowhere(
    world: World, isolation: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = isolation / "token"
    file.write_text("first-canary\n")
    request = RunRequest(
        b"echo {{token}}", parameters=parameters.gather(secrets=[f"token=@{file}"]), targets=Selection(("n1",))
    )

    async def story() -> None:
        made = world.schedule(EVERY, request=request)
        async with world.agents(), world.serving():
            await world.forward(11)
            file.write_text("second-canary\n")
            await world.forward(10)
            file.unlink()
            await world.forward(10)
        assert world.outcomes(made) == ["Ran", "Ran", "NotDelivered"]
        (place,) = invocations.get(world.controller.database, made, output=False).instances
        assert (place.record.error_code, str(file) in place.record.error_info) == ("ExecutionException", True)
        assert [b"first-canary" in each for each in world.arrivals.contents] == [True, False]
        assert [b"second-canary" in each for each in world.arrivals.contents] == [False, True]

    asyncio.run(story())
    for path in world.controller.home.root.iterdir():
        if path.is_file():
            assert b"canary" not in path.read_bytes(), path


def test_a_secret_that_was_typed_in_cannot_run_later(world: World) -> None:
    request = RunRequest(b"echo {{token}}", parameters={"token": Secret("x")}, targets=Selection(("n1",)))
    with pytest.raises(Refused) as refused:
        world.schedule(EVERY, request=request)
    assert refused.value.code == "SecretWithoutReference"


def test_a_command_of_a_schedule_is_in_use(world: World) -> None:
    commands.create(world.controller, "job", CommandVersion(b"true"))
    request = InvokeRequest(commands.get(world.controller, "job"), targets=Selection(("n1",)))
    invocation, _ = recording.schedule(world.controller, request, Timing(EVERY))
    with pytest.raises(Conflict):
        commands.delete(world.controller, ["job"])
    with pytest.raises(Conflict, match="is to run there"):
        instances.remove(world.controller, "n1")
    stop_it(world, invocation.id)
    instances.remove(world.controller, "n1")
    commands.delete(world.controller, ["job"])


def test_a_time_in_the_past_is_refused(world: World) -> None:
    late = frequency.at("2026-11-22 08:00:30", zone="UTC", now=START)
    world.wall += timedelta(minutes=5)
    with pytest.raises(InvalidParameter):
        world.schedule(late)


def test_one_server_holds_the_lease(world: World) -> None:
    with sender(world.controller.home) as first, sender(world.controller.home) as second:
        lease.take(world.controller, first)
        with pytest.raises(Conflict) as refused:
            lease.take(world.controller, second)
        assert refused.value.code == "ServerRunning"
        lease.release(world.controller, first)
        lease.take(world.controller, second)


def test_a_dead_server_of_this_machine_is_replaced_immediately(world: World) -> None:
    with sender(world.controller.home) as first:
        lease.take(world.controller, first)
    assert lease.holder(world.controller) is None
    with sender(world.controller.home) as second:
        lease.take(world.controller, second)
        found = lease.holder(world.controller)
        assert found is not None
        assert found.owner == second


def test_a_dead_server_of_another_machine_is_replaced_within_half_a_minute(world: World) -> None:
    with world.controller.database.transaction() as transaction:
        take(transaction, Lease("0123456789abcdef", "elsewhere", 1, world.wall + lease.TERM))
    with sender(world.controller.home) as token:
        world.wall += timedelta(seconds=29)
        with pytest.raises(Conflict, match="on elsewhere"):
            lease.take(world.controller, token)
        world.wall += timedelta(seconds=1)
        lease.take(world.controller, token)


def test_a_server_without_the_lease_stops_firing(world: World) -> None:
    async def story() -> None:
        made = world.schedule(EVERY)
        async with world.agents(), world.serving() as server:
            with world.controller.database.transaction() as transaction:
                take(transaction, Lease("0123456789abcdef", "elsewhere", 1, world.wall + lease.TERM))
            await world.forward(11)
            assert isinstance(server.failure, Conflict)
        assert world.outcomes(made) == []

    asyncio.run(story())


def test_once_ends_when_another_server_has_the_lease(world: World) -> None:
    looks = []

    def elapsed() -> float:
        looks.append(world.elapsed)
        if len(looks) == 5:  # two readings per cycle: when the clock is made, at its start, and now during its cycle
            with world.controller.database.transaction() as transaction:
                take(transaction, Lease("0123456789abcdef", "elsewhere", 1, world.wall + lease.TERM))
        return world.elapsed

    async def story(token: str) -> None:
        server = Server(world.controller, token, Clock(world.controller.now, elapsed))
        with pytest.raises(Conflict, match="taken over"):
            await server.once()

    made = world.schedule(EVERY)
    world.skip(11)
    with sender(world.controller.home) as token:
        lease.take(world.controller, token)
        asyncio.run(story(token))
    assert world.outcomes(made) == []


def test_a_detached_record_is_sent_by_the_server(world: World) -> None:
    async def story() -> None:
        request = RunRequest(b"true", targets=Selection(("n1", "n2")))
        async with world.agents(), world.serving():
            with recording.recorded(world.controller, request) as left:
                handover.hand_over(world.controller, left, AT_ONCE)
            await world.forward(1)
        assert status(world, left.id) == (InvokeStatus.FINISHED, [FINISHED, FINISHED])
        assert len(world.moments(left.id)) == 2

    asyncio.run(story())


def test_old_records_and_slots_are_pruned(world: World) -> None:
    async def story() -> None:
        made = world.schedule(EVERY, keep=3)
        async with world.agents(), world.serving():
            await world.forward(101)
            assert len(world.slots(made)) == 10
            cleaner.prune_schedule(world.controller, made)
            await world.forward(10)
        assert [slot.due for slot in world.slots(made)] == [START + timedelta(seconds=10 * n) for n in range(8, 12)]
        assert len(invocations.records(world.controller.database, made, next(iter(world.sockets)))) == 4

    asyncio.run(story())
