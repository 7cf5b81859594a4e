"""Errors of one schedule: they belong to that schedule, with its id, and the others fire on time."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import sqlite3
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from assist_cli.model import frequency
from assist_cli.model.target import Selection
from assist_cli.model.timeouts import DEFAULTS
from assist_cli.operations.commands import parameters
from assist_cli.operations.observe import doctor
from assist_cli.operations.runs.plans import RunRequest
from assist_cli.operations.server import schedules
from assist_cli.store import schedules as store
from tests.support import variants
from tests.support.world import World, world_of

START = datetime(2026, 11, 22, 8, tzinfo=timezone.utc)
EVERY = frequency.every(10)
CRON = frequency.cron("*/10 * * * * *", zone="Asia/Shanghai", now=START)
QUICK = DEFAULTS.replace(server=DEFAULTS.server.replace(first_scan=0.3))

WRONG = {
    "zone": ("UPDATE schedules SET timezone = 'Gone/Land' WHERE invocation_id = ?", "Gone/Land"),
    "expression": ("UPDATE schedules SET frequency = '* *' WHERE invocation_id = ?", "this has 2"),
    "missed": ("UPDATE schedules SET missed = 'never' WHERE invocation_id = ?", "never"),
    "secrets": ("UPDATE schedules SET secrets = '{' WHERE invocation_id = ?", "secrets are not names"),
    "parameters": ("UPDATE invocations SET parameters = '{' WHERE id = ?", "JSONDecodeError"),
    "id": (
        "CREATE TRIGGER taken BEFORE INSERT ON records WHEN new.invocation_id = 'ID'"
        " BEGIN SELECT raise(ABORT, 'it exists'); END",
        "it exists",
    ),
    "bug": (
        "UPDATE schedules SET jitter_ms = 'x' WHERE invocation_id = ?",
        "jitter_ms is 'x'",
    ),
}


@pytest.fixture
def world(home: Path) -> Iterator[World]:
    with world_of(home, START, size=2) as made:
        yield made


def execute(world: World, sql: str, invocation_id: str) -> None:
    with world.controller.database.transaction() as transaction:
        transaction.execute(sql.replace("ID", invocation_id), [invocation_id] if sql.endswith("?") else [])


def check(world: World) -> tuple[bool, str]:
    found = doctor.examine_schedules(world.controller)
    return found.ok, found.detail


@pytest.mark.parametrize("what", variants.every(2, WRONG))
@pytest.mark.parametrize("when", ["before", "while serving"])
def test_one_schedule_does_not_stop_the_others(
    world: World, what: str, when: str, caplog: pytest.LogCaptureFixture
) -> None:
    sql, said = WRONG[what]

    async def story() -> None:
        good, bad, other = world.schedule(EVERY), world.schedule(CRON), world.schedule(EVERY, on=("n2",))
        async with world.agents():
            if when == "before":
                execute(world, sql, bad)
            async with world.serving():
                await world.forward(15)
                if when == "while serving":
                    execute(world, sql, bad)
                await world.forward(40)
        assert world.moments(good) == world.moments(other) == [10, 20, 30, 40, 50]
        assert len(world.moments(bad)) == (1 if when == "while serving" else 0)
        assert [*store.errors(world.controller.database)] == [bad]
        assert said in store.errors(world.controller.database)[bad]
        ok, detail = check(world)
        assert not ok
        assert bad in detail
        told = [each for each in caplog.records if each.levelno == logging.ERROR and bad in each.getMessage()]
        assert len(told) == 1  # and at most once a second

    asyncio.run(story())


def test_it_fires_again_when_its_zone_is_back(world: World) -> None:
    async def story() -> None:
        bad = world.schedule(CRON)
        execute(world, WRONG["zone"][0], bad)
        async with world.agents(), world.serving():
            await world.forward(30)
            assert not check(world)[0]
            execute(world, "UPDATE schedules SET timezone = 'Asia/Shanghai' WHERE invocation_id = ?", bad)
            await world.forward(70)
            assert check(world) == (True, "no errors")
            assert world.moments(bad)[-1] == 100

    asyncio.run(story())


@pytest.mark.parametrize("step", [-3600, 3600, 0])
def test_a_server_starts_with_an_unreadable_schedule(world: World, step: float) -> None:
    """Also after the clock was set, and with a firing that an older server has left."""

    async def story() -> None:
        _, bad = world.schedule(EVERY), world.schedule(CRON)
        good = world.schedule(frequency.every(17), on=("n2",))
        world.use_timeouts(QUICK)
        async with world.serving(killed=True) as server:
            world.skip(10)
            await server.turn()
        execute(world, WRONG["zone"][0], bad)
        world.step(step)
        async with world.agents(), world.serving() as server:
            await world.forward(30)
        assert world.moments(good) == [17, 34]  # elapsed time
        assert [*store.errors(world.controller.database)] == [bad]

    asyncio.run(story())


def test_an_unreadable_secret_is_reported(world: World, tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("hidden")
    values = parameters.gather(secrets=[f"token=@{file}"])

    async def story() -> None:
        made = world.schedule(
            EVERY, request=RunRequest(b"echo {{token}}", parameters=values, targets=Selection(("n1",)))
        )
        good = world.schedule(EVERY, on=("n2",))
        async with world.agents(), world.serving():
            file.unlink()
            await world.forward(25)
            assert world.outcomes(made) == ["NotDelivered", "NotDelivered"]
            assert str(file) in store.errors(world.controller.database)[made]
            file.write_text("hidden")
            await world.forward(10)
            assert store.errors(world.controller.database) == {}
        assert world.outcomes(made)[2:] == ["Ran"]
        assert world.moments(good) == [10, 20, 30]

    asyncio.run(story())


def test_a_removed_instance_is_reported(world: World) -> None:
    async def story() -> None:
        made, good = world.schedule(EVERY), world.schedule(EVERY, on=("n2",))
        with contextlib.closing(sqlite3.connect(world.controller.home.database)) as connection:  # without foreign keys
            connection.execute("DELETE FROM instances WHERE name = 'n1'")
            connection.commit()
        async with world.agents(), world.serving():
            await world.forward(35)
            assert [*store.errors(world.controller.database)] == [made]
        assert world.moments(good) == [10, 20, 30]

    asyncio.run(story())


def test_a_listing_shows_the_error(world: World) -> None:
    bad = world.schedule(CRON)
    execute(world, WRONG["zone"][0], bad)
    (found,) = schedules.listing(world.controller)  # no server has tried it yet
    assert found.schedule.error == "cannot find the time zone 'Gone/Land'"
    assert found.schedule.next == START + timedelta(seconds=10)
