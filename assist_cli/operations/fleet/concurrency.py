"""Fan-out: the same work on many instances, with limited concurrency."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar, cast

CONCURRENCY = 256
SPARE_FILES = 64  # file descriptors that are reserved for everything but connections

T = TypeVar("T")
R = TypeVar("R")


def connections() -> int:
    """Return the maximum number of open connections of this process.

    Raises the soft limit of open files to the hard limit.
    """
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
            soft = hard
    return 2**16 if soft == resource.RLIM_INFINITY else max(soft - SPARE_FILES, 1)


async def each(items: Sequence[T], work: Callable[[T], Awaitable[R]], *, limit: int = CONCURRENCY) -> list[R]:
    """Run ``work`` on each item and return the results in order. Concurrency is at most ``limit``, or the number of
    connections that the system allows.

    ``work`` returns expected failures as values. An error that it raises is raised after all have ended.
    """
    free = asyncio.Semaphore(min(limit, connections()))

    async def one(item: T) -> R:
        async with free:
            return await work(item)

    results = await asyncio.gather(*map(one, items), return_exceptions=True)
    for result in results:
        if isinstance(result, BaseException):
            raise result
    return cast("list[R]", results)
