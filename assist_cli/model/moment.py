"""A point in time on two clocks, so that a clock that is set does not end what runs."""

from datetime import datetime, timedelta
from typing import NamedTuple


class Moment(NamedTuple):
    """``wall`` is the time of day in UTC, ``elapsed`` the seconds since the start of the machine, named by ``boot``.

    Nobody sets the second clock; it counts sleep where the system has such a clock. Where the start has no name
    (``boot`` is empty), or is another one, only the first can be compared.
    """

    wall: datetime
    elapsed: float
    boot: str

    @property
    def booted(self) -> datetime:
        """When the machine was started, by the time of day that the first clock shows now."""
        return self.wall - timedelta(seconds=self.elapsed)
