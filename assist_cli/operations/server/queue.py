"""Delivery of the queue: records that wait for instances that were away (docs/rules.md section 2).

An instance with queued records is retried after it has answered for another reason, and every ``queue_sweep`` seconds.
When it answers, its records are delivered in order. A record that hangs delays the next one by at most ``queue_turn``
seconds. Each instance has its own task, so one that hangs delays no other.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import logging
from collections.abc import Coroutine, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from assist_cli.errors import AssistError
from assist_cli.model.invocation import Invocation, InvocationInstance, QueuedRecord, Record
from assist_cli.model.lifecycle import Heard, Sender
from assist_cli.model.output import Portion
from assist_cli.operations.commands import parameters
from assist_cli.operations.controller import Controller
from assist_cli.operations.fleet.pool import ConnectionPool
from assist_cli.operations.runs import follow, payload
from assist_cli.operations.runs.batch_writer import BatchWriter
from assist_cli.operations.runs.delivery import Delivery, Request
from assist_cli.operations.runs.worker import RecordWorker, sender_of
from assist_cli.store import instances, invocations, queue

log = logging.getLogger(__name__)


class QueueDelivery:
    """The delivery of queued records by a server. ``under_way`` has the tasks by record id."""

    def __init__(self, controller: Controller, token: str, writer: BatchWriter, pool: ConnectionPool) -> None:
        self._controller = controller
        self._timeouts = controller.timeouts.server
        self._token = token
        self._writer = writer
        self._pool = pool
        self.under_way: dict[str, asyncio.Task[None]] = {}
        self._instances: dict[str, asyncio.Task[None]] = {}
        self._failed: set[str] = set()  # by a bug

    async def keep_delivering(self) -> None:
        """Deliver and close queued records periodically, until cancelled."""
        while True:
            await asyncio.sleep(self._timeouts.queue_look)
            try:
                self.look()
            except AssistError as error:
                log.error("%s", error)

    def look(self) -> None:
        """Start the delivery to the instances that are due for a retry, and close expired records."""
        now = self._controller.now()
        waiting: dict[str, list[QueuedRecord]] = {}
        for each in queue.undelivered(self._controller.database):
            record = each.record
            if record.id in self.under_way or record.id in self._failed:
                continue
            if sender_of(self._controller, record, self._token) is Sender.OTHER:
                continue
            assert record.deliver_by is not None
            if record.deliver_by <= now:
                self._begin(record.id, self._close(record))
            else:
                waiting.setdefault(record.instance_id, []).append(each)
        for instance_id, several in waiting.items():
            if instance_id not in self._instances and self._is_due(instance_id, several, now):
                task = asyncio.get_running_loop().create_task(self._deliver(instance_id, several))
                self._instances[instance_id] = task
                task.add_done_callback(functools.partial(self._tried, instance_id))

    def cancel(self) -> list[asyncio.Task[None]]:
        """Cancel and return all tasks. Undelivered records stay in the queue."""
        tasks = [*self._instances.values(), *self.under_way.values()]
        for task in tasks:
            task.cancel()
        return tasks

    def _is_due(self, instance_id: str, several: Sequence[QueuedRecord], now: datetime) -> bool:
        """Return True if an instance is due for a retry: it has answered since, or the last attempt was long ago."""
        tried = max((each.record.wait.tried for each in several if each.record.wait), default=None)
        if tried is None or any(each.record.wait is None for each in several):
            return True
        if not timedelta(0) <= now - tried < timedelta(seconds=self._timeouts.queue_sweep):
            return True
        heard = self._controller.heard(instance_id)
        if heard is None and (known := instances.by_id(self._controller.database, instance_id)) is not None:
            heard = known.heard
        return heard is not None and heard > tried

    async def _deliver(self, instance_id: str, several: Sequence[QueuedRecord]) -> None:
        """Deliver these records to one instance, in order. If it is away, note that."""
        async with self._pool.connection(instance_id) as connection:
            try:
                await connection.client()
            except AssistError as error:
                answer = follow.heard(error)
                if answer.heard is Heard.AWAY:
                    await asyncio.gather(*(self._writer.enqueue(each.record.id, answer.why) for each in several))
                    return  # any other error is an outcome, and the delivery of each record writes it
            for each in several:
                if self._adopt(each):
                    sent = asyncio.Event()
                    self._begin(each.record.id, self._carry(each, sent))
                    with contextlib.suppress(asyncio.TimeoutError):
                        await asyncio.wait_for(sent.wait(), self._timeouts.queue_turn)

    def _adopt(self, each: QueuedRecord) -> bool:
        """Become the sender of a record. Return False if it is not queued any more."""
        with self._controller.database.transaction() as transaction:
            return queue.adopt(transaction, each.record.id, self._token)

    async def _carry(self, each: QueuedRecord, sent: asyncio.Event) -> None:
        """Deliver a record and follow it to its end. ``sent`` is set after its delivery has succeeded or failed."""
        record = replace(each.record, sender=self._token)
        async with self._pool.connection(record.instance_id) as connection:
            worker = RecordWorker(
                self._controller,
                self._writer,
                connection,
                record,
                token=self._token,
                delivery=self._delivery(each, record),
            )
            try:
                outcome = await worker.send()
            finally:
                sent.set()
            if outcome is None and not worker.is_queued:
                await worker.finish()

    def _delivery(self, each: QueuedRecord, record: Record) -> Delivery:
        invocation = invocations.what(self._controller.database, each.invocation_id)
        instance = InvocationInstance(record.instance_id, each.instance_name, record.status, record.number, record)

        def prepare() -> Request:
            whole = self._with_inputs(invocation)
            method, params = payload.request(whole, instance, self._controller.region)
            if method == "task.run":
                return lambda client: client.run(params, Portion.ENDS)
            return lambda client: client.call(method, params)

        return Delivery(invocation.timeout, prepare)

    def _with_inputs(self, invocation: Invocation) -> Invocation:
        """Return an invocation with the values of its secrets, read now, or with the content of its file.

        Raises InvalidParameter and FileFailure.
        """
        references, content = queue.inputs(self._controller.database, invocation.id)
        if content is not None:
            return replace(invocation, content=content)
        read = {key: parameters.secret(key, reference) for key, reference in references.items()}
        return replace(invocation, parameters={**invocation.parameters, **read})

    async def _close(self, record: Record) -> None:
        """Close an expired record, unless its agent answers now and has it."""
        async with self._pool.connection(record.instance_id) as connection:
            await RecordWorker(self._controller, self._writer, connection, record, token=self._token).finish()

    def _begin(self, record_id: str, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self.under_way[record_id] = task
        task.add_done_callback(lambda done: self._done(record_id, done))

    def _done(self, record_id: str, task: asyncio.Task[None]) -> None:
        self.under_way.pop(record_id, None)
        self._report(f"deliver record {record_id}", task, record_id)

    def _tried(self, instance_id: str, task: asyncio.Task[None]) -> None:
        self._instances.pop(instance_id, None)
        self._report(f"deliver queued records to {instance_id}", task)

    def _report(self, what: str, task: asyncio.Task[None], record_id: str | None = None) -> None:
        if task.cancelled() or (error := task.exception()) is None:
            return
        log.error("cannot %s: %s", what, error, exc_info=not isinstance(error, AssistError))
        if record_id is not None and not isinstance(error, AssistError):
            self._failed.add(record_id)
