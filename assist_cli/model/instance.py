"""A machine with an agent."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from types import MappingProxyType

LOCAL = "local"


@dataclass(frozen=True)
class Instance:
    """One instance: its id (the agent's own), its unique name, and the address at which its agent is reached.

    ``os_type`` is the agent's word for its system ("linux", "windows"), None when it was never heard.
    """

    id: str
    name: str
    address: str
    created: datetime
    os_type: str | None = None
    tags: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
