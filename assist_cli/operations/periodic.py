"""The pauses of periodic duties of one process. They end at the same moments, so that it wakes up one time for all."""

from __future__ import annotations

import asyncio
import math

_EARLY = 1e-6  # part of a period by which a timer may end before its time


def until_next(seconds: float) -> float:
    """Return the seconds until the clock of the event loop is at the next multiple of ``seconds``."""
    now = asyncio.get_running_loop().time()
    return (math.floor(now / seconds + _EARLY) + 1) * seconds - now


async def pause(seconds: float) -> None:
    """Sleep until the clock of the event loop is at the next multiple of ``seconds``."""
    await asyncio.sleep(until_next(seconds))
