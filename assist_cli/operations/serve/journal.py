"""How times read in the log of the server."""

from __future__ import annotations

from datetime import datetime


def clock(moment: datetime) -> str:
    """A moment in local time, to the second."""
    return moment.astimezone().strftime("%Y-%m-%d %H:%M:%S")
