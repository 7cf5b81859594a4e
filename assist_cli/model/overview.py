"""A fleet at one glance: what runs on it, what will run next, and what failed last."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True)
class Running:
    """An invocation with records that are open: so many ``open`` ones, ``bad`` ones that did not succeed, of ``total``.

    ``waiting`` of the open ones are still to be sent. ``what`` is the name of its command, or the beginning of its
    script. One that is ``periodic`` counts the records of its firing that is under way.
    """

    invocation_id: str
    what: str
    created: datetime
    periodic: bool
    total: int
    open: int
    bad: int
    waiting: int = 0


@dataclass(frozen=True)
class NextFiring:
    """When an invocation runs next; its ``frequency`` has its zone."""

    invocation_id: str
    what: str
    frequency: str
    due: datetime


@dataclass(frozen=True)
class FailedRecord:
    """A record that failed, or ended with another exit code than 0."""

    invocation_id: str
    instance_name: str
    what: str
    when: datetime
    exit_code: int | None
    error_code: str
