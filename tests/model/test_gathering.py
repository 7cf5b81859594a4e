"""Instances with equal answers are grouped, and no others."""

from __future__ import annotations

from datetime import datetime, timezone

from assist_cli.model.gathering import gather, tally
from assist_cli.model.invocation import InvocationInstance, Outcome, Record
from assist_cli.model.output import Output
from assist_cli.model.status import InvocationStatus
from assist_cli.model.summary import InstanceCounts, instance_counts

NOW = datetime(2026, 11, 22, tzinfo=timezone.utc)
FINISHED, FAILED, RUNNING = InvocationStatus.FINISHED, InvocationStatus.FAILED, InvocationStatus.RUNNING
STOPPED = InvocationStatus.STOPPED


def place(
    name: str,
    out: bytes = b"",
    err: bytes = b"",
    exit_code: int = 0,
    status: InvocationStatus = FINISHED,
    code: str = "",
    info: str = "",
    sent: bool = True,
) -> InvocationInstance:
    record = Record(
        id=f"r-{name}",
        instance_id=f"i-{name}",
        number=1,
        status=status,
        deadline=NOW,
        exit_code=exit_code,
        error_code=code,
        error_info=info,
        sent=NOW if sent else None,
        output=Output(out + err, (len(out), len(err))),
    )
    return InvocationInstance(f"i-{name}", name, status, 1, record)


def groups(*places: InvocationInstance) -> list[tuple[str, ...]]:
    return [group.names for group in gather(places)]


def test_equal_answers_are_one_group_and_the_odd_ones_are_last() -> None:
    found = groups(place("a", b"1"), place("b", b"2"), place("c", b"2"), place("d", b"2"), place("e", b"1"))
    assert found == [("b", "c", "d"), ("a", "e")]


def test_answers_with_missing_bytes_are_never_equal() -> None:
    lacking = [place(name)._replace(record=place(name).record._replace(output=Output(dropped=9))) for name in "ab"]
    assert groups(place("c", b"x"), *lacking, place("d", b"x")) == [("c", "d"), ("a",), ("b",)]


def test_another_exit_code_stream_or_status_is_another_answer() -> None:
    found = groups(
        place("a", b"x"),
        place("b", b"x", exit_code=1),
        place("c", b"", b"x"),
        place("d", b"x", status=FAILED, code="ExecutionTimeout"),
        place("e", b"x", status=FAILED, code="ClientNotResponse"),
    )
    assert len(found) == 5


def test_the_name_of_the_script_file_makes_no_difference() -> None:
    found = groups(place("a", err=b"/tmp/assist-r-a.sh: 1: nope"), place("b", err=b"/tmp/assist-r-b.sh: 1: nope"))
    assert found == [("a", "b")]


def test_another_error_text_of_the_instance_is_another_answer() -> None:
    found = groups(
        place("a", status=FAILED, code="FileCreateFail", info="No space left on device"),
        place("b", status=FAILED, code="FileCreateFail", info="Read-only file system"),
        place("c", status=FAILED, code="ScriptFileExisted", info="/tmp/assist-r-c.sh is there"),
        place("d", status=FAILED, code="ScriptFileExisted", info="/tmp/assist-r-d.sh is there"),
    )
    assert found == [("c", "d"), ("a",), ("b",)]


def test_unreachable_instances_have_one_answer() -> None:
    found = groups(
        *(place(name, status=FAILED, code="ClientNotRunning", info=f"not at {name}", sent=False) for name in "abc")
    )
    assert found == [("a", "b", "c")]


def test_a_running_record_is_in_no_group() -> None:
    assert groups(place("a", b"x", status=RUNNING), place("b", b"x")) == [("b",)]


def test_the_sums_by_outcome() -> None:
    outcomes = [
        Outcome(FINISHED, 0),
        Outcome(FINISHED, 3),
        Outcome(FINISHED, 0),
        Outcome(FAILED, None, "ExecutionTimeout"),
        None,
    ]
    assert tally(outcomes) == {"succeeded": 2, "exit 3": 1, "Failed (ExecutionTimeout)": 1, "still running": 1}


def test_a_record_that_was_stopped_before_its_start_is_not_started() -> None:
    outcomes = [Outcome(STOPPED), Outcome(STOPPED, started=NOW), Outcome(STOPPED)]
    assert tally(outcomes) == {"not started": 2, "Stopped": 1}


def test_each_instance_is_counted_once() -> None:
    asked = place("h", status=STOPPED, sent=False)
    places = [
        place("a"),
        place("b", exit_code=3),
        place("c", status=FAILED),
        place("d", status=RUNNING),
        place("e", status=RUNNING, sent=False),
        place("f", status=STOPPED),
        place("g", status=STOPPED, sent=False),
        asked._replace(record=asked.record._replace(stopped=NOW)),
        asked._replace(record=asked.record._replace(sent=NOW, started=NOW)),
    ]
    counts = InstanceCounts(succeeded=1, nonzero=1, failed=1, running=1, waiting=1, unstarted=2, halted=1, stopped=1)
    assert instance_counts(places) == counts
    assert counts.total == len(places)
