"""The deliverer: it delivers due records over the connection pool, and follows them to their end."""

from __future__ import annotations

import asyncio
import contextlib
import logging

from assist_cli.errors import AssistError, DatabaseFailure, InternalError
from assist_cli.model.output import Portion
from assist_cli.model.status import InvocationStatus
from assist_cli.operations.controller import Controller
from assist_cli.operations.fleet.pool import ConnectionPool
from assist_cli.operations.runs import payload
from assist_cli.operations.runs.batch_writer import BatchWriter
from assist_cli.operations.runs.delivery import Delivery, Request
from assist_cli.operations.runs.worker import RecordWorker
from assist_cli.operations.server.failures import Failures
from assist_cli.operations.server.firing import DueRecord

log = logging.getLogger(__name__)


class Deliverer:
    """The deliveries of a server, with one task for each due record. ``under_way`` has the tasks by record id."""

    def __init__(
        self, controller: Controller, token: str, writer: BatchWriter, pool: ConnectionPool, failures: Failures
    ) -> None:
        self._controller = controller
        self._token = token
        self._writer = writer
        self._pool = pool
        self._failures = failures
        self.under_way: dict[str, asyncio.Task[None]] = {}
        self._unaccepted: set[str] = set()

    def carry(self, due: DueRecord) -> None:
        """Start the delivery of a record."""
        record_id = due.record.id
        self._unaccepted.add(record_id)
        task = asyncio.get_running_loop().create_task(self._carry(due))
        self.under_way[record_id] = task
        task.add_done_callback(lambda _: self._done(record_id))

    def unaccepted(self) -> list[asyncio.Task[None]]:
        """The tasks whose record is not known to be accepted by its agent."""
        return [self.under_way[record_id] for record_id in self._unaccepted]

    def cancel(self) -> list[asyncio.Task[None]]:
        """Cancel and return all tasks. Their records stay open, and are reconciled later."""
        tasks = list(self.under_way.values())
        for task in tasks:
            task.cancel()
        return tasks

    def _done(self, record_id: str) -> None:
        self._unaccepted.discard(record_id)
        self.under_way.pop(record_id, None)

    async def _carry(self, due: DueRecord) -> None:
        """Deliver a record, and follow it to its end. An error is noted at its schedule."""
        try:
            await self._deliver(due)
        except Exception as error:
            is_bug = not isinstance(error, AssistError)
            log.error("cannot deliver record %s: %s", due.record.id, error, exc_info=is_bug)
            if not isinstance(error, DatabaseFailure):
                with contextlib.suppress(DatabaseFailure):  # the error is in the log
                    await self._note(due, error)

    async def _deliver(self, due: DueRecord) -> None:
        prepared = _Prepared(self._controller, due)
        async with self._pool.connection(due.instance.instance_id) as connection:
            worker = RecordWorker(
                self._controller,
                self._writer,
                connection,
                due.record,
                token=self._token,
                delivery=Delivery(due.invocation.timeout, prepared.request, due=due.when, noted=due.noted),
            )
            outcome = await worker.send()
            self._unaccepted.discard(due.record.id)
            if prepared.error is not None:
                await self._note(due, prepared.error)
            elif prepared.is_ready and self._failures.has(due.invocation.id):
                await self._controller.change(self._failures.clear, due.invocation.id)
            if outcome is None:
                await worker.finish()
            elif outcome.status is InvocationStatus.FAILED and not outcome.accepted:
                name = due.instance.instance_name
                log.warning("%s: not delivered to %s: %s", due.invocation.id, name, outcome.error_info)

    async def _note(self, due: DueRecord, error: Exception) -> None:
        await self._controller.change(self._failures.note, due.invocation.id, error)


class _Prepared:
    """The request of a record: whether it could be made, and the ``error`` if not."""

    def __init__(self, controller: Controller, due: DueRecord) -> None:
        self._controller = controller
        self._due = due
        self.is_ready = False
        self.error: AssistError | None = None

    def request(self) -> Request:
        """Return the request. Raises AssistError."""
        due = self._due
        try:
            _, params = payload.request(due.with_secrets(), due.instance, self._controller.region)
        except AssistError as error:
            self.error = error
            raise
        except Exception as error:  # a bug; its text may contain values of parameters
            self.error = InternalError(
                f"cannot prepare the request of {due.invocation.id}: {type(error).__name__}",
                hint=f"assist invocation show {due.invocation.id} shows its script and parameters",
            )
            raise self.error from error
        self.is_ready = True
        return lambda client: client.run(params, Portion.ENDS)
