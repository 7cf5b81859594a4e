"""The list of the history: the results of each filter, each from an index."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from assist_cli.model.instance import Instance
from assist_cli.model.invocation import Filter, RepeatMode
from assist_cli.model.status import InvokeStatus
from assist_cli.store import listing
from assist_cli.store.database import Database, open_database
from tests.support import past

NOW = datetime(2026, 11, 22, 8, tzinfo=timezone.utc)
DAY = timedelta(days=1)


@pytest.fixture
def database(isolation: Path) -> Iterator[Database]:
    with open_database(isolation / "assist.db") as opened:
        yield opened


@pytest.fixture
def web(database: Database) -> list[Instance]:
    return past.register(database, ["web1", "web2", "web3"], NOW)


def listed(database: Database, **conditions: Any) -> list[str]:
    return [each.invocation.id for each in listing.summaries(database, None, Filter(**conditions))]


def test_each_filter_and_all_together(database: Database, web: list[Instance]) -> None:
    ok, bad = past.finished(at=NOW), past.failed("ClientNotOnline", "it is away", at=NOW)
    named = {"command_id": "c-1", "command_name": "disk", "command_version": 1}
    old = past.write(database, past.invocation_on(web[:1], NOW - 3 * DAY, **named), [ok]).id
    mixed = past.write(database, past.invocation_on(web[:2], NOW - 2 * DAY), [ok, bad]).id
    running = past.write(database, past.invocation_on(web[1:], NOW - DAY, **named), [ok, None]).id
    again = past.invocation_on(web[2:], NOW, repeat_mode=RepeatMode.PERIOD, frequency="rate(1h)")
    periodic = past.write(database, again, [None]).id

    assert listed(database) == [periodic, running, mixed, old]
    assert listed(database, statuses=(InvokeStatus.FINISHED, InvokeStatus.PARTIAL_FAILED)) == [mixed, old]
    assert listed(database, command_ids=("c-1",)) == [running, old]
    assert listed(database, command_ids=()) == []
    assert listed(database, instance_ids=(web[0].id,)) == [mixed, old]
    assert listed(database, instance_ids=(web[0].id, web[2].id)) == [periodic, running, mixed, old]
    assert listed(database, since=NOW - 2 * DAY) == [periodic, running, mixed]
    assert listed(database, since=NOW - 2 * DAY + timedelta(milliseconds=1)) == [periodic, running]
    assert listed(database, periodic=True) == [periodic]
    everything = {
        "statuses": (InvokeStatus.RUNNING,), "command_ids": ("c-1",), "instance_ids": (web[1].id,), "since": NOW - DAY,
    }  # fmt: skip
    assert listed(database, **everything) == [running]
    assert listed(database, **everything, periodic=True) == []
    assert listing.commands_run(database, "disk") == listing.commands_run(database, "c-1") == ["c-1"]


def test_a_long_history_gives_the_same_answer(database: Database, web: list[Instance]) -> None:
    made = [past.write(database, past.invocation_on([each], NOW), [None]).id for each in web]
    wanted = Filter(instance_ids=(web[1].id,))
    for few in (1, 20_000):
        assert [each.invocation.id for each in listing.summaries(database, None, wanted, few=few)] == [made[1]]


FILTERS = [
    Filter(statuses=(InvokeStatus.FAILED, InvokeStatus.RUNNING)),
    Filter(command_ids=("c-1",)),
    Filter(instance_ids=("i-1",)),
    Filter(since=NOW),
    Filter(periodic=True),
]


@pytest.mark.parametrize("wanted", FILTERS, ids=["status", "command", "instance", "since", "periodic"])
def test_a_filter_uses_an_index(database: Database, wanted: Filter) -> None:
    asked: list[str] = []
    database._connection.set_trace_callback(asked.append)
    listing.summaries(database, 20, wanted)
    database._connection.set_trace_callback(None)
    for statement in asked:
        values = [None] * statement.count("?")  # not every Python shows the statement with its values
        plan = json.dumps([row["detail"] for row in database.query(f"EXPLAIN QUERY PLAN {statement}", values)])
        for table in ("invocations", "invocation_instances", "records"):
            assert f"SCAN {table}" not in plan.replace(f"SCAN {table} USING INDEX invocations_periodic", ""), plan
