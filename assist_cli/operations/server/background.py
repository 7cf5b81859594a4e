"""What goes on in a server after it has answered: invocations are sent and followed, stopped, agents are upgraded.

All of it runs in the event loop of the server; it is asked for from any thread. What was recorded with its ``token`` is
sent by it and nobody else: when the server is killed, what it had not sent is closed at the next look, and what it had
sent is asked for (docs/rules.md section 2). The values of secrets stay in memory.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Coroutine, Sequence
from typing import Any

from assist_cli.model.instance import LOCAL
from assist_cli.model.invocation import Invocation
from assist_cli.model.target import Selection
from assist_cli.operations.controller import Controller
from assist_cli.operations.fleet import deployment, instances
from assist_cli.operations.runs import dispatch, stop
from assist_cli.operations.runs.batch_writer import BatchWriter
from assist_cli.operations.runs.senders import sender

log = logging.getLogger(__name__)


class Background:
    """Made by ``background``, in the event loop that it works in; ``controller`` was opened in the thread of that."""

    def __init__(self, controller: Controller, token: str) -> None:
        self.token = token
        self._controller = controller
        self._writer = BatchWriter(controller)
        self._loop = asyncio.get_running_loop()
        self._tasks: set[asyncio.Task[None]] = set()

    def take(self, invocation: Invocation) -> None:
        """Send an invocation that was recorded with its token, and follow it to its end."""
        self._soon(f"sending {invocation.id}", dispatch.carry(self._controller, invocation, self._writer))

    def stop(self, invocation_id: str, instance_ids: Sequence[str]) -> None:
        """Have the agents of these end what is Stopping of an invocation."""
        if instance_ids:
            self._soon(f"stopping {invocation_id}", stop.finish(self._controller, invocation_id, instance_ids))

    def install(self, instance_ids: Sequence[str]) -> None:
        """Bring the agents of these to this version; the one of this machine has it already."""
        self._soon(f"upgrading {len(instance_ids)} agents", self._upgrade(tuple(instance_ids)))

    async def close(self) -> None:
        """Let go of everything; the agents go on, and whoever looks next asks them."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _upgrade(self, instance_ids: tuple[str, ...]) -> None:
        known = instances.listing(self._controller, Selection(instance_ids))
        chosen = [each for each in known if each.name != LOCAL]
        outcomes = await deployment.upgrade_all(self._controller, chosen, rotate=False, heard=lambda _: None)
        for outcome in outcomes:
            if outcome.error is not None:
                log.warning("%s", outcome.error)

    def _soon(self, what: str, work: Coroutine[Any, Any, None]) -> None:
        self._loop.call_soon_threadsafe(self._begin, what, work)

    def _begin(self, what: str, work: Coroutine[Any, Any, None]) -> None:
        task = self._loop.create_task(self._watched(what, work))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _watched(self, what: str, work: Coroutine[Any, Any, None]) -> None:
        try:
            await work
        except Exception:
            log.exception("%s went wrong", what)


@contextlib.asynccontextmanager
async def background(controller: Controller) -> AsyncIterator[Background]:
    """One in the running event loop, for as long as the block lasts. Raises FileFailure."""
    with sender(controller.home) as token:
        made = Background(controller, token)
        try:
            yield made
        finally:
            await made.close()
