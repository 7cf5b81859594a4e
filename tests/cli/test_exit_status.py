"""The exit status of the program by the records of an invocation."""

from __future__ import annotations

from datetime import datetime, timezone

import pytest

from assist_cli.cli.exit_status import exit_status
from assist_cli.model.command import CommandType
from assist_cli.model.invocation import Invocation, InvocationInstance, Record, RepeatMode
from assist_cli.model.status import InvocationStatus, InvokeStatus

NOW = datetime(2026, 11, 22, 8, tzinfo=timezone.utc)
FINISHED, FAILED, STOPPED = InvocationStatus.FINISHED, InvocationStatus.FAILED, InvocationStatus.STOPPED


def invocation(*endings: tuple[InvocationStatus, int | None, str], is_final: bool = True) -> Invocation:
    """An invocation with records of these outcomes: status, exit code, error code."""
    places = [
        InvocationInstance(
            f"i-{number}",
            f"web{number}",
            status,
            1,
            Record(
                id=f"r-{number}",
                instance_id=f"i-{number}",
                number=1,
                status=status,
                deadline=NOW,
                exit_code=code,
                error_code=error,
            ),
        )
        for number, (status, code, error) in enumerate(endings)
    ]
    return Invocation(
        id="t-1",
        command_id="c-1",
        command_type=CommandType.SHELL,
        content=b"true",
        timeout=60,
        status=InvokeStatus.FINISHED if is_final else InvokeStatus.RUNNING,
        created=NOW,
        instances=tuple(places),
    )


@pytest.mark.parametrize(
    ("status", "endings"),
    [
        (0, [(FINISHED, 0, "")]),
        (3, [(FINISHED, 3, "ExitCodeNonzero")]),
        (255, [(FINISHED, -1, "ExitCodeNonzero")]),
        (1, [(FINISHED, 256, "ExitCodeNonzero")]),
        (124, [(FAILED, None, "ExecutionTimeout")]),
        (1, [(FAILED, None, "ExecutionException")]),
        (1, [(STOPPED, None, "ExecutionInterrupted")]),
        (69, [(FAILED, None, "ClientNotOnline")]),
        (69, [(FAILED, None, "ClientNotOnline"), (FAILED, None, "ClientNotRunning")]),
        (75, [(InvocationStatus.RUNNING, None, "")]),
        (75, [(FINISHED, 0, ""), (InvocationStatus.STOPPING, None, "")]),
        (0, [(FINISHED, 0, ""), (FINISHED, 0, "")]),
        (1, [(FINISHED, 0, ""), (FINISHED, 3, "ExitCodeNonzero")]),
        (1, [(FINISHED, 0, ""), (FAILED, None, "ClientNotOnline")]),
        (1, [(FAILED, None, "ExecutionTimeout"), (FAILED, None, "ExecutionTimeout")]),
    ],
)
def test_the_status_for_each_outcome_of_the_records(
    status: int, endings: list[tuple[InvocationStatus, int | None, str]]
) -> None:
    assert exit_status(invocation(*endings)) == status


@pytest.mark.parametrize(
    ("status", "endings"),
    [
        (0, [(STOPPED, None, "")]),
        (0, [(FINISHED, 0, "")]),
        (0, [(FINISHED, 0, ""), (STOPPED, None, "ExecutionInterrupted")]),
        (3, [(FINISHED, 3, "ExitCodeNonzero")]),
        (1, [(FINISHED, 3, "ExitCodeNonzero"), (STOPPED, None, "ExecutionInterrupted")]),
    ],
)
def test_the_end_of_a_schedule_is_its_stop(
    status: int, endings: list[tuple[InvocationStatus, int | None, str]]
) -> None:
    assert exit_status(invocation(*endings)._replace(repeat_mode=RepeatMode.PERIOD)) == status


def test_a_periodic_invocation_that_continues_has_not_ended() -> None:
    assert exit_status(invocation((FINISHED, 0, ""), is_final=False)) == 75
