"""A summary of an invocation in one line: how many of its instances have which outcome."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from assist_cli.model.invocation import Invocation, InvocationInstance
from assist_cli.model.status import InvocationStatus


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


@dataclass(frozen=True)
class Summary:
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
