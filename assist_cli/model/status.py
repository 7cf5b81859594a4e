"""The three levels of status: five values for a record and an instance, six for an invocation.

The rules are docs/rules.md section 2.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from enum import Enum

from assist_cli import codes


class InvocationStatus(str, Enum):
    """How one record stands, or an invocation on one instance. Finished is not success: read the exit code."""

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
    """How an invocation stands as a whole."""

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

# What the five values do not tell, in words.
NOT_STARTED = "not started"
WAITING = "waiting"  # to be sent
SCHEDULED = "Scheduled"  # in place of the status, for people: no time for it has come yet

UNANSWERED = codes.CLIENT_NOT_RESPONSE


def is_success(status: InvocationStatus, exit_code: int | None) -> bool:
    """Whether a script ran and did well: Finished is not success, Finished with exit code 0 is."""
    return status is InvocationStatus.FINISHED and not exit_code


def has_begun(status: InvocationStatus, started: datetime | None) -> bool:
    """Return True if a record with this status and moment of its start was started; of a file, if it arrived."""
    return started is not None or status is InvocationStatus.FINISHED


def is_unstarted(status: InvocationStatus, started: datetime | None) -> bool:
    """Return True if a record was stopped before anything of it was started."""
    return status is InvocationStatus.STOPPED and started is None


def invoke_status(statuses: Iterable[InvocationStatus]) -> InvokeStatus:
    """The status of an invocation whose instances have these (at least one): the table of docs/rules.md section 2.

    The first row that matches wins, and the order of the instances says nothing.
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
    """The status of an invocation on an instance that stood at ``before``, when its newest record there is ``newest``.

    One that runs once stands where its record does. A periodic one is Running, whatever its records do, until a person
    stops it; then it is Stopping for as long as a record is open, and Stopped. Before the first record (None) both are
    Running, or Stopped. What stands as it must is not changed by this.
    """
    if newest is not None and not periodic:
        return newest
    if before is InvocationStatus.RUNNING and newest is not InvocationStatus.STOPPING:
        return InvocationStatus.RUNNING
    return InvocationStatus.STOPPED if newest is None or newest.is_final else InvocationStatus.STOPPING


def may_become(old: InvocationStatus, new: InvocationStatus, *, error_code: str = "") -> bool:
    """Whether a record that stands at ``old`` with ``error_code`` may be found to stand at ``new``.

    A final state never changes, with one exception: a record that was closed because nobody answered may be
    corrected by its true result. Stopped is reached by way of Stopping, which nobody may have seen.
    """
    if old is InvocationStatus.FAILED and error_code == UNANSWERED:
        return new.is_final
    return new in MOVES[old] or any(new in MOVES[between] for between in MOVES[old])
