"""The queue: a record for an instance that is away is delivered one time when it is back, or expires."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from assist_cli.errors import Refused
from assist_cli.model.invocation import Record
from assist_cli.model.lifecycle import MOST_QUEUED
from assist_cli.model.secret import Secret
from assist_cli.model.status import InvocationStatus
from assist_cli.model.target import Selection
from assist_cli.model.timeouts import AgentTimeouts, ServerTimeouts, Timeouts
from assist_cli.operations.runs import dispatch, recording, stop
from assist_cli.operations.runs.batch_writer import BatchWriter
from assist_cli.operations.runs.plans import RunRequest
from assist_cli.operations.runs.reconcile import reconcile_all
from assist_cli.store import invocations, queue, records
from tests.support.world import World, world_of

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
