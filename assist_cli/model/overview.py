"""A fleet in a summary: what runs, what will run next, what failed last, and what is wrong."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from assist_cli import codes


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
    instance_id: str = ""

    @property
    def error(self) -> str:
        """The exit code or the error code in words."""
        return f"exit {self.exit_code}" if self.error_code == codes.EXIT_CODE_NONZERO else self.error_code


def grouped(failures: Iterable[FailedRecord]) -> list[list[FailedRecord]]:
    """Group failures by invocation and error, in the order of their newest records."""
    groups: dict[tuple[str, str], list[FailedRecord]] = {}
    for each in failures:
        groups.setdefault((each.invocation_id, each.error), []).append(each)
    return list(groups.values())


@dataclass(frozen=True)
class Problem:
    """A problem of a ``subject`` (agents, schedules, server, certificates), and what to do.

    One that is not ``urgent`` may be a problem.
    """

    subject: str
    text: str
    hint: str
    urgent: bool = True
