"""Detection of steps of the wall clock, by comparison with a clock that cannot be set.

The other clock includes suspend, if the system has such a clock. So a suspend counts as elapsed time, not as a step.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

from assist_cli.operations.controller import elapsed_seconds

STEP = timedelta(seconds=0.5)  # smaller differences are measurement errors, or corrections by NTP
READING = timedelta(milliseconds=50)  # if reading took longer, the two clocks were not read at the same time
READINGS = 5


class Clock:
    """A wall clock with step detection. ``wall`` returns the time in UTC, ``elapsed`` seconds that cannot be set."""

    def __init__(self, wall: Callable[[], datetime], elapsed: Callable[[], float] = elapsed_seconds) -> None:
        self._wall = wall
        self._elapsed = elapsed
        self._before = self._both()

    def read(self) -> tuple[datetime, timedelta]:
        """Return the time, and the step of the wall clock since the last call: zero if it was not set."""
        wall, elapsed = self._both()
        step = (wall - self._before[0]) - timedelta(seconds=elapsed - self._before[1])
        self._before = wall, elapsed
        return wall, step if abs(step) >= STEP else timedelta(0)

    def _both(self) -> tuple[datetime, float]:
        """Read both clocks at the same time, or at least closely."""
        for _ in range(READINGS):
            before = self._elapsed()
            wall = self._wall()
            after = self._elapsed()
            if timedelta(seconds=after - before) < READING:
                break
        return wall, after
