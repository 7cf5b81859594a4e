"""The event loop of a server never waits for a commit: all its changes are made in threads."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from assist_cli.model import frequency
from assist_cli.model.target import Selection
from assist_cli.model.timeouts import ServerTimeouts, Timeouts
from assist_cli.operations.commands import parameters
from assist_cli.operations.runs import dispatch, recording
from assist_cli.operations.runs.batch_writer import BatchWriter
from assist_cli.operations.runs.plans import RunRequest
from assist_cli.store import lease, queue, schedules
from tests.support.world import World, world_of

START = datetime(2026, 11, 22, 8, tzinfo=timezone.utc)
EVERY = frequency.every(10)
DAY = timedelta(days=1)
QUICK = Timeouts(server=ServerTimeouts(tick=0.02, queue_look=0.02, queue_sweep=0.0, renewal=0.02, cleaning=0.02))


@pytest.fixture
def world(home: Path) -> Iterator[World]:
    with world_of(home, START, size=2) as made:
        yield made


def test_the_loop_runs_while_a_commit_waits(world: World) -> None:
    """The loop itself holds the lock that the commits wait for."""

    async def story() -> None:
        made = world.schedule(EVERY)
        async with world.agents(), world.serving(threaded=True) as server:
            for _ in range(2):
                world.skip(10)
                with closing(sqlite3.connect(world.controller.home.database, isolation_level=None)) as other:
                    other.execute("BEGIN IMMEDIATE")
                    firing = asyncio.create_task(server.turn())
                    for _ in range(100):
                        await asyncio.sleep(0)
                    assert not firing.done()
                    other.execute("ROLLBACK")
                await firing
                await world.settle()
        assert world.outcomes(made) == ["Ran", "Ran"]

    asyncio.run(story())


def test_the_loop_changes_nothing_itself(world: World, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Its own connection refuses changes: of firing, results, errors, the queue, the lease, a clock that is set …"""
    file = tmp_path / "secret"
    file.write_text("x")
    values = parameters.gather(secrets=[f"token=@{file}"])

    async def story() -> None:
        good = world.schedule(EVERY, keep=1)
        bad = world.schedule(
            EVERY, request=RunRequest(b"echo {{token}}", parameters=values, targets=Selection(("n1",)))
        )
        file.unlink()
        world.use_timeouts(QUICK)
        with recording.recorded(world.controller, RunRequest(b"true", targets=Selection(("n2",))), wait=DAY) as queued:
            await dispatch.carry(world.controller, queued, BatchWriter(world.controller))
        async with world.agents(), world.serving(threaded=True) as server:
            running = asyncio.create_task(server.run())
            world.skip(10)
            await world.until(lambda: "Ran" in world.outcomes(good))
            world.step(3600)
            await world.until(lambda: upcoming(world, good) == START + timedelta(seconds=3620))
            world.skip(10)
            await world.until(lambda: len(world.moments(good)) == 2 and len(world.outcomes(good)) == 1)  # pruned
            await world.until(lambda: bad in schedules.errors(world.controller.database))
            await world.until(lambda: not queue.listing(world.controller.database) and not server.queue.under_way)
            until = held_until(world)
            world.skip(1)
            await world.until(lambda: held_until(world) > until)
            server.stop()
            await running
        assert "readonly" not in caplog.text

    asyncio.run(story())


def upcoming(world: World, invocation_id: str) -> datetime | None:
    found = schedules.get(world.controller.database, invocation_id)
    assert found is not None
    return found.next


def held_until(world: World) -> datetime:
    found = lease.get(world.controller.database)
    assert found is not None
    return found.until
