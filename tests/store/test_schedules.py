"""Schedules, their slots, and their retention."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from assist_cli.model.command import CommandType
from assist_cli.model.instance import Instance
from assist_cli.model.invocation import Invocation, InvocationInstance, Outcome, Record, RepeatMode, no_record
from assist_cli.model.schedule import Schedule, Slot, SlotOutcome
from assist_cli.model.status import InvocationStatus, InvokeStatus
from assist_cli.store import checkup, instances, invocations, records, schedules, slots
from assist_cli.store import prune as old
from assist_cli.store.database import Database, open_database

NOW = datetime(2026, 11, 22, 8, tzinfo=timezone.utc)
RUNNING, STOPPING, STOPPED, FINISHED, FAILED = InvocationStatus


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    with open_database(tmp_path / "assist.db") as database:
        yield database


def after(seconds: float) -> datetime:
    return NOW + timedelta(seconds=seconds)


BOOTED = NOW - timedelta(days=3)


def plan(database: Database, name: str = "t-1", *, on: tuple[str, ...] = ("i-1",)) -> Schedule:
    """A schedule of every 10 s."""
    schedule = Schedule(
        name, "rate(10s)", None, NOW, after(10), keep=3, secrets={"token": "env:TOKEN"}, booted=BOOTED, boot="boot"
    )
    with database.transaction() as transaction:
        for each in on:
            instances.register(transaction, Instance(id=each, name=f"n{each}", address="local", created=NOW))
        invocations.add(
            transaction,
            Invocation(
                id=name, command_id="c-1", command_type=CommandType.SHELL, content=b"true", timeout=60,
                status=InvokeStatus.RUNNING, created=NOW, repeat_mode=RepeatMode.PERIOD, frequency="rate(10s)",
                instances=tuple(
                    InvocationInstance(each, f"n{each}", RUNNING, 0, no_record(each, RUNNING, NOW)) for each in on
                ),
            ),
        )  # fmt: skip
        schedules.add(transaction, schedule)
    return schedule


def fire(database: Database, number: int, outcome: Outcome | None = None, *, name: str = "t-1", on: str = "i-1") -> str:
    """Record a firing, and its outcome."""
    record = Record(f"r-{name}-{on}-{number}", on, number, RUNNING, after(90), sent=NOW)
    with database.transaction() as transaction:
        records.add(transaction, name, [record])
        slots.add(transaction, name, [Slot(on, after(number * 10), SlotOutcome.PENDING, timedelta(0), record.id)])
        if outcome is not None:
            records.settle(transaction, {record.id: outcome})
            slots.settle(transaction, {record.id: outcome.accepted})
    return record.id


GOOD = Outcome(FINISHED, 0, accepted=True, finished=NOW)
BAD = Outcome(FINISHED, 1, error_code="ExitCodeNonzero", accepted=True, finished=NOW)
LOST = Outcome(FAILED, error_code="ClientNotOnline", finished=NOW)


def outcomes(database: Database, name: str = "t-1") -> list[SlotOutcome]:
    return [each.slot.outcome for each in slots.listing(database, name, limit=None)]


def statuses(database: Database, name: str = "t-1") -> tuple[InvokeStatus, list[InvocationStatus]]:
    assert checkup.disagreements(database) == []
    found = invocations.get(database, name, output=False)
    return found.status, [place.status for place in found.instances]


def test_a_schedule_is_read_as_written(database: Database) -> None:
    schedule = plan(database)
    assert schedules.get(database, "t-1") == schedule
    assert schedules.get(database, "t-2") is None


def test_before_its_first_record_a_schedule_has_none(database: Database) -> None:
    plan(database)
    (place,) = invocations.get(database, "t-1", output=True).instances
    assert (place.repeats, place.record.id, place.record.number, place.record.status) == (0, "", 0, RUNNING)


def test_a_due_time_is_passed_one_time(database: Database) -> None:
    schedule = plan(database)
    with database.transaction() as transaction:
        assert schedules.advance_all(transaction, [(schedule, after(20), after(10))]) == 1
        assert schedules.advance_all(transaction, [(schedule, after(20), after(10))]) == 0
    found = schedules.get(database, "t-1")
    assert found is not None
    assert (found.next, found.last) == (after(20), after(10))


def test_a_paused_schedule_is_not_passed(database: Database) -> None:
    schedule = plan(database)
    with database.transaction() as transaction:
        schedules.pause(transaction, "t-1", NOW)
        assert schedules.advance_all(transaction, [(schedule, after(20), after(10))]) == 0


def test_only_changes_by_people_are_read_again(database: Database) -> None:
    schedule = plan(database)
    plan(database, "t-2")
    revision, found = schedules.changed(database, 0)
    assert found == dict.fromkeys(("t-1", "t-2"), 1_795_334_410_000)
    assert schedules.changed(database, revision) == (revision, {})
    with database.transaction() as transaction:
        schedules.advance_all(transaction, [(schedule, after(20), after(10))])
    assert schedules.changed(database, revision) == (revision, {})
    with database.transaction() as transaction:
        schedules.pause(transaction, "t-2", NOW)
    assert schedules.changed(database, revision) == (revision + 1, {"t-2": None})
    with database.transaction() as transaction:
        schedules.resume(transaction, "t-2", after(50))
    assert schedules.changed(database, revision + 1) == (revision + 2, {"t-2": 1_795_334_450_000})


def test_a_schedule_continues_after_each_record(database: Database) -> None:
    plan(database, on=("i-1", "i-2"))
    fire(database, 1, GOOD)
    fire(database, 1, LOST, on="i-2")
    assert statuses(database) == (InvokeStatus.RUNNING, [RUNNING, RUNNING])
    assert sorted(outcomes(database)) == [SlotOutcome.NOT_DELIVERED, SlotOutcome.RAN]


def test_stopped_between_two_records_it_is_stopped(database: Database) -> None:
    plan(database, on=("i-1", "i-2"))
    fire(database, 1, GOOD)
    with database.transaction() as transaction:
        assert records.mark_stopping(transaction, "t-1", ["i-1"], after(15)) == 1
    assert statuses(database) == (InvokeStatus.RUNNING, [STOPPED, RUNNING])
    assert [place.instance_id for place in slots.places(database, "t-1")] == ["i-2"]
    with database.transaction() as transaction:
        assert records.mark_stopping(transaction, "t-1", ["i-1", "i-2"], after(17)) == 1
    assert statuses(database) == (InvokeStatus.STOPPED, [STOPPED, STOPPED])
    with database.transaction() as transaction:
        assert records.mark_stopping(transaction, "t-1", ["i-1", "i-2"], after(20)) == 0
    found = invocations.get(database, "t-1", output=False)
    assert (found.finished, found.instances[0].record.stopped) == (after(17), after(15))


@pytest.mark.parametrize("ending", [Outcome(STOPPED, 143, accepted=True, finished=NOW), GOOD, BAD, LOST])
def test_stopped_during_a_record_it_is_stopping_until_that_ends(database: Database, ending: Outcome) -> None:
    plan(database)
    record = fire(database, 1)
    with database.transaction() as transaction:
        records.mark_stopping(transaction, "t-1", ["i-1"], after(15))
    assert statuses(database) == (InvokeStatus.STOPPING, [STOPPING])
    with database.transaction() as transaction:
        records.settle(transaction, {record: ending})
    assert statuses(database) == (InvokeStatus.STOPPED, [STOPPED])
    found = invocations.get(database, "t-1", output=False)
    (place,) = found.instances
    assert (place.record.status, place.record.stopped) == (ending.status, after(15))
    assert found.finished == max(after(15), place.record.finished or NOW)


@pytest.mark.parametrize(
    ("newest", "possible"),
    [
        (None, {RUNNING, STOPPED}),
        (RUNNING, {RUNNING, STOPPING}),
        (STOPPING, {STOPPING}),
        (STOPPED, {RUNNING, STOPPED}),
        (FINISHED, {RUNNING, STOPPED}),
        (FAILED, {RUNNING, STOPPED}),
    ],
)
def test_the_doctor_finds_impossible_states(
    database: Database, newest: InvocationStatus | None, possible: set[InvocationStatus]
) -> None:
    plan(database)
    if newest is not None:
        fire(database, 1)
    for status in InvocationStatus:
        with database.transaction() as transaction:
            transaction.execute("UPDATE records SET status = ?", [newest])
            transaction.execute("UPDATE invocation_instances SET status = ?", [status.value])
            transaction.execute("UPDATE invocations SET status = ?", [status.value])
        assert checkup.disagreements(database) == ([] if status in possible else ["t-1"]), status


def test_a_slot_may_be_corrected_to_ran(database: Database) -> None:
    plan(database)
    record = fire(database, 1, Outcome(FAILED, error_code="ClientNotResponse"))
    assert outcomes(database) == [SlotOutcome.NOT_DELIVERED]
    with database.transaction() as transaction:
        slots.settle(transaction, {record: True})
        slots.settle(transaction, {record: False})
    assert outcomes(database) == [SlotOutcome.RAN]


def test_late_is_more_than_a_second(database: Database) -> None:
    plan(database)
    for number, seconds in ((1, 1.0), (2, 1.001)):
        record = fire(database, number)
        with database.transaction() as transaction:
            slots.note_lateness(transaction, {record: timedelta(seconds=seconds)})
            slots.settle(transaction, {record: True})
            records.settle(transaction, {record: GOOD})
    assert outcomes(database) == [SlotOutcome.LATE, SlotOutcome.RAN]


def numbers(database: Database) -> list[int]:
    return [row["number"] for row in database.query("SELECT number FROM records ORDER BY number")]


def prune(database: Database, keep: int) -> None:
    with database.transaction() as transaction:
        gone = slots.old_records(transaction, "t-1", keep)
        old.delete(transaction, old.Batch((), tuple(gone)))
        slots.prune(transaction, "t-1", keep)


def test_prune_keeps_the_newest_records_and_older_failures(database: Database) -> None:
    plan(database)
    for number in range(1, 21):
        fire(database, number, BAD if number % 4 == 0 else GOOD)
    prune(database, 3)
    assert numbers(database) == [8, 12, 16, 18, 19, 20]  # 20, 19, 18; of 4, 8, 12, 16 the newest three
    assert [int(each.slot.record_id.rpartition("-")[2]) for each in slots.listing(database, "t-1", limit=None)
            if each.slot.record_id] == [20, 19, 18, 16, 12, 8]  # fmt: skip
    prune(database, 3)
    assert len(numbers(database)) == 6


def test_prune_keeps_open_records(database: Database) -> None:
    plan(database)
    fire(database, 1)
    for number in range(2, 7):
        fire(database, number, GOOD)
    prune(database, 2)
    assert numbers(database) == [1, 5, 6]


def test_prune_keeps_at_most_twice_as_many_when_all_fail(database: Database) -> None:
    plan(database)
    for number in range(1, 21):
        fire(database, number, LOST)
    prune(database, 4)
    assert numbers(database) == list(range(13, 21))


def test_prune_deletes_skipped_slots_too(database: Database) -> None:
    plan(database)
    with database.transaction() as transaction:
        slots.add(transaction, "t-1", [Slot("i-1", after(each), SlotOutcome.SKIPPED_OVERLAP) for each in range(20)])
        slots.add_missed(transaction, "t-1", ["i-1"], after(30), after(3000))
    prune(database, 5)
    found = slots.listing(database, "t-1", limit=None)
    assert len(found) == 5
    assert (found[0].slot.outcome, found[0].until) == (SlotOutcome.MISSED_DOWN, after(3000))


def test_pruning_the_invocation_deletes_its_schedule_and_slots(database: Database) -> None:
    plan(database)
    fire(database, 1, GOOD)
    with database.transaction() as transaction:
        transaction.execute("DELETE FROM invocations")
    for table in ("schedules", "slots", "records"):
        assert database.query(f"SELECT * FROM {table}") == []


def test_a_clock_step_moves_elapsed_time_and_no_other_form(database: Database) -> None:
    for name in ("t-1", "t-2", "t-3"):
        plan(database, name)
    with database.transaction() as transaction:
        transaction.execute(
            "UPDATE schedules SET frequency = '0 0 * * * *', booted_at = NULL WHERE invocation_id = 't-2'"
        )
        transaction.execute("UPDATE schedules SET boot = 'before' WHERE invocation_id = 't-3'")
        for hours in (-1, -1, -1.0001):  # it is moved one time, and only by a step
            booted = BOOTED + timedelta(hours=hours)
            schedules.shift_elapsed(transaction, "boot", booted, timedelta(milliseconds=500))
            schedules.adopt_boot(transaction, "boot", booted)
    moved, stays, adopted = (schedules.get(database, name) for name in ("t-1", "t-2", "t-3"))
    assert moved is not None
    assert stays is not None
    assert adopted is not None
    assert (moved.next, moved.anchor, stays.next) == (after(10 - 3600), after(-3600), after(10))
    assert (adopted.next, adopted.booted, adopted.boot) == (after(10), BOOTED - timedelta(hours=1), "boot")


def test_a_secret_is_stored_as_its_reference(database: Database) -> None:
    plan(database)
    (row,) = database.query("SELECT secrets FROM schedules")
    assert json.loads(row["secrets"]) == {"token": "env:TOKEN"}
