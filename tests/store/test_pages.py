"""A filter by status finds the shown status: the SQL of pages against the functions of the model."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from datetime import datetime, timezone
from pathlib import Path

import pytest

from assist_cli.model import fine
from assist_cli.model.command import CommandType
from assist_cli.model.fine import Fine
from assist_cli.model.instance import Instance
from assist_cli.model.invocation import Invocation, InvocationInstance, Record, no_record
from assist_cli.model.page import Slice, Wanted
from assist_cli.model.status import InvocationStatus, InvokeStatus, invoke_status
from assist_cli.store import instances, invocations, pages
from assist_cli.store.database import Database, open_database

NOW = datetime(2026, 11, 22, 8, tzinfo=timezone.utc)
RUNNING, STOPPING, STOPPED, FINISHED, FAILED = InvocationStatus
ALL = Slice(1_000)
# The states of an instance: its status, and its newest record (None: none yet) with its outcome.
PLACES: list[tuple[InvocationStatus, InvocationStatus | None, dict[str, object]]] = [
    (RUNNING, None, {}),
    (RUNNING, RUNNING, {}),
    (RUNNING, RUNNING, {"sent_at": 1}),
    (RUNNING, RUNNING, {"sent_at": 1, "deliver_by": 1, "queued_at": 1, "tried_at": 1}),
    (RUNNING, RUNNING, {"sent_at": 1, "deliver_by": 1, "queued_at": 1, "tried_at": 1, "accepted": 1}),
    (RUNNING, STOPPING, {"sent_at": 1}),
    (RUNNING, FINISHED, {"sent_at": 1, "started_at": 1, "exit_code": 0}),
    (STOPPING, STOPPING, {"sent_at": 1, "started_at": 1}),
    (STOPPED, None, {}),
    (STOPPED, STOPPED, {}),
    (STOPPED, STOPPED, {"sent_at": 1, "started_at": 1}),
    (STOPPED, FINISHED, {"sent_at": 1, "started_at": 1, "exit_code": 0}),
    (STOPPED, FAILED, {"sent_at": 1, "started_at": 1, "error_code": "ExecutionTimeout"}),
    (FINISHED, FINISHED, {"sent_at": 1, "started_at": 1, "exit_code": 0}),
    (FINISHED, FINISHED, {"sent_at": 1, "started_at": 1, "exit_code": 1}),
    (FAILED, FAILED, {"error_code": "ClientNotOnline"}),
    (FAILED, FAILED, {"sent_at": 1, "started_at": 1, "error_code": "ExecutionTimeout"}),
]


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    """A database with every pair of these, each as an invocation of its own."""
    folder: Path = tmp_path_factory.mktemp("pages")
    with open_database(folder / "assist.db") as opened:
        with opened.transaction() as transaction:
            for number in (1, 2):
                instances.register(transaction, Instance(f"i-{number}", f"web{number}", "local", NOW))
            for index, pair in enumerate(itertools.product(PLACES, repeat=2)):
                places = tuple(place(index, number, *each) for number, each in enumerate(pair, 1))
                made = Invocation(
                    id=f"t-{index:05}", command_id="c-1", command_type=CommandType.SHELL, content=b"x", timeout=60,
                    status=invoke_status(each.status for each in places), created=NOW, instances=places,
                )  # fmt: skip
                invocations.add(transaction, made)
                for each, (_, _, more) in zip(places, pair, strict=True):
                    for name, value in more.items():
                        transaction.execute(f"UPDATE records SET {name} = ? WHERE id = ?", [value, each.record.id])
        yield opened


def place(
    index: int, number: int, status: InvocationStatus, newest: InvocationStatus | None, _: object
) -> InvocationInstance:
    instance_id = f"i-{number}"
    if newest is None:
        return InvocationInstance(instance_id, f"web{number}", status, 0, no_record(instance_id, status, NOW))
    record = Record(f"r-{index:05}-{number}", instance_id, 1, newest, NOW)
    return InvocationInstance(instance_id, f"web{number}", status, 1, record)


def shown(found: Invocation, among: set[str] | None) -> tuple[str, str]:
    """Return the InvokeStatus and the InvocationStatus of an answer."""
    places = [each for each in found.instances if among is None or each.instance_id in among]
    return invoke_status(each.status for each in places).value, fine.of_all(map(fine.of_place, places)).value


@pytest.mark.parametrize("among", [None, {"i-1"}, {"i-1", "i-2"}], ids=["any", "one", "both"])
def test_a_status_filter_finds_the_shown_status(database: Database, among: set[str] | None) -> None:
    everything, _ = pages.invocation_ids(database, Wanted(), ALL)
    statuses = {each: shown(invocations.get(database, each, output=False), among) for each in everything}
    assert len(statuses) == len(PLACES) ** 2
    words = {status.value for status in InvokeStatus}
    for word in words | {Fine.SUCCESS.value, Fine.PENDING.value, Fine.SCHEDULED.value}:
        found, total = pages.invocation_ids(database, Wanted(status=word, among=among), ALL)
        plain = {each for each, (status, _) in statuses.items() if status == word}
        of_fine = {each for each, (_, status) in statuses.items() if status == word}
        expected = plain | of_fine if word == "PartialFailed" else plain if word in words else of_fine
        assert (set(found), total) == (expected, len(expected)), word
        assert expected or (word, among) == ("PartialFailed", {"i-1"})


def test_a_status_filter_with_an_instance_is_for_that_instance(database: Database) -> None:
    everything, _ = pages.invocation_ids(database, Wanted(), ALL)
    there = {each: invocations.get(database, each, output=False).instances[0] for each in everything}
    for word in {status.value for status in Fine} - {"PartialFailed", "Stopped"}:
        found, _ = pages.invocation_ids(database, Wanted(status=word, instance_id="i-1"), ALL)
        plain = word in {status.value for status in InvocationStatus}
        expected = {
            each for each, at in there.items() if (at.status.value if plain else fine.of_place(at).value) == word
        }
        assert set(found) == expected, word
