"""Bringing records to their agents over connections that are kept, and following them to their end."""

from __future__ import annotations

import asyncio
import logging

from assist_cli.errors import AssistError
from assist_cli.model.invocation import Outcome, Record
from assist_cli.model.status import InvocationStatus
from assist_cli.operations.controller import Controller
from assist_cli.operations.fleet.connection import AgentConnection
from assist_cli.operations.fleet.pool import ConnectionPool
from assist_cli.operations.runs import payload
from assist_cli.operations.runs.batch_writer import BatchWriter
from assist_cli.operations.runs.delivery import Request, deliver
from assist_cli.operations.runs.follow import budget, conclude, follow
from assist_cli.operations.server.firing import Delivery

log = logging.getLogger(__name__)


class Deliverer:
    """Carries each delivery in a task of its own. A record is in ``under_way`` for as long as one is at work on it."""

    def __init__(self, controller: Controller, writer: BatchWriter, lines: ConnectionPool) -> None:
        self._controller = controller
        self._writer = writer
        self._pool = lines
        self.under_way: dict[str, asyncio.Task[None]] = {}
        self._unaccepted: set[str] = set()

    def carry(self, delivery: Delivery) -> None:
        """Begin to bring a record to its agent."""
        record_id = delivery.record.id
        self._unaccepted.add(record_id)
        task = asyncio.get_running_loop().create_task(self._carry(delivery))
        self.under_way[record_id] = task
        task.add_done_callback(lambda done: self._done(record_id, done))

    def unaccepted(self) -> list[asyncio.Task[None]]:
        """Those whose record no agent is known to have taken yet."""
        return [self.under_way[record_id] for record_id in self._unaccepted]

    def cancel(self) -> list[asyncio.Task[None]]:
        """Let go of everything; it stays open, for whoever looks next."""
        tasks = list(self.under_way.values())
        for task in tasks:
            task.cancel()
        return tasks

    def _done(self, record_id: str, task: asyncio.Task[None]) -> None:
        self._unaccepted.discard(record_id)
        self.under_way.pop(record_id, None)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("cannot see %s through: %s", record_id, error, exc_info=not isinstance(error, AssistError))

    async def _carry(self, delivery: Delivery) -> None:
        async with self._pool.connection(delivery.place.instance_id) as connection:
            record, outcome = await self._deliver(connection, delivery)
            self._unaccepted.discard(record.id)
            if outcome is None:
                self._writer.note_accepted(record.id)
                outcome = await follow(self._controller, connection, record, accepted=True)
            elif outcome.status is InvocationStatus.FAILED:
                name = delivery.place.instance_name
                log.warning("%s: not delivered to %s: %s", delivery.invocation.id, name, outcome.error_info)
            if outcome is not None:
                await conclude(self._writer, connection, {record.id: outcome})

    async def _deliver(self, connection: AgentConnection, delivery: Delivery) -> tuple[Record, Outcome | None]:
        def prepare() -> Request:
            _, params = payload.request(delivery.with_secrets(), delivery.place, self._controller.region)
            return lambda client: client.run(params, budget=budget(None))

        timeout = delivery.invocation.timeout
        return await deliver(
            self._controller, self._writer, connection, delivery.record, timeout, prepare, due=delivery.when
        )
