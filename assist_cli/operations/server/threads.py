"""The threads in which a server changes its database, so that its event loop never waits for a commit.

Their changes share one connection and its commits with those of the API and the console (``store.shared_writer``).
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from assist_cli.operations.controller import Controller, Controllers

WRITERS = 8  # they wait most of the time, and those that wait at the same time share one commit

# Seconds for which a thread may keep the interpreter from the event loop. The loop gives it up at each system call, a
# dozen times for one call of the API, so with the usual 5 ms a thread that computes would stop the loop.
SWITCH_INTERVAL = 0.0005


@contextlib.contextmanager
def with_threads(controller: Controller, controllers: Controllers) -> Iterator[Controller]:
    """Return the controller of an event loop whose changes are made in threads, until the end of the block."""

    def work_with(given: Controller, work: Callable[[Controller], Any]) -> Any:
        with controllers.one() as own:
            return work(given.replace(database=own.database))

    async def in_thread(given: Controller, work: Callable[[Controller], Any]) -> Any:
        return await asyncio.get_running_loop().run_in_executor(threads, work_with, given, work)

    usual = sys.getswitchinterval()
    sys.setswitchinterval(SWITCH_INTERVAL)
    try:
        with ThreadPoolExecutor(WRITERS, thread_name_prefix="writer") as threads:
            yield controller.replace(in_thread=in_thread)
    finally:
        sys.setswitchinterval(usual)
