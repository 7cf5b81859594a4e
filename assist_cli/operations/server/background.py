"""Background work of a server after its answer to a call of the API or the console: dispatch, stop, upgrade.

It runs in the event loop of the server, and is requested from any thread. Only it sends the records with its ``token``.
If the server is killed, reconciling closes its unsent records and queries the sent ones (docs/rules.md section 2). The
values of secrets stay in memory.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Coroutine, Sequence
from typing import Any

from assist_cli.errors import AssistError
from assist_cli.model.access import AccessKey
from assist_cli.model.instance import LOCAL
from assist_cli.model.invocation import Invocation
from assist_cli.model.rollout import AT_ONCE, Rollout
from assist_cli.model.target import Selection
from assist_cli.operations.access import accesskeys
from assist_cli.operations.controller import Controller
from assist_cli.operations.fleet import deployment, instances
from assist_cli.operations.fleet.pool import ConnectionPool
from assist_cli.operations.runs import dispatch, stop
from assist_cli.operations.runs.batch_writer import BatchWriter
from assist_cli.operations.runs.senders import sender
from assist_cli.units import count

log = logging.getLogger(__name__)


class Background:
    """Background work in one event loop, see ``background``. ``controller`` was opened in the thread of that loop."""

    def __init__(self, controller: Controller, token: str) -> None:
        self.token = token
        self._controller = controller
        self._writer = BatchWriter(controller)
        self._pool = ConnectionPool(controller, keeps_idle=False)
        self._loop = asyncio.get_running_loop()
        self._tasks: set[asyncio.Task[None]] = set()
        self._used: set[str] = set()  # keys whose last use is being written

    def take(self, invocation: Invocation, rollout: Rollout = AT_ONCE) -> None:
        """Send an invocation that was recorded with this token, and follow it to its end."""
        work = dispatch.carry(self._controller, invocation, self._writer, rollout, connect=self._pool.connection)
        self._schedule(f"sending {invocation.id}", work)

    def stop(self, invocation_id: str, instance_ids: Sequence[str]) -> None:
        """Tell the agents of these instances to stop the Stopping records of an invocation."""
        if instance_ids:
            self._schedule(f"stopping {invocation_id}", stop.finish(self._controller, invocation_id, instance_ids))

    def install(self, instance_ids: Sequence[str]) -> None:
        """Upgrade the agents of these instances. The agent of this machine has this version already."""
        self._schedule(f"upgrading {count(len(instance_ids), 'agent')}", self._upgrade(tuple(instance_ids)))

    def note_used(self, key: AccessKey) -> None:
        """Write the time of last use of a key. A call does not wait for it."""
        if key.id not in self._used:
            self._used.add(key.id)
            self._schedule(f"noting the use of {key.id}", self._note_used(key))

    async def close(self) -> None:
        """Cancel all work. Scripts continue on the agents, and are reconciled later."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._pool.close()

    async def _note_used(self, key: AccessKey) -> None:
        try:
            await self._controller.change(accesskeys.note_used, key)
        finally:
            self._used.discard(key.id)

    async def _upgrade(self, instance_ids: tuple[str, ...]) -> None:
        known = instances.listing(self._controller, Selection(instance_ids))
        chosen = [each for each in known if each.name != LOCAL]
        outcomes = await deployment.upgrade_all(self._controller, chosen, rotate=False, heard=lambda _: None)
        for outcome in outcomes:
            if outcome.error is not None:
                log.warning("%s", outcome.error)

    def _schedule(self, what: str, work: Coroutine[Any, Any, None]) -> None:
        self._loop.call_soon_threadsafe(self._begin, what, work)

    def _begin(self, what: str, work: Coroutine[Any, Any, None]) -> None:
        task = self._loop.create_task(self._logged(what, work))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _logged(self, what: str, work: Coroutine[Any, Any, None]) -> None:
        try:
            await work
        except AssistError as error:
            log.error("%s failed: %s", what, error)
        except Exception as error:
            from assist_cli import bug_report

            log.error("%s failed: %s", what, bug_report.reported(self._controller.home, error, "do it"))


@contextlib.asynccontextmanager
async def background(controller: Controller) -> AsyncIterator[Background]:
    """Open a ``Background`` in the running event loop until the end of the block. Raises FileFailure."""
    with sender(controller.home) as token:
        made = Background(controller, token)
        try:
            yield made
        finally:
            await made.close()
