"""A summary of an invocation in one line: how many of its instances have which outcome."""

from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import datetime
from enum import Enum
from typing import NamedTuple

from assist_cli.model.invocation import Invocation, InvocationInstance
from assist_cli.model.status import NOT_STARTED, QUEUED, WAITING, InvocationStatus, InvokeStatus


class Verdict(str, Enum):
    """The meaning of a state, which is shown as a colour, and in the console also as a shape."""

    PLAIN = "plain"
    GOOD = "good"
    BAD = "bad"
    ODD = "odd"
    BUSY = "busy"


VERDICTS = {
    InvokeStatus.RUNNING: Verdict.BUSY,
    InvokeStatus.STOPPING: Verdict.BUSY,
    InvokeStatus.STOPPED: Verdict.ODD,
    InvokeStatus.FINISHED: Verdict.GOOD,
    InvokeStatus.FAILED: Verdict.BAD,
    InvokeStatus.PARTIAL_FAILED: Verdict.BAD,
}


class State(NamedTuple):
    """A state in words, and its meaning."""

    text: str
    verdict: Verdict


class InstanceCounts(NamedTuple):
    """The instances of a single execution by outcome; each counts in exactly one number.

    ``failed`` are Failed, ``nonzero`` ended with an exit code other than 0, ``stopped`` were stopped while they ran.
    ``unstarted`` were Stopped before they started, by a person; ``halted`` too, because too many others did not
    succeed. ``waiting`` are still to be sent, ``queued`` are in the queue for an instance that is away.
    """

    succeeded: int = 0
    failed: int = 0
    nonzero: int = 0
    stopped: int = 0
    unstarted: int = 0
    halted: int = 0
    waiting: int = 0
    queued: int = 0
    running: int = 0

    @property
    def total(self) -> int:
        return sum(self)


def instance_counts(places: Iterable[InvocationInstance]) -> InstanceCounts:
    """Count the instances of a single execution."""
    numbers = Counter(_kind(place) for place in places)
    return InstanceCounts(**numbers)


def _kind(place: InvocationInstance) -> str:
    """Return the number of InstanceCounts in which an instance counts."""
    record = place.record
    if not record.status.is_final:
        if record.is_queued:
            return "queued"
        return "waiting" if record.sent is None else "running"
    if record.status is InvocationStatus.STOPPED:
        if not record.is_unstarted:
            return "stopped"
        return "unstarted" if record.sent or record.stopped or not record.id else "halted"
    if record.status is InvocationStatus.FAILED:
        return "failed"
    return "succeeded" if record.is_success else "nonzero"


class Summary(NamedTuple):
    """An invocation as one line of a list: without output, with the number of its instances by status.

    ``invocation`` has no instances, and only the first 200 bytes of its content. ``instance_name`` is the name of one
    of its instances, ``exit_code`` the highest one, ``began`` that of the invocation. ``kinds`` is empty for a periodic
    invocation.
    """

    invocation: Invocation
    counts: Mapping[InvocationStatus, int]
    instance_name: str
    exit_code: int | None
    kinds: InstanceCounts
    began: datetime | None

    @property
    def instance_count(self) -> int:
        return sum(self.counts.values())


def state_of(status: InvokeStatus, kinds: InstanceCounts, exit_code: int | None) -> State:
    """Return the status with details: the exit code of one instance, or the numbers of failed, stopped and not started.

    An exit code other than 0 counts as failed. A halted rollout has the numbers of all outcomes.
    """
    bad, unstarted = kinds.failed + kinds.nonzero, kinds.unstarted + kinds.halted
    if kinds.halted and status.is_final:
        parts = {"succeeded": kinds.succeeded, "failed": bad, "stopped": kinds.stopped, NOT_STARTED: unstarted}
        return State(f"Halted: {_numbers(parts)}", Verdict.BAD)
    verdict = Verdict.ODD if status is InvokeStatus.FINISHED and kinds.nonzero else VERDICTS[status]
    if kinds.total == 1:
        what = f"exit {exit_code}" if kinds.nonzero else NOT_STARTED if unstarted else QUEUED if kinds.queued else ""
    elif status.is_final:
        failed = 0 if status is InvokeStatus.FAILED and kinds.failed == kinds.total else bad
        stopped = 0 if kinds.stopped == kinds.total else kinds.stopped
        what = _numbers({"failed": failed, "stopped": stopped, NOT_STARTED: unstarted})
    else:
        what = _numbers({"failed": bad, QUEUED: kinds.queued, WAITING: kinds.waiting})
    return State(f"{status.value}, {what}" if what else status.value, verdict)


def _numbers(parts: Mapping[str, int]) -> str:
    return ", ".join(f"{number:,} {word}" for word, number in parts.items() if number)
