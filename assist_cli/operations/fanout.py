"""Doing the same on many instances at once, and never on too many."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

CONCURRENCY = 256
# What this process has open besides its connections: the database, locks, pipes, what a library opens for a moment.
SPARE_DESCRIPTORS = 64

T = TypeVar("T")
R = TypeVar("R")


def width(wanted: int = CONCURRENCY) -> int:
    """How many connections may be open at once: ``wanted``, or fewer where the system allows fewer open files."""
    if sys.platform == "win32":
        return wanted
    import resource

    allowed, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if allowed == resource.RLIM_INFINITY:
        return wanted
    return max(1, min(wanted, allowed - SPARE_DESCRIPTORS))


async def each(items: Sequence[T], work: Callable[[T], Awaitable[R]], *, at_once: int | None = None) -> list[R]:
    """The result of ``work`` for each item, in their order; at most ``at_once`` (None: ``width()``) are at work.

    The first error ends it all, so ``work`` makes a value of what may happen to one item.
    """
    room = asyncio.Semaphore(at_once or width())

    async def one(item: T) -> R:
        async with room:
            return await work(item)

    return await asyncio.gather(*map(one, items))
