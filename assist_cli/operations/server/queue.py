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
from collections.abc import Collection, Coroutine, Sequence
from datetime import timedelta
from typing import Any

from assist_cli.errors import AssistError
from assist_cli.model.invocation import NOBODY, Invocation, InvocationInstance, QueuedRecord, Record
from assist_cli.model.lifecycle import Heard
from assist_cli.model.outcomes import waited
from assist_cli.model.output import Portion
from assist_cli.model.status import InvocationStatus
from assist_cli.operations import periodic
from assist_cli.operations.commands import parameters
from assist_cli.operations.controller import Controller
from assist_cli.operations.fleet.pool import ConnectionPool
from assist_cli.operations.runs import follow, senders
from assist_cli.operations.runs.batch_writer import BatchWriter
from assist_cli.operations.runs.delivery import Delivery, Request, request
from assist_cli.operations.runs.worker import RecordWorker
from assist_cli.store import invocations, queue

AT_ONCE = 256  # concurrent retries; an instance that has answered does not wait for them

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
        self._heard: set[str] = set()  # instances that have connected during an attempt, which may be too early
        self._undelivered: set[str] = set()  # those under way that are neither accepted nor closed
        self._failed: set[str] = set()  # by a bug

    async def keep_delivering(self) -> None:
        """Deliver and close queued records periodically, until cancelled."""
        while True:
            await periodic.pause(self._timeouts.queue_look)
            try:
                await self.look()
            except AssistError as error:
                log.error("%s", error)

    async def try_all(self, patience: float, stopped: asyncio.Event) -> None:
        """Try each instance with queued records one time, and close expired records.

        Return when all records were accepted, have failed or stay queued, on ``stopped``, and at most after
        ``patience`` seconds.
        """
        loop = asyncio.get_running_loop()
        end = loop.time() + patience
        tried: set[str] = set()
        while not stopped.is_set() and loop.time() < end:
            before = len(tried)
            await self.look(tried)
            if len(tried) == before and not self._instances and not self._undelivered:
                return
            await asyncio.sleep(self._timeouts.arrival)

    async def look(self, tried: set[str] | None = None) -> None:
        """Start the delivery to the instances that are due for a retry, and close expired records.

        With ``tried`` all instances are due that are not in it; those that are tried now are added to it.
        """
        pause = timedelta(seconds=0 if tried is not None else self._timeouts.queue_sweep)
        database, now = self._controller.database, self._controller.now()
        busy = self._busy()
        if busy is None:
            return
        await self._controller.contacts_settled()  # ``due`` reads them
        for each in queue.expired(database, now):
            if self._is_free(each, busy):
                self._begin(each.record.id, self._close(each))
        for instance_id, heard in queue.due(database, now, pause, busy).items():
            if tried is not None and instance_id in tried:
                continue
            if instance_id in self._instances or not (heard or len(self._instances) < AT_ONCE):
                continue
            self._retry(instance_id, busy, heard=heard)
            if tried is not None and instance_id in self._instances:
                tried.add(instance_id)

    def hear(self, instance_id: str) -> None:
        """Start the delivery to an instance that may be back now, without waiting for the next retry.

        If an attempt is in progress, another one follows it.
        """
        if instance_id in self._instances:
            self._heard.add(instance_id)
        elif (busy := self._busy()) is not None:
            self._retry(instance_id, busy, heard=True)

    def _busy(self) -> set[str] | None:
        """Return the other senders of records that may wait, as far as they live; None without such records."""
        known = queue.senders(self._controller.database)
        others = known - {NOBODY, self._token}
        return {each for each in others if senders.is_alive(self._controller.home, each)} if known else None

    def _retry(self, instance_id: str, busy: Collection[str], *, heard: bool) -> None:
        several = [
            each for each in queue.undelivered(self._controller.database, instance_id) if self._is_free(each, busy)
        ]
        if several:
            task = asyncio.get_running_loop().create_task(self._deliver(instance_id, several, heard=heard))
            self._instances[instance_id] = task
            task.add_done_callback(functools.partial(self._tried, instance_id))

    def cancel(self) -> list[asyncio.Task[None]]:
        """Cancel and return all tasks. Undelivered records stay in the queue."""
        tasks = [*self._instances.values(), *self.under_way.values()]
        for task in tasks:
            task.cancel()
        return tasks

    def _is_free(self, each: QueuedRecord, busy: Collection[str]) -> bool:
        """Return True for a record that no task of this server and none of these senders handles."""
        record = each.record
        return record.id not in self.under_way and record.id not in self._failed and record.sender not in busy

    async def _deliver(self, instance_id: str, several: Sequence[QueuedRecord], *, heard: bool) -> None:
        """Deliver these records to one instance, in order. If it is away, note that."""
        async with self._pool.connection(instance_id) as connection:
            if heard:
                connection.end_back_off()
            try:
                await connection.client()
            except AssistError as error:
                answer = follow.heard(error)
                if answer.heard is Heard.AWAY:
                    await asyncio.gather(*(self._writer.enqueue(each.record.id, answer.why) for each in several))
                    return  # any other error is an outcome, and the delivery of each record writes it
            for each in several:
                with contextlib.suppress(asyncio.TimeoutError):
                    await asyncio.wait_for(self._start(each).wait(), self._timeouts.queue_turn)

    def _start(self, each: QueuedRecord) -> asyncio.Event:
        """Start the delivery of a record. The event is set when it has succeeded or failed."""
        sent = asyncio.Event()
        self._begin(each.record.id, self._carry(each, sent)).add_done_callback(lambda _: sent.set())
        return sent

    async def _carry(self, each: QueuedRecord, sent: asyncio.Event) -> None:
        """Deliver a record and follow it to its end, unless it is not queued any more. Set ``sent`` in between."""
        if not await self._controller.change(_adopt, each.record.id, self._token):
            return
        record = each.record._replace(sender=self._token)
        async with self._pool.connection(record.instance_id) as connection:
            worker = RecordWorker(
                self._controller,
                self._writer,
                connection,
                record,
                token=self._token,
                delivery=self._delivery(each, record),
            )
            outcome = await worker.send()
            sent.set()
            self._undelivered.discard(record.id)
            if worker.is_queued:
                return
            if outcome is None or outcome.accepted:
                how_long = waited(record.wait.since if record.wait else None, self._controller.now())
                log.info("%s: delivered to %s%s", each.invocation_id, each.instance_name, how_long)
            elif outcome.status is InvocationStatus.FAILED:
                log.warning("%s: not delivered to %s: %s", each.invocation_id, each.instance_name, outcome.error_info)
            if outcome is None:
                await worker.finish()

    def _delivery(self, each: QueuedRecord, record: Record) -> Delivery:
        invocation = invocations.what(self._controller.database, each.invocation_id)
        instance = InvocationInstance(record.instance_id, each.instance_name, record.status, record.number, record)

        def prepare() -> Request:
            return request(self._with_inputs(invocation), instance, self._controller.region, Portion.ENDS)

        return Delivery(invocation.timeout, prepare)

    def _with_inputs(self, invocation: Invocation) -> Invocation:
        """Return an invocation with the values of its secrets, read now, or with the content of its file.

        Raises InvalidParameter and FileFailure.
        """
        references, content = queue.inputs(self._controller.database, invocation.id)
        if content is not None:
            return invocation._replace(content=content)
        return parameters.with_secrets(invocation, references)

    async def _close(self, each: QueuedRecord) -> None:
        """Close an expired record, unless its agent answers now and has it."""
        record = each.record
        async with self._pool.connection(record.instance_id) as connection:
            worker = RecordWorker(self._controller, self._writer, connection, record, token=self._token)
            outcome = await worker.finish()
        if outcome is not None and not outcome.accepted:
            log.warning("%s: expired for %s: %s", each.invocation_id, each.instance_name, outcome.error_info)

    def _begin(self, record_id: str, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(work)
        self.under_way[record_id] = task
        self._undelivered.add(record_id)
        task.add_done_callback(lambda done: self._done(record_id, done))
        return task

    def _done(self, record_id: str, task: asyncio.Task[None]) -> None:
        self.under_way.pop(record_id, None)
        self._undelivered.discard(record_id)
        self._report(f"deliver record {record_id}", task, record_id)

    def _tried(self, instance_id: str, task: asyncio.Task[None]) -> None:
        del self._instances[instance_id]
        self._report(f"deliver queued records to {instance_id}", task)
        if instance_id in self._heard:
            self._heard.discard(instance_id)
            if not task.cancelled():
                self._hear_again(instance_id)

    def _hear_again(self, instance_id: str) -> None:
        try:
            self.hear(instance_id)
        except AssistError as error:
            log.error("%s", error)

    def _report(self, what: str, task: asyncio.Task[None], record_id: str | None = None) -> None:
        if task.cancelled() or (error := task.exception()) is None:
            return
        log.error("cannot %s: %s", what, error, exc_info=not isinstance(error, AssistError))
        if record_id is not None and not isinstance(error, AssistError):
            self._failed.add(record_id)


def _adopt(controller: Controller, record_id: str, token: str) -> bool:
    """Become the sender of a record. Return False if it is not queued any more."""
    with controller.database.transaction() as transaction:
        return queue.adopt(transaction, record_id, token)
