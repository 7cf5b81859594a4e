"""Any value in any column of a schedule: it is an error of that schedule, and the others fire."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator
from datetime import datetime, timezone
from pathlib import Path

import pytest

from assist_cli.cli import documents
from assist_cli.model import frequency
from assist_cli.operations.observe import doctor
from assist_cli.operations.server import realign, schedules
from assist_cli.store import figures
from assist_cli.store import schedules as store
from tests.support import variants
from tests.support.application import Application
from tests.support.world import World, world_of

START = datetime(2026, 11, 22, 8, tzinfo=timezone.utc)
EVERY = frequency.every(10)
CRON = frequency.cron("*/10 * * * * *", zone="Asia/Shanghai", now=START)

ODD_TEXTS = ("''", "x'ff00'", "CAST(x'ff' AS TEXT)", "'abc' || char(27) || '[2J'")
ODD_NUMBERS = (
    "'abc'",
    "''",
    "1.5",
    "x'00'",
    "CAST(x'ff' AS TEXT)",
    "-9223372036854775808",
    "9223372036854775807",
    "9e99",
)
ODD_JSON = (
    '\'{"a":"@/nonexist"\'',
    "'[]'",
    "'{\"a\": 1}'",
    "'null'",
    '\'{"a": "\\ud800"}\'',
    "printf('%.*c', 99999, '[')",
)
COLUMNS = {
    "frequency": (*ODD_TEXTS, "'* *'", "'rate(99999999999999999999d)'", "'at(x)'"),
    "timezone": (*ODD_TEXTS[1:], "'Gone/Land'", "'../../etc/passwd'"),
    "anchor_at": ODD_NUMBERS,
    "next_at": (*ODD_NUMBERS, "-1", "100000000000000"),
    "last_at": ODD_NUMBERS,
    "jitter_ms": (*ODD_NUMBERS, "-1", "100000000000000"),
    "missed": (*ODD_TEXTS, "'never'", "1"),
    "keep": (*ODD_NUMBERS[:-2], "0", "-1", "9e99"),
    "paused_at": ODD_NUMBERS,
    "secrets": (*ODD_TEXTS, *ODD_JSON),
    "revision": ODD_NUMBERS,
    "instant_at": ODD_NUMBERS,
    "booted_at": ODD_NUMBERS,
    "boot": ("x'ff00'", "CAST(x'ff' AS TEXT)"),
}
NO_FAULT = ("error", "invocation_id")  # free text of any bytes; and the key, which must be one


@pytest.fixture
def world(home: Path) -> Iterator[World]:
    with world_of(home, START, size=2) as made:
        yield made


def put(world: World, column: str, value: str, invocation_id: str) -> None:
    with world.controller.database.transaction() as transaction:
        transaction.execute(f"UPDATE schedules SET {column} = {value} WHERE invocation_id = ?", [invocation_id])


def test_the_table_names_every_column(world: World) -> None:
    rows = world.controller.database.query("SELECT name FROM pragma_table_info('schedules')")
    assert {row["name"] for row in rows} == {*COLUMNS, *NO_FAULT}


@pytest.mark.parametrize("column", variants.every(3, COLUMNS))
def test_a_server_reports_each_in_one_line_and_fires_the_others(
    world: World, column: str, caplog: pytest.LogCaptureFixture
) -> None:
    async def story() -> None:
        good = world.schedule(EVERY)
        # The zone has no meaning for elapsed time, and each server writes the boot id again.
        asked = CRON if column in ("timezone", "boot") else EVERY
        bad = {world.schedule(asked, on=("n2",)): value for value in COLUMNS[column]}
        for invocation_id, value in bad.items():
            put(world, column, value, invocation_id)
        async with world.agents(), world.serving():
            await world.forward(25)
        assert world.moments(good) == [10, 20]
        for invocation_id, value in bad.items():
            assert world.moments(invocation_id) == [], value
            (told,) = [each for each in caplog.records if invocation_id in each.getMessage()]
            assert (told.levelno, told.exc_info) == (logging.ERROR, None)
            assert "\n" not in told.getMessage()
            assert "Traceback" not in told.getMessage()
        check = doctor.examine_schedules(world.controller)
        assert not check.ok
        assert all(each in check.detail for each in bad)
        assert good not in check.detail
        assert {*store.errors(world.controller.database)} == {*bad}
        if column != "paused_at":
            assert figures.schedules(world.controller.database) == {"active": 1, "paused": 0, "failing": len(bad)}
        shown = {each.invocation.id: each for each in schedules.listing(world.controller)}
        assert {each for each, found in shown.items() if documents.schedule(found)["ErrorInfo"]} == {*bad}

    asyncio.run(story())


def test_an_unreadable_schedule_is_not_moved_by_a_clock_step(world: World) -> None:
    ids = [world.schedule(EVERY) for _ in range(4)]
    for column, each in zip(("booted_at", "anchor_at", "next_at", "last_at"), ids, strict=True):
        put(world, column, "'abc'", each)
    before = [tuple(row) for row in world.controller.database.query("SELECT * FROM schedules")]
    moment = world.controller.moment()
    with world.controller.database.transaction() as transaction:
        store.shift_elapsed(transaction, moment.boot, moment.booted.replace(year=2031), realign.STEP)
    assert [tuple(row) for row in world.controller.database.query("SELECT * FROM schedules")] == before


def test_the_commands_show_broken_and_valid_schedules(world: World, assist: Application) -> None:
    good = world.schedule(EVERY)
    bad = {world.schedule(CRON): (column, values[0]) for column, values in COLUMNS.items()}
    for invocation_id, (column, value) in bad.items():
        put(world, column, value, invocation_id)
    for words in (("list",), ("list", "-o", "json"), ("list", "--ended", "--plain")):
        listed = assist("schedule", *words)
        assert listed.returncode == 0
        assert listed.stderr.decode().count("cannot fire: ") == len(bad)
    for invocation_id, (column, _) in bad.items():
        shown = assist("schedule", "show", invocation_id)
        assert shown.returncode == 0
        assert "cannot fire: " in shown.stdout.decode()
        invocation = assist("invocation", "show", invocation_id)
        assert invocation.returncode == 0
        assert column != "next_at" or b"overdue" not in shown.stdout + invocation.stdout
        assert assist("schedule", "slots", invocation_id).returncode == 0
        assert assist("schedule", "pause", invocation_id).returncode == 0
        resumed = assist("schedule", "resume", invocation_id)
        assert resumed.returncode == (0 if column == "revision" else 65)  # a change has given it another revision
    assert assist("invocation", "list").returncode == 0
    assert assist("top", "--once").returncode == 0
    assert good in assist("schedule", "show", good).stdout.decode()
