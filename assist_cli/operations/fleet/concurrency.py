"""Doing the same on many instances at once, and never on too many."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar, cast

CONCURRENCY = 256
SPARE_FILES = 64  # descriptors that are kept for everything but connections

T = TypeVar("T")
R = TypeVar("R")


def connections() -> int:
    """How many connections this process may have open at once.

    The limit of open files is raised as far as the system lets us.
    """
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
            soft = hard
    return 2**16 if soft == resource.RLIM_INFINITY else max(soft - SPARE_FILES, 1)


async def each(items: Sequence[T], work: Callable[[T], Awaitable[R]], *, at_once: int = CONCURRENCY) -> list[R]:
    """The result of ``work`` for each item, in their order; at most ``at_once`` are at work, or fewer where the system
    allows fewer connections.

    What may happen to one item ``work`` makes a value of. An error that it raises is raised when all have ended.
    """
    room = asyncio.Semaphore(min(at_once, connections()))

    async def one(item: T) -> R:
        async with room:
            return await work(item)

    results = await asyncio.gather(*map(one, items), return_exceptions=True)
    for result in results:
        if isinstance(result, BaseException):
            raise result
    return cast("list[R]", results)
