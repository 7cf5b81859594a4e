"""How times read in the log of the server."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True)
class Clock:
    """A moment that is shown in local time, to the second, if it is shown at all."""

    moment: datetime

    def __str__(self) -> str:
        return self.moment.astimezone().strftime("%Y-%m-%d %H:%M:%S")
