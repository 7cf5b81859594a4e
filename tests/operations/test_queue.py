"""The queue: a record for an instance that is away is delivered one time when it is back, or expires."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from assist_cli.agents.client import Client
from assist_cli.errors import ClientNotOnline, Refused
from assist_cli.model.invocation import Record
from assist_cli.model.lifecycle import lifetime
from assist_cli.model.outcomes import MOST_QUEUED
from assist_cli.model.secret import Secret
from assist_cli.model.status import InvocationStatus
from assist_cli.model.target import Selection
from assist_cli.model.timeouts import AgentTimeouts, ServerTimeouts, Timeouts
from assist_cli.operations.fleet import connection
from assist_cli.operations.fleet.pool import ConnectionPool
from assist_cli.operations.history import queue as operations
from assist_cli.operations.runs import dispatch, recording, senders, stop
from assist_cli.operations.runs.batch_writer import BatchWriter
from assist_cli.operations.runs.plans import RunRequest
from assist_cli.operations.runs.reconcile import reconcile_all
from assist_cli.operations.server import lease
from assist_cli.operations.server.clock import Clock
from assist_cli.operations.server.queue import QueueDelivery
from assist_cli.operations.server.server import Server
from assist_cli.store import invocations, listing, queue, records
from tests.support.standin import listening
from tests.support.world import GUARD, World, world_of

START = datetime(2026, 11, 22, 8, tzinfo=timezone.utc)
DAY = timedelta(days=1)
QUICK = Timeouts(
    server=ServerTimeouts(queue_look=0.05, queue_sweep=60),
    agent=AgentTimeouts(backoff=0.01, longest_backoff=0.02, retries=(0.01,)),
)


@pytest.fixture
def world(home: Path) -> Iterator[World]:
    with world_of(home, START, size=2) as made:
        made.use_timeouts(QUICK)
        yield made


async def run(world: World, *, on: tuple[str, ...] = ("n1",), wait: timedelta = DAY) -> str:
    """Run something with a queue, and follow it until only queued records are left, as a person does."""
    request = RunRequest(b"true", targets=Selection(on))
    with recording.recorded(world.controller, request, wait=wait) as invocation:
        await dispatch.carry(world.controller, invocation, BatchWriter(world.controller))
    return invocation.id


def record(world: World, invocation_id: str, position: int = 0) -> Record:
    return invocations.get(world.controller.database, invocation_id, output=True).instances[position].record


@contextlib.asynccontextmanager
async def delivering(world: World, *, killed: bool = False) -> AsyncIterator[None]:
    async with world.serving(killed=killed) as server:
        duty = asyncio.create_task(server.queue.keep_delivering())
        try:
            yield
        finally:
            duty.cancel()


def is_closed(world: World, invocation_id: str) -> bool:
    return record(world, invocation_id).status.is_final


def test_a_queued_record_is_delivered_one_time_when_its_instance_is_back(world: World) -> None:
    async def story() -> None:
        made = await run(world)
        waits = record(world, made)
        assert (waits.status, waits.is_queued, waits.sent) == (InvocationStatus.RUNNING, True, None)
        assert waits.deliver_by == START + DAY
        world.skip(3600)
        async with delivering(world):
            await world.until(lambda: record(world, made).wait.tried > START)  # type: ignore[union-attr]
            assert record(world, made).is_queued
            async with world.agents():
                world.skip(61)
                await world.until(lambda: is_closed(world, made))
        ended = record(world, made)
        assert (ended.status, ended.exit_code) == (InvocationStatus.FINISHED, 0)
        assert list(world.arrivals.of(made)) == [ended.id]
        assert queue.listing(world.controller.database) == []
        whole = invocations.get(world.controller.database, made, output=False)
        (summary,) = listing.summaries(world.controller.database, None)
        assert whole.began == summary.began == ended.sent  # the time in the queue does not count
        assert ended.sent is not None
        assert ended.sent > START + timedelta(hours=1)

    asyncio.run(story())


def test_an_instance_that_answers_again_is_retried_early(world: World) -> None:
    async def story() -> None:
        made = await run(world)
        async with delivering(world), world.agents():
            await asyncio.sleep(0.2)
            assert record(world, made).is_queued
            world.skip(1)
            world.controller.note_contact(record(world, made).instance_id, "linux")
            world.controller.settle_contacts()
            await world.until(lambda: is_closed(world, made))

    asyncio.run(story())


def test_a_server_that_runs_once_tries_each_instance_regardless_of_its_last_attempt(world: World) -> None:
    async def story() -> None:
        made = [await run(world, on=on) for on in (("n1",), ("n1",), ("n1", "n2"))]
        await once(world)
        assert all(record(world, each).is_queued for each in made)
        async with world.agents():
            await once(world)
            for each in made:
                assert record(world, each).accepted or is_closed(world, each)
            assert [len(list(world.arrivals.of(each))) for each in made] == [1, 1, 2]
        assert queue.listing(world.controller.database) == []

    asyncio.run(story())


def test_a_server_that_runs_once_does_not_wait_for_an_instance_that_hangs(world: World) -> None:
    async def story() -> None:
        world.use_timeouts(QUICK.replace(server=QUICK.server.replace(leave=0.5, first_scan=0.1)))
        first, second = await run(world), await run(world, on=("n2",))
        hanging, well = world.sockets.values()
        other = {instance: path for instance, path in world.sockets.items() if path == well}
        with socket.socket(socket.AF_UNIX) as silent:
            silent.bind(str(hanging))
            silent.listen()
            async with listening(other, world.arrivals):
                await asyncio.wait_for(once(world), 5)  # less than the timeout of a greeting
        assert record(world, first).is_queued
        assert record(world, second).accepted or is_closed(world, second)

    asyncio.run(story())


async def once(world: World) -> None:
    """Serve as ``assist serve --once`` does."""
    with senders.sender(world.controller.home) as token:
        lease.take(world.controller, token)
        await Server(world.controller, token, Clock(world.controller.now, lambda: world.elapsed)).once()
        lease.release(world.controller, token)


def test_an_expired_record_never_runs(world: World) -> None:
    async def story() -> None:
        first, second = await run(world), await run(world)
        world.skip(DAY.total_seconds() + 1)
        async with world.agents():
            await reconcile_all(world.controller, [record(world, first)])
            async with delivering(world):
                await world.until(lambda: is_closed(world, second))
        for made in (first, second):
            ended = record(world, made)
            assert (ended.status, ended.error_code) == (InvocationStatus.FAILED, "DeliveryTimeout")
            assert "24 h after it was queued" in ended.error_info
            assert not list(world.arrivals.of(made))

    asyncio.run(story())


def test_the_sender_and_the_server_may_die_at_any_time(world: World) -> None:
    async def story() -> None:
        request = RunRequest(b"true", targets=Selection(("n1",)))
        with recording.recorded(world.controller, request, wait=DAY) as invocation:
            pass  # it dies before anything is sent
        async with delivering(world, killed=True):
            await world.until(lambda: record(world, invocation.id).is_queued)
        async with world.agents():
            world.skip(61)
            async with delivering(world, killed=True):
                await world.until(lambda: bool(list(world.arrivals.of(invocation.id))))
            async with delivering(world):
                await world.until(lambda: is_closed(world, invocation.id))
        assert len(list(world.arrivals.of(invocation.id))) == 1

    asyncio.run(story())


def test_a_reinstalled_agent_of_the_same_id_never_gets_it(world: World) -> None:
    async def story() -> None:
        instance_id = next(iter(world.sockets))
        world.controller.note_contact(instance_id, "linux", "a-journal-before")
        world.controller.settle_contacts()
        made = await run(world)
        world.arrivals.enrolment = "a-journal-of-now"
        async with world.agents(), delivering(world):
            world.skip(61)
            await world.until(lambda: is_closed(world, made))
        ended = record(world, made)
        assert (ended.error_code, list(world.arrivals.of(made))) == ("DeliveryTimeout", [])
        assert "installed again" in ended.error_info

    asyncio.run(story())


def test_the_queue_of_an_instance_has_a_limit(world: World) -> None:
    async def story() -> None:
        for _ in range(MOST_QUEUED):
            await run(world)
        one_more = record(world, await run(world))
        assert (one_more.status, one_more.error_code) == (InvocationStatus.FAILED, "TaskConcurrencyLimit")
        assert record(world, await run(world, on=("n2",))).is_queued
        assert len(queue.listing(world.controller.database)) == MOST_QUEUED + 1

    asyncio.run(story())


def test_a_queued_record_can_be_stopped(world: World) -> None:
    async def story() -> None:
        made = await run(world)
        stop.begin(world.controller, made)
        await reconcile_all(world.controller, [record(world, made)])
        assert record(world, made).status is InvocationStatus.STOPPED
        async with world.agents(), delivering(world):
            world.skip(61)
            await asyncio.sleep(0.2)
        assert not list(world.arrivals.of(made))

    asyncio.run(story())


def test_a_secret_is_read_when_it_is_delivered_and_a_typed_one_is_refused(world: World, tmp_path: Path) -> None:
    file = tmp_path / "secret"
    request = RunRequest(b"true", parameters={"key": Secret("typed")}, targets=Selection(("n1",)))
    with pytest.raises(Refused, match="in the queue"), recording.recorded(world.controller, request, wait=DAY):
        pass
    assert invocations.newest(world.controller.database, invocations.RUNS[0], None) == []
    file.write_text("first")
    request = RunRequest(b"true", parameters={"key": Secret("first", reference=f"@{file}")}, targets=Selection(("n1",)))

    async def story() -> None:
        with recording.recorded(world.controller, request, wait=DAY) as invocation:
            await dispatch.carry(world.controller, invocation, BatchWriter(world.controller))
        file.write_text("second")
        world.skip(61)
        async with world.agents(), delivering(world):
            await world.until(lambda: is_closed(world, invocation.id))
        (arrived,) = world.arrivals.of(invocation.id)
        assert world.arrivals.environments[arrived] == {"ASSIST_PARAM_KEY": "second"}
        assert "second" not in "".join(map(str, records.unsettled(world.controller.database).values()))

    asyncio.run(story())


def test_what_was_sent_and_not_heard_of_is_sent_again_and_runs_once(world: World) -> None:
    async def story() -> None:
        lost, arrived = await run(world), await run(world)
        with world.controller.database.transaction() as transaction:
            for made in (lost, arrived):
                records.mark_sent(transaction, record(world, made).id, world.controller.moment(), lifetime(60))
        world.arrivals.take(record(world, arrived).id, arrived, b"true")
        world.skip(3600)  # their deadline by the time of sending has passed: they may wait still
        async with world.agents(), delivering(world):
            await world.until(lambda: is_closed(world, lost) and is_closed(world, arrived))
        for made in (lost, arrived):
            assert (record(world, made).status, len(world.arrivals.of(made))) == (InvocationStatus.FINISHED, 1)

    asyncio.run(story())


def test_what_its_agent_was_heard_to_have_is_not_queued_any_more(world: World) -> None:
    async def story() -> None:
        made = await run(world)
        waits = record(world, made)
        with world.controller.database.transaction() as transaction:
            records.mark_sent(transaction, waits.id, world.controller.moment(), lifetime(60))
        world.arrivals.lasting.add(made)
        world.arrivals.take(waits.id, made, b"true")
        async with world.agents():
            await reconcile_all(world.controller, [record(world, made)])
            assert (record(world, made).is_queued, record(world, made).accepted) == (False, True)
        assert record(world, made).status is InvocationStatus.RUNNING

    asyncio.run(story())


def test_records_are_delivered_in_their_order(world: World) -> None:
    async def story() -> None:
        made = []
        for _ in range(5):
            made.append(await run(world))
            world.skip(61)
        async with world.agents(), delivering(world):
            await world.until(lambda: all(is_closed(world, each) for each in made))
        assert [invocation for invocation, _ in world.arrivals.records.values()] == made

    asyncio.run(story())


def test_an_instance_that_hangs_delays_no_other(world: World) -> None:
    async def story() -> None:
        first, second = await run(world), await run(world, on=("n2",))
        hanging, well = world.sockets.values()
        world.skip(61)
        other = {instance: path for instance, path in world.sockets.items() if path == well}
        with socket.socket(socket.AF_UNIX) as silent:
            silent.bind(str(hanging))
            silent.listen()  # a connection is made, and nothing is said
            async with listening(other, world.arrivals), delivering(world):
                await world.until(lambda: is_closed(world, second))
                assert record(world, first).is_queued
        assert world.arrivals.of(first) == []

    asyncio.run(story())


def test_an_instance_that_is_heard_of_is_not_kept_waiting_by_failures_before(world: World) -> None:
    slow = AgentTimeouts(backoff=GUARD, longest_backoff=GUARD)
    world.use_timeouts(QUICK.replace(agent=slow))

    async def story() -> None:
        made = await run(world)
        async with delivering(world):
            world.skip(61)
            await world.until(lambda: record(world, made).wait.tried > START)  # type: ignore[union-attr]
            async with world.agents():
                world.skip(1)
                world.controller.note_contact(record(world, made).instance_id, "linux")
                world.controller.settle_contacts()
                await asyncio.wait_for(world.until(lambda: is_closed(world, made)), 5)

    asyncio.run(story())


def test_an_instance_that_connects_during_an_attempt_is_tried_again(world: World) -> None:
    """The attempt may be too early, and the next round is a minute away."""

    async def story() -> None:
        made = await run(world)
        instance = record(world, made).instance_id
        attempts = []

        async def connect(instance_id: str) -> Client:
            attempts.append(instance_id)
            if len(attempts) == 1:
                delivery.hear(instance_id)
                raise ClientNotOnline("cannot reach it yet", hint="wait")
            return await connection.connect(world.controller, f"unix:{world.sockets[instance_id]}", instance_id)

        controller = world.controller.replace(connect=connect)
        pool = ConnectionPool(controller)
        with senders.sender(world.controller.home) as token:
            delivery = QueueDelivery(controller, token, BatchWriter(controller), pool)
            async with world.agents():
                delivery.hear(instance)
                await world.until(lambda: is_closed(world, made))
                pool.close()
        assert attempts == [instance, instance]

    asyncio.run(story())


def test_the_log_says_what_was_delivered_and_what_expired(world: World, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "assist_cli.operations.server.queue")

    async def story() -> None:
        late = await run(world, wait=timedelta(minutes=10))
        made = await run(world, on=("n2",))
        world.skip(3600)
        async with world.agents(), delivering(world):
            await world.until(lambda: is_closed(world, made) and is_closed(world, late))
        texts = [each.getMessage() for each in caplog.records]
        assert f"{made}: delivered to n2, 60 min after it was queued" in texts
        assert any(each.startswith(f"{late}: expired for n1: its instance was away") for each in texts)

    asyncio.run(story())


def test_what_was_accepted_meanwhile_is_not_dropped(world: World) -> None:
    made = asyncio.run(run(world))
    (queued,) = operations.listing(world.controller)
    with world.controller.database.transaction() as transaction:
        records.mark_accepted(transaction, [queued.record.id])
    assert operations.drop(world.controller, [queued]) == []
    assert record(world, made).status is InvocationStatus.RUNNING


def test_a_reader_of_the_history_does_not_delay_a_lost_record(world: World) -> None:
    """The agent has answered that it does not have it. So it is due, and no attempt of the reader counts."""

    async def story() -> None:
        made = await run(world)
        with world.controller.database.transaction() as transaction:
            records.mark_sent(transaction, record(world, made).id, world.controller.moment(), lifetime(60))
        world.skip(10)
        async with world.agents():
            await reconcile_all(world.controller, [record(world, made)])
            assert record(world, made).is_queued
            async with delivering(world):
                await asyncio.wait_for(world.until(lambda: is_closed(world, made)), 5)
        assert len(world.arrivals.of(made)) == 1

    asyncio.run(story())
