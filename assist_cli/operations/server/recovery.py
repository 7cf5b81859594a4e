"""Seeing through whatever is open and nobody else is at work on: detached runs, and what somebody left who was killed.

What is handed over to the server is sent, what was sent is followed to its end, what is to stop is told so, and what
nobody will send, or whose deadline is over, is closed. What was closed because nobody answered is asked for again.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine
from datetime import timedelta

from assist_cli.errors import AgentError, AssistError
from assist_cli.model.invocation import Outcome, Record
from assist_cli.model.status import InvocationStatus
from assist_cli.operations.controller import Controller
from assist_cli.operations.fleet.pool import ConnectionPool
from assist_cli.operations.runs import stop
from assist_cli.operations.runs.batch_writer import BatchWriter
from assist_cli.operations.runs.follow import ask, conclude, follow, never_arrived, not_sent
from assist_cli.operations.runs.senders import is_alive
from assist_cli.operations.server.deliverer import Deliverer
from assist_cli.operations.server.firing import Delivery
from assist_cli.store import invocations, records

PAUSE_SECONDS = 30.0  # after an agent has refused to tell
CORRECTION_SECONDS = 60.0
CORRECTIBLE = timedelta(days=30)  # for so long an agent knows what it ran

log = logging.getLogger(__name__)


async def keep_correcting(controller: Controller) -> None:
    """Look again and again for what may be corrected, as its agent may be heard by now."""
    while True:
        await asyncio.sleep(CORRECTION_SECONDS)
        try:
            await correct(controller)
        except AssistError as error:
            log.error("%s", error)


async def correct(controller: Controller) -> None:
    """Ask for what was closed because nobody answered, and write how it truly ended (docs/rules.md section 2)."""
    await ask(controller, records.unanswered(controller.database, controller.now() - CORRECTIBLE))


class Recovery:
    """Looks what is open, and has a task for each record that is nobody's."""

    def __init__(
        self, controller: Controller, token: str, writer: BatchWriter, lines: ConnectionPool, deliverer: Deliverer
    ) -> None:
        self._controller = controller
        self._token = token
        self._writer = writer
        self._pool = lines
        self._deliverer = deliverer
        self.under_way: dict[str, asyncio.Task[None]] = {}
        self._told: set[str] = set()

    def scan(self) -> bool:
        """Look once, and begin what is to be done; whether others are at work, so that it is worth to look again."""
        found = records.unsettled(self._controller.database)
        alive: dict[str, bool] = {}
        others = False
        now = self._controller.now()
        for invocation_id, open_records in found.items():
            for record in open_records:
                if record.sender not in alive:
                    alive[record.sender] = is_alive(self._controller.home, record.sender)
                if record.id in self.under_way:
                    continue
                if record.id in self._deliverer.under_way:
                    self._attend(record)
                elif record.sender == self._token and record.is_unsent and record.status is InvocationStatus.RUNNING:
                    self._send(invocation_id, record)
                elif (
                    record.sender != self._token
                    and alive[record.sender]
                    and (record.is_unsent or now <= record.deadline)
                ):
                    others = True
                else:
                    self._begin(record, self._see_through(record))
        self._told &= {record.id for open_records in found.values() for record in open_records}
        return others

    async def settled(self, patience: float) -> None:
        """Wait until what was begun by now has ended, and no longer than this."""
        if self.under_way:
            await asyncio.wait(set(self.under_way.values()), timeout=patience)

    def cancel(self) -> list[asyncio.Task[None]]:
        """Let go of everything; it stays open, for whoever looks next."""
        tasks = list(self.under_way.values())
        for task in tasks:
            task.cancel()
        return tasks

    def _attend(self, record: Record) -> None:
        """A delivery of ours follows it; if it is to stop, its agent is told, once."""
        if record.status is InvocationStatus.STOPPING and record.sent is not None and record.id not in self._told:
            self._told.add(record.id)
            self._begin(record, self._tell_to_stop(record))

    def _send(self, invocation_id: str, record: Record) -> None:
        """It was handed over to us."""
        invocation = invocations.get(self._controller.database, invocation_id, output=False)
        for place in invocation.instances:
            if place.record.id == record.id:
                self._deliverer.carry(Delivery(invocation, place, self._controller.now()))

    def _begin(self, record: Record, work: Coroutine[None, None, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self.under_way[record.id] = task
        task.add_done_callback(lambda done: self._done(record.id, done))

    def _done(self, record_id: str, task: asyncio.Task[None]) -> None:
        self.under_way.pop(record_id, None)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("cannot see %s through: %s", record_id, error, exc_info=not isinstance(error, AssistError))

    async def _tell_to_stop(self, record: Record) -> None:
        async with self._pool.connection(record.instance_id) as connection:
            await stop.ask(self._controller, connection, record)

    async def _see_through(self, record: Record) -> None:
        async with self._pool.connection(record.instance_id) as connection:
            outcome: Outcome | None
            stopping = record.status is InvocationStatus.STOPPING
            if record.sent is None:
                outcome = not_sent(self._controller.now()) if stopping else never_arrived(self._controller.now())
            else:
                try:
                    if stopping and self._controller.now() < record.deadline:
                        await stop.ask(self._controller, connection, record)
                    outcome = await follow(self._controller, connection, record)
                except AgentError as error:
                    log.warning("cannot hear how %s went: %s", record.id, error)
                    await asyncio.sleep(PAUSE_SECONDS)
                    return
            if outcome is not None:
                await conclude(self._writer, connection, {record.id: outcome})
