"""The time of day beside a clock that nobody sets, so that a step of the one is seen by the other.

The other one goes on while the machine sleeps, where the system has such a clock: a sleep is time that has passed, and
no step.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

from assist_cli.operations.controller import elapsed_seconds

STEP = timedelta(seconds=0.5)  # what is less is lost in how the clocks are read, or is how time is kept in order
READING = timedelta(milliseconds=50)  # if it took longer, the two clocks were not read at one moment
READINGS = 5


class Clock:
    """``wall`` gives the moment in UTC, ``elapsed`` seconds that nobody sets."""

    def __init__(self, wall: Callable[[], datetime], elapsed: Callable[[], float] = elapsed_seconds) -> None:
        self._wall = wall
        self._elapsed = elapsed
        self._before = self._read()

    def look(self) -> tuple[datetime, timedelta]:
        """The moment, and by how much the clock was set since the last look: zero when it was not."""
        wall, elapsed = self._read()
        step = (wall - self._before[0]) - timedelta(seconds=elapsed - self._before[1])
        self._before = wall, elapsed
        return wall, step if abs(step) >= STEP else timedelta(0)

    def _read(self) -> tuple[datetime, float]:
        """Both clocks at one moment, as far as the machine lets us."""
        for _ in range(READINGS):
            before = self._elapsed()
            wall = self._wall()
            after = self._elapsed()
            if timedelta(seconds=after - before) < READING:
                break
        return wall, after
