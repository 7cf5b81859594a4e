"""Notices of changes of the database, for event streams: one check for all of them, and none without a stream."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Callable

from assist_cli.errors import AssistError
from assist_cli.operations.controller import Controller, Controllers
from assist_cli.operations.history import history

log = logging.getLogger(__name__)


class ChangeNotices:
    """Calls its followers after each change of the database, in the event loop."""

    def __init__(self) -> None:
        self._followers: set[Callable[[], None]] = set()
        self._lent = contextlib.ExitStack()
        self._controller: Controller | None = None
        self._task: asyncio.Task[None] | None = None

    @contextlib.asynccontextmanager
    async def follow(self, controllers: Controllers, changed: Callable[[], None]) -> AsyncIterator[Controller]:
        """Call ``changed`` after each change until the end of the block. Yields a controller for the event loop."""
        if self._controller is None:
            self._controller = self._lent.enter_context(controllers.one())
            self._task = asyncio.create_task(self._check(self._controller))
        self._followers.add(changed)
        try:
            yield self._controller
        finally:
            self._followers.discard(changed)
            if not self._followers:
                task, self._task, self._controller = self._task, None, None
                lent, self._lent = self._lent, contextlib.ExitStack()
                if task is not None:
                    task.cancel()
                    await asyncio.wait([task])
                lent.close()

    async def _check(self, controller: Controller) -> None:
        before: object = None
        while True:
            try:
                now = history.changes(controller)
            except AssistError as error:  # the server ends too
                log.info("%s", error)
                return
            if now != before:
                before = now
                for changed in list(self._followers):
                    changed()
            await asyncio.sleep(controller.timeouts.view.push)
