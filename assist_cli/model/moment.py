"""A point in time on two clocks, so that setting the time of day does not end what runs."""

from datetime import datetime, timedelta
from typing import NamedTuple


class Moment(NamedTuple):
    """A time of day and an elapsed time.

    ``wall`` is the time of day in UTC, ``elapsed`` the seconds since the start of the machine, and ``boot`` the name of
    that start. Nobody can set the second clock; it counts sleep where the system has such a clock. Where ``boot`` is
    empty, or another one, only ``wall`` can be compared.
    """

    wall: datetime
    elapsed: float
    boot: str

    @property
    def booted(self) -> datetime:
        """Return the start of the machine, in the time of day that the first clock shows now."""
        return self.wall - timedelta(seconds=self.elapsed)
