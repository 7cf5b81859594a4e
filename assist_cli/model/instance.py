"""A machine with an agent."""

from collections.abc import Mapping
from datetime import datetime
from types import MappingProxyType
from typing import Any, NamedTuple

LOCAL = "local"

# What an agent reports about its machine, by these names: text, a number, or a list of texts; unknown ones are missing.
# ``os`` is the ID of os-release, ``memory`` is in bytes. They select targets. They never count for the scope of a key.
FACTS = ("os", "version", "arch", "kernel", "python", "cpus", "memory", "hostname", "addresses")
COMMON_FACTS = ("os", "version", "arch")  # those that hints and completion offer
Facts = Mapping[str, Any]


class Instance(NamedTuple):
    """One instance: its id (from its agent), its unique name, and the address of its agent.

    ``os_type`` is the system as the agent reports it ("linux", "windows"), None before its first answer. ``heard`` is
    the time of its last answer, to any request. A tag without a value has the value "". ``enrolment`` is a random id of
    the agent's journal, which changes when the agent is installed again; "" when it is unknown.
    """

    id: str
    name: str
    address: str
    created: datetime
    os_type: str | None = None
    heard: datetime | None = None
    tags: Mapping[str, str] = MappingProxyType({})
    enrolment: str = ""

    @property
    def dials(self) -> bool:
        """True if the agent dials out to the broker."""
        return self.address.startswith("nats:")


class Contact(NamedTuple):
    """The last answer of an agent: its system, the time, its enrolment and its facts (empty: not reported)."""

    system: str
    time: datetime
    enrolment: str = ""
    facts: Facts = MappingProxyType({})


class Use(NamedTuple):
    """The use of an instance: how many records it has, how many are open, and when the last one was sent."""

    records: int = 0
    open: int = 0
    last_sent: datetime | None = None


class Health(NamedTuple):
    """The health of an instance as its agent reports it, or the reason why there is no report.

    ``error_code`` and ``error`` are empty when the agent answered; else all other fields are unknown. ``uptime`` is in
    seconds. ``clock_offset`` is how many seconds the agent's clock is ahead of ours. ``guard`` is the report of the
    agent's guard, None without one. ``knows_epochs``: the agent refuses a controller that was replaced. ``enrolment``:
    see Instance.
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
    knows_epochs: bool = False
    facts: Facts = MappingProxyType({})
    enrolment: str = ""
    error_code: str = ""
    error: str = ""
    hint: str = ""

    @property
    def is_online(self) -> bool:
        return not self.error_code
