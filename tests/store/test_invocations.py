"""Invocations in the store: reads return the written values, and the three levels of status always agree."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from assist_cli.errors import NotFound
from assist_cli.model.command import CommandType
from assist_cli.model.ids import Kind, new_id
from assist_cli.model.instance import Instance
from assist_cli.model.invocation import Invocation, InvocationInstance, Outcome, Record
from assist_cli.model.moment import Moment
from assist_cli.model.output import Output
from assist_cli.model.status import InvocationStatus, InvokeStatus, invoke_status
from assist_cli.model.transfer import checked
from assist_cli.store import instances, invocations, listing, records
from assist_cli.store.database import Database, Transaction, open_database

NOW = datetime(2026, 11, 22, 8, tzinfo=timezone.utc)
MOMENT = Moment(NOW, 0.0, "boot")
MINUTE = timedelta(minutes=1)
RUNNING, STOPPING, STOPPED, FINISHED, FAILED = InvocationStatus


@pytest.fixture
def database(isolation: Path) -> Iterator[Database]:
    with open_database(isolation / "assist.db") as opened:
        yield opened


def make(database: Database, count: int = 1, *, at_ms: int = 1_000, **settings: object) -> Invocation:
    """An invocation on this many instances, written."""
    places = []
    with database.transaction() as transaction:
        for number in range(count):
            instance = Instance(f"i-{number}", f"web{number}", "local", NOW)
            instances.register(transaction, instance)
            record = Record(
                id=new_id(Kind.RECORD, at_ms), instance_id=instance.id, number=1, status=RUNNING,
                deadline=NOW + MINUTE, sender="me",
            )  # fmt: skip
            places.append(InvocationInstance(instance.id, instance.name, RUNNING, 1, record))
        invocation = Invocation(
            id=new_id(Kind.INVOCATION, at_ms), command_id="c-1", command_type=CommandType.SHELL, content=b"\xff{{x}}",
            timeout=60, status=InvokeStatus.RUNNING, created=NOW, instances=tuple(places),
        )  # fmt: skip
        invocation = invocation._replace(**settings)  # type: ignore[arg-type]
        invocations.add(transaction, invocation)
    return invocation


def settle(database: Database, **outcomes: Outcome) -> list[str]:
    """Return the ids of the records that changed by it."""
    with database.transaction() as transaction:
        return list(records.settle(transaction, outcomes))


def stop(transaction: Transaction, invocation: Invocation, number: int) -> None:
    records.mark_stopping(transaction, invocation.id, [invocation.instances[number].instance_id], NOW)


def levels_agree(database: Database, invocation_id: str) -> bool:
    found = invocations.get(database, invocation_id, output=False)
    (summary,) = (each for each in listing.summaries(database, None) if each.invocation.id == invocation_id)
    return (
        all(place.status is place.record.status for place in found.instances)
        and found.status is invoke_status(place.status for place in found.instances)
        and found.status.is_final == (found.finished is not None)
        and summary.invocation.status is found.status
        and summary.counts == {status: n for status in InvocationStatus if (n := statuses(found).count(status))}
    )


def statuses(invocation: Invocation) -> list[InvocationStatus]:
    return [place.status for place in invocation.instances]


def test_invocations_are_read_as_written(database: Database) -> None:
    invocation = make(database, 3, working_dir="/srv", username="ann", keep_script=True, parameters={"Ключ": "ü"})
    assert invocations.get(database, invocation.id, output=False) == invocation


def test_output_is_read_as_written(database: Database) -> None:
    invocation = make(database)
    record = invocation.instances[0].record.id
    output = Output(data=b"out\x00err\xff", runs=(4, 4), cut=4, dropped=17)
    outcome = Outcome(FINISHED, 3, "ExitCodeNonzero", "ended with 3", NOW, NOW + MINUTE, output)
    assert settle(database, **{record: outcome}) == [record]
    found = invocations.get(database, invocation.id, output=True)
    assert found.instances[0].record.output == output
    assert found.finished == NOW + MINUTE
    assert found.instances[0].record.exit_code == 3
    assert invocations.get(database, invocation.id, output=False).instances[0].record.output is None


def test_a_final_record_does_not_change(database: Database) -> None:
    invocation = make(database)
    record = invocation.instances[0].record.id
    settle(database, **{record: Outcome(FINISHED, 0, finished=NOW)})
    assert settle(database, **{record: Outcome(FAILED, error_code="DeliveryTimeout")}) == []
    assert invocations.get(database, invocation.id, output=False).instances[0].record.exit_code == 0


def test_records_of_living_senders_need_nothing_until_their_deadline(database: Database) -> None:
    invocation = make(database)
    record = invocation.instances[0].record

    def unhandled(*living: str, attended: tuple[str, ...] = (), now: datetime = NOW) -> bool:
        return bool(records.unhandled(database, attended, living, now))

    assert records.senders(database) == {record.sender}
    assert (unhandled(), unhandled("another")) == (True, True)
    assert (unhandled(record.sender), unhandled(attended=(record.id,))) == (False, False)
    with database.transaction() as transaction:
        assert records.mark_sent(transaction, record.id, MOMENT, MINUTE)
    assert [unhandled(record.sender, now=NOW + MINUTE * part) for part in (-1, 0, 1, 2)] == [True, False, False, True]
    with database.transaction() as transaction:
        transaction.execute("UPDATE records SET status = 'Stopping'")
    assert (unhandled(record.sender), unhandled(attended=(record.id,))) == (True, True)


def test_an_unanswered_record_is_corrected_one_time(database: Database) -> None:
    invocation = make(database)
    record = invocation.instances[0].record.id
    unanswered = Outcome(FAILED, error_code="ClientNotResponse", finished=NOW)
    true = Outcome(FINISHED, 0, finished=NOW, output=Output(b"x", (1,)))
    assert settle(database, **{record: unanswered}) == [record]
    assert list(records.unsettled(database)) == []
    assert list(records.unsettled(database, invocation_id=invocation.id)) == [invocation.id]
    assert settle(database, **{record: true}) == [record]
    assert settle(database, **{record: unanswered}) == []
    assert levels_agree(database, invocation.id)
    assert records.unsettled(database, invocation_id=invocation.id) == {}


def test_an_unknown_record_changes_nothing(database: Database) -> None:
    assert settle(database, nobody=Outcome(FINISHED, 0)) == []


def test_only_running_records_are_sent(database: Database) -> None:
    invocation = make(database, 2)
    first, second = (place.record.id for place in invocation.instances)
    settle(database, **{first: Outcome(FAILED, error_code="DeliveryTimeout", finished=NOW)})
    with database.transaction() as transaction:
        assert not records.mark_sent(transaction, first, MOMENT, MINUTE)
        assert records.mark_sent(transaction, second, MOMENT, 2 * MINUTE)
        stop(transaction, invocation, 1)
        assert not records.mark_sent(transaction, second, MOMENT, MINUTE)
    found = invocations.get(database, invocation.id, output=False)
    assert found.instances[1].record.deadline == NOW + 2 * MINUTE
    assert found.instances[1].record.stopped == NOW
    assert found.status is InvokeStatus.STOPPING
    assert levels_agree(database, invocation.id)


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.integers(0, 3), st.sampled_from([STOPPING, STOPPED, FINISHED, FAILED])), max_size=12))
def test_the_levels_agree_after_every_change(database: Database, changes: list[tuple[int, InvocationStatus]]) -> None:
    invocation = make(database, 4)
    for number, status in changes:
        record = invocation.instances[number].record.id
        if status is STOPPING:
            with database.transaction() as transaction:
                stop(transaction, invocation, 1)
        else:
            settle(database, **{record: Outcome(status, finished=NOW)})
        assert levels_agree(database, invocation.id)


def test_the_newest_are_first_and_the_limit_holds(database: Database) -> None:
    made = [make(database, at_ms=moment).id for moment in (1, 2, 3)]
    assert [each.invocation.id for each in listing.summaries(database, 2)] == made[:0:-1]
    assert len(listing.summaries(database, None)) == 3


def test_a_summary_has_exit_codes_and_a_short_script(database: Database) -> None:
    invocation = make(database, 3, content=b"x" * 1000)
    codes = dict(zip((place.record.id for place in invocation.instances), (0, 2, 1), strict=True))
    settle(database, **{record: Outcome(FINISHED, code, finished=NOW) for record, code in codes.items()})
    (summary,) = listing.summaries(database, None)
    assert (summary.instance_count, summary.kinds.nonzero, summary.exit_code) == (3, 2, 2)
    assert summary.counts == {FINISHED: 3}
    assert len(summary.invocation.content) == 200


def test_an_invocation_is_found_by_each_of_its_names(database: Database) -> None:
    older = make(database, at_ms=1).id
    newest = make(database, at_ms=10**12).id
    assert invocations.find(database, newest) == newest
    assert invocations.find(database, "-") == newest
    assert invocations.find(database, older[:12]) == older
    assert invocations.find(database, newest.upper()[:12].replace("T-", "t-")) == newest


@pytest.mark.parametrize("text", ["", "t-", "t-zz", "backup", "c-1", "t-0'; DROP TABLE invocations", "--"])
def test_an_unknown_name_is_not_found(database: Database, text: str) -> None:
    make(database)
    with pytest.raises(NotFound, match="cannot find an invocation"):
        invocations.find(database, text)


def test_an_ambiguous_prefix_is_reported(database: Database) -> None:
    make(database, at_ms=10**12)
    make(database, at_ms=10**12 + 1)
    with pytest.raises(NotFound, match="more than one"):
        invocations.find(database, "t-0")


def test_an_empty_history(database: Database) -> None:
    with pytest.raises(NotFound, match="nothing was run yet"):
        invocations.find(database, "-")


def test_files_and_runs_share_a_table_and_are_found_separately(database: Database) -> None:
    moments = itertools.count(10**12)
    runs = [make(database, at_ms=next(moments)).id for _ in range(2)]
    transfer = checked(b"secret", "app.conf", "/etc/app", owner="app", overwrite=True)
    made = [
        make(
            database, id=new_id(Kind.FILE, next(moments)), content=b"secret", transfer=transfer, command_id="",
            command_type=None,
        )
        for _ in range(2)
    ]  # fmt: skip
    files = [each.id for each in made]
    assert invocations.find(database, "-") == runs[1]
    assert invocations.find(database, "-", invocations.FILES) == files[1]
    assert invocations.find(database, files[0], invocations.BOTH) == files[0]
    assert invocations.find(database, runs[0][:20], invocations.BOTH) == runs[0]
    for text, kinds, hint in ((files[0], invocations.RUNS, "file"), (runs[0], invocations.FILES, "invocation")):
        with pytest.raises(NotFound) as refused:
            invocations.find(database, text, kinds)
        assert refused.value.hint == f"assist {hint} show {text}"
    assert [each.id for each in invocations.newest(database, Kind.FILE, None)] == files[::-1]
    assert invocations.newest(database, Kind.FILE, 1) == [made[1]._replace(content=b"")]
    assert [each.invocation.id for each in listing.summaries(database, None)] == runs[::-1]


def test_short_ids_are_unique(database: Database) -> None:
    made = [make(database, at_ms=10**12).id for _ in range(40)] + [make(database, at_ms=10**12 + 1).id]
    short = listing.short_ids(database, made)
    for whole, beginning in short.items():
        assert whole.startswith(beginning)
        assert len(beginning) >= 12
        assert invocations.find(database, beginning) == whole
    assert len(short[made[-1]]) == 12


def test_a_lookup_costs_the_same_in_any_history(database: Database) -> None:
    """The queries of the hot path use indexes, without a scan or a sort."""
    statements = (
        "SELECT max(id) AS id FROM invocations WHERE id >= 't-' AND id < 't-~'",
        "SELECT id FROM invocations WHERE id >= 'f-' AND id < 'f-~' ORDER BY id DESC LIMIT 20",
        "SELECT *, substr(content, 1, 200) FROM invocations WHERE id GLOB 't-*' ORDER BY id DESC LIMIT 20",
        "SELECT id FROM invocations WHERE id >= 't-0' AND id < 't-0~' LIMIT 2",
        "SELECT max(id) FROM invocations WHERE id < 't-1'",
        "SELECT status, count(*) FROM invocation_instances WHERE invocation_id = 't-1' GROUP BY status",
        "SELECT * FROM records WHERE status IN ('Running', 'Stopping')",
    )
    for statement in statements:
        plan = json.dumps([row["detail"] for row in database.query(f"EXPLAIN QUERY PLAN {statement}")])
        assert "SCAN invocations" not in plan.replace("SCAN invocations USING", ""), plan
        assert "SCAN records" not in plan.replace("SCAN records USING INDEX records_open", ""), plan
        assert "ORDER BY" not in plan, plan
