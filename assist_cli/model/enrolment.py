"""An enrolment: a counted, expiring permission to register machines that this controller cannot reach by itself.

The machines run one file (``assist instance enroll``). Its token is the permission; only the hash of it is stored.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from assist_cli import codes
from assist_cli.errors import InvalidParameter
from assist_cli.units import span

MOST_USES = 10_000
LONGEST = timedelta(days=30)
SHORTEST = timedelta(minutes=1)
# From the end of an enrolment to the end of the credentials in its file. Meanwhile machines learn why they are refused.
GRACE = timedelta(days=1)

OPEN, USED_UP, EXPIRED, DISABLED = STATES = ("open", "used up", "expired", "disabled")


@dataclass(frozen=True)
class Enrolment:
    """One enrolment. ``name`` is the beginning of the names of its machines; if empty, they have their host names.

    ``used`` machines were admitted; ``removed`` of them are no longer registered.
    """

    id: str
    uses: int
    created: datetime
    expires: datetime
    name: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)
    description: str = ""
    creator: str = ""
    disabled: bool = False
    used: int = 0
    removed: int = 0

    def state(self, now: datetime) -> str:
        """Return the state, one of STATES. The first that applies counts: disabled, expired, used up."""
        if self.disabled:
            return DISABLED
        if self.expires <= now:
            return EXPIRED
        return OPEN if self.used < self.uses else USED_UP


@dataclass(frozen=True)
class Enrolled:
    """A machine that was admitted: its instance, and the name that is reserved for it until it is registered."""

    instance: str
    enrolment: str
    name: str
    is_new: bool = True


def checked_uses(uses: int) -> int:
    """Return a number of uses. Raises InvalidParameter."""
    if not 1 <= uses <= MOST_USES:
        raise InvalidParameter(
            f"cannot make an enrolment for {uses:,} machines: 1 to {MOST_USES:,} are allowed",
            hint="for more machines, make several",
            code=codes.INVALID_ENROLMENT,
        )
    return uses


def checked_lifetime(seconds: float) -> timedelta:
    """Return a lifetime. Raises InvalidParameter."""
    if not SHORTEST.total_seconds() <= seconds <= LONGEST.total_seconds():
        raise InvalidParameter(
            f"cannot make an enrolment for {span(seconds)}: 1 minute to {LONGEST.days} days are allowed",
            hint="give a time such as 1h or 2d",
            code=codes.INVALID_ENROLMENT,
        )
    return timedelta(seconds=seconds)
