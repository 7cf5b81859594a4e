"""How long the controller waits for what, in one place; a test passes shorter ones."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Timeouts:
    """All in seconds.

    ``answer``: for one question to an agent. ``fetch``: at least so long for the output of what has ended, though the
    deadline of its record is over. ``stop``: for everything to end that a person stops: TERM, 5 s, KILL, and then some.
    ``accepted_soon``: until it is written that an agent has accepted a record, when nothing else is to be written.
    """

    answer: float = 5.0
    fetch: float = 15.0
    stop: float = 15.0
    accepted_soon: float = 1.0
