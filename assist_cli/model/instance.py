"""A machine with an agent."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from types import MappingProxyType
from typing import Any, NamedTuple

LOCAL = "local"


@dataclass(frozen=True)
class Instance:
    """One instance: its id (the agent's own), its unique name, and the address at which its agent is reached.

    ``os_type`` is the agent's word for its system ("linux", "windows"), None when it was never heard; ``heard`` is the
    last time that it answered, whatever it was asked. A tag without a value has the value "". ``enrolment`` is a random
    id of the agent's journal, which an agent that is installed anew does not have; "" when it is not known.
    """

    id: str
    name: str
    address: str
    created: datetime
    os_type: str | None = None
    heard: datetime | None = None
    tags: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    enrolment: str = ""


class Contact(NamedTuple):
    """The last answer of an agent: the word for its system, when that was, and its enrolment ("": it told none)."""

    system: str
    time: datetime
    enrolment: str = ""


@dataclass(frozen=True)
class Use:
    """What was run on an instance: the number of records, of those that are not final, and when the last was sent."""

    records: int = 0
    open: int = 0
    last_sent: datetime | None = None


@dataclass(frozen=True)
class Health:
    """How an instance is, as its agent tells it; or, when it cannot be asked, why not.

    ``error_code`` and ``error`` are empty when it answered, and nothing else is known when they are not. ``uptime`` is
    in seconds, ``clock_offset`` how many seconds its clock is ahead of ours; ``guard`` is the report of the agent's
    watchdog, None where there is none.
    """

    agent: str = ""
    protocol: str = ""
    python: str = ""
    hostname: str = ""
    os_type: str = ""
    running: int = 0
    uptime: float = 0.0
    spool_bytes: int | None = None
    free_bytes: int | None = None
    clock_offset: float | None = None
    certificate_ends: datetime | None = None
    guard: Mapping[str, Any] | None = None
    error_code: str = ""
    error: str = ""
    hint: str = ""

    @property
    def is_online(self) -> bool:
        return not self.error_code
