"""A fleet in a summary: what runs, what will run next, and what failed last."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True)
class Running:
    """An invocation with open records: of ``total`` records ``open`` are open, and ``bad`` did not succeed.

    ``waiting`` of the open ones are still to be sent, ``queued`` are in the queue. ``what`` is the name of its command,
    or the beginning of its script. A ``periodic`` invocation counts the records of its current firing.
    """

    invocation_id: str
    what: str
    created: datetime
    periodic: bool
    total: int
    open: int
    bad: int
    waiting: int = 0
    queued: int = 0


@dataclass(frozen=True)
class NextFiring:
    """The next firing of an invocation; its ``frequency`` includes the zone."""

    invocation_id: str
    what: str
    frequency: str
    due: datetime


@dataclass(frozen=True)
class FailedRecord:
    """A record that failed, or ended with an exit code other than 0."""

    invocation_id: str
    instance_name: str
    what: str
    when: datetime
    exit_code: int | None
    error_code: str
