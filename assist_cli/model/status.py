"""The three levels of status: five values for a record and an instance, six for an invocation.

The rules are docs/rules.md section 2.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from enum import Enum

from assist_cli import codes


class InvocationStatus(str, Enum):
    """The status of one record, or of an invocation on one instance. Finished is not success: check the exit code."""

    RUNNING = "Running"
    STOPPING = "Stopping"
    STOPPED = "Stopped"
    FINISHED = "Finished"
    FAILED = "Failed"

    __str__ = str.__str__

    @property
    def is_final(self) -> bool:
        return self not in OPEN


class InvokeStatus(str, Enum):
    """The status of an invocation as a whole."""

    RUNNING = "Running"
    STOPPING = "Stopping"
    STOPPED = "Stopped"
    FAILED = "Failed"
    FINISHED = "Finished"
    PARTIAL_FAILED = "PartialFailed"

    __str__ = str.__str__

    @property
    def is_final(self) -> bool:
        return self not in (InvokeStatus.RUNNING, InvokeStatus.STOPPING)


OPEN = frozenset({InvocationStatus.RUNNING, InvocationStatus.STOPPING})

MOVES = {
    InvocationStatus.RUNNING: frozenset(
        {InvocationStatus.STOPPING, InvocationStatus.FINISHED, InvocationStatus.FAILED}
    ),
    InvocationStatus.STOPPING: frozenset(
        {InvocationStatus.STOPPED, InvocationStatus.FINISHED, InvocationStatus.FAILED}
    ),
    InvocationStatus.STOPPED: frozenset(),
    InvocationStatus.FINISHED: frozenset(),
    InvocationStatus.FAILED: frozenset(),
}

# Words for people that the five values do not have.
NOT_STARTED = "not started"
WAITING = "waiting"  # to be sent
QUEUED = "queued"  # for an instance that is away
SCHEDULED = "Scheduled"  # for people, in place of the status: it waits for a due time

UNANSWERED = codes.CLIENT_NOT_RESPONSE


def is_success(status: InvocationStatus, exit_code: int | None) -> bool:
    """Return True if a script has finished with exit code 0: Finished alone is not success."""
    return status is InvocationStatus.FINISHED and not exit_code


def has_begun(status: InvocationStatus, started: datetime | None) -> bool:
    """Return True if a record with this status and start time was started; of a file, if it arrived."""
    return started is not None or status is InvocationStatus.FINISHED


def is_unstarted(status: InvocationStatus, started: datetime | None) -> bool:
    """Return True if a record was stopped before anything of it was started."""
    return status is InvocationStatus.STOPPED and started is None


def invoke_status(statuses: Iterable[InvocationStatus]) -> InvokeStatus:
    """Return the status of an invocation from those of its instances (at least one), by docs/rules.md section 2.

    The first row that matches wins. The order of the instances has no effect.
    """
    present = set(statuses)
    if not present:
        raise ValueError("an invocation has at least one instance")
    if InvocationStatus.RUNNING in present:
        return InvokeStatus.RUNNING
    if InvocationStatus.STOPPING in present:
        return InvokeStatus.STOPPING
    ended = present - {InvocationStatus.STOPPED}
    if not ended:
        return InvokeStatus.STOPPED
    if ended == {InvocationStatus.FAILED}:
        return InvokeStatus.FAILED
    if ended == {InvocationStatus.FINISHED}:
        return InvokeStatus.FINISHED
    return InvokeStatus.PARTIAL_FAILED


def instance_status(before: InvocationStatus, newest: InvocationStatus | None, *, periodic: bool) -> InvocationStatus:
    """Return the status of an invocation on an instance, from the one ``before`` and that of its ``newest`` record.

    A single execution has the status of its record. A periodic one is Running, whatever its records do, until a
    person stops it. Then it is Stopping while a record is open, and Stopped after that. Before the first record (None)
    both are Running or Stopped. A status that is already right stays.
    """
    if newest is not None and not periodic:
        return newest
    if before is InvocationStatus.RUNNING and newest is not InvocationStatus.STOPPING:
        return InvocationStatus.RUNNING
    return InvocationStatus.STOPPED if newest is None or newest.is_final else InvocationStatus.STOPPING


def may_become(old: InvocationStatus, new: InvocationStatus, *, error_code: str = "") -> bool:
    """Return True if the status of a record with this ``error_code`` may change from ``old`` to ``new``.

    A final status never changes, with one exception: a record that was closed as unanswered may be corrected by its
    true result. A record that was Running may be found Stopped: it was Stopping in between.
    """
    if old is InvocationStatus.FAILED and error_code == UNANSWERED:
        return new.is_final
    return new in MOVES[old] or any(new in MOVES[between] for between in MOVES[old])
