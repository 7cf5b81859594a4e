"""Recovery of open records without a live sender: of detached runs, and of processes that were killed.

The server sends records that were transferred to it, follows sent ones, delivers stops, and closes records that are
past their deadline or that no process will send. It also queries the outcome of records that were closed unanswered.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Collection, Coroutine, Mapping, Set
from datetime import datetime, timedelta

from assist_cli.errors import AssistError, DatabaseFailure
from assist_cli.model.invocation import Record
from assist_cli.model.lifecycle import RETRY, Action, Facts, Later, Leave, Send, Sender, Step, decide
from assist_cli.model.status import InvocationStatus
from assist_cli.operations.controller import Controller
from assist_cli.operations.fleet.pool import ConnectionPool
from assist_cli.operations.runs import follow, senders
from assist_cli.operations.runs.batch_writer import BatchWriter
from assist_cli.operations.runs.reconcile import reconcile_all
from assist_cli.operations.runs.worker import RecordWorker, sender_of
from assist_cli.operations.server.deliverer import Deliverer
from assist_cli.operations.server.firing import DueRecord
from assist_cli.operations.server.queue import QueueDelivery
from assist_cli.store import invocations, records

CORRECTIBLE = timedelta(days=30)  # the retention of records on an agent

log = logging.getLogger(__name__)


async def keep_correcting(controller: Controller) -> None:
    """Correct records periodically: agents that were unreachable may answer again."""
    while True:
        await asyncio.sleep(controller.timeouts.server.correction)
        try:
            await correct(controller)
        except AssistError as error:
            log.error("%s", error)


async def correct(controller: Controller) -> None:
    """Query the records that were closed unanswered, and write their true outcomes (docs/rules.md section 2)."""
    await reconcile_all(controller, records.unanswered(controller.database, controller.now() - CORRECTIBLE))


class Recovery:
    """The recovery of a server, with one task for each open record without a live sender."""

    def __init__(
        self,
        controller: Controller,
        token: str,
        writer: BatchWriter,
        pool: ConnectionPool,
        deliverer: Deliverer,
        queue: QueueDelivery,
    ) -> None:
        self._controller = controller
        self._token = token
        self._writer = writer
        self._pool = pool
        self._deliverer = deliverer
        self._queue = queue
        self.under_way: dict[str, asyncio.Task[None]] = {}
        self._told: set[str] = set()
        self._failed: set[str] = set()  # by a bug

    def scan(self, held: Mapping[str, datetime]) -> bool:
        """Start the recovery of all open records. Returns True if other processes work on some: scan again soon.

        ``held`` has the times until which the server holds back its own records, by record id.
        """
        attended = {*held, *self._deliverer.under_way, *self._queue.under_way, *self.under_way, *self._failed}
        database, moment = self._controller.database, self._controller.moment()
        living = self._living(records.senders(database))
        found = records.unhandled(database, attended, living, moment.wall)
        for invocation_id, open_records in found.items():
            unsent = []
            for record in open_records:
                if record.id in self.under_way or record.id in self._failed or record.may_wait:
                    continue  # the queue delivers or closes it
                try:
                    facts = self._facts(record, living, held)
                    action = decide(record, facts, moment)
                    if isinstance(action, Send):
                        unsent.append(record.id)
                    else:
                        self._act(record, facts, action)
                except DatabaseFailure:
                    raise
                except Exception:  # an error in one record must not affect other records and schedules
                    self._failed.add(record.id)
                    log.exception("cannot recover record %s of %s", record.id, invocation_id)
            if unsent:
                self._send(invocation_id, unsent)
        self._told &= {record.id for open_records in found.values() for record in open_records}
        return bool(living)

    def _living(self, tokens: Set[str]) -> set[str]:
        """Those of these senders that are other processes, and alive."""
        found = set()
        for token in tokens - {self._token}:
            with contextlib.suppress(OSError, ValueError):  # the records of an impossible one are looked at
                if senders.is_alive(self._controller.home, token):
                    found.add(token)
        return found

    def _act(self, record: Record, facts: Facts, action: Action) -> None:
        """Start an action on a record."""
        if isinstance(action, Leave):
            return
        if action is Step.TELL_STOP and facts.sender is Sender.BUSY:
            self._told.add(record.id)
            self._begin(record, self._tell_stop(record))
        else:
            self._begin(record, self._finish(record))

    async def settled(self, patience: float) -> None:
        """Wait up to ``patience`` seconds for the tasks that have started."""
        if self.under_way:
            await asyncio.wait(set(self.under_way.values()), timeout=patience)

    def cancel(self) -> list[asyncio.Task[None]]:
        """Cancel and return all tasks. Their records stay open, and are reconciled later."""
        tasks = list(self.under_way.values())
        for task in tasks:
            task.cancel()
        return tasks

    def _facts(self, record: Record, living: Collection[str], held: Mapping[str, datetime]) -> Facts:
        """The facts about a record before its agent is queried; ``living`` are the other senders that are alive."""
        if record.id in self._deliverer.under_way or record.id in self._queue.under_way:
            sender = Sender.BUSY
        elif record.sender in living:
            sender = Sender.OTHER
        else:
            sender = sender_of(self._controller, record, self._token)
        until = held.get(record.id)
        return Facts(
            sender,
            start=None if until is None else Later((until - self._controller.now()).total_seconds()),
            can_send=sender is Sender.MINE and record.sent is None,  # it was transferred to this server
            accepted=record.accepted,
            told=record.id in self._told and record.status is InvocationStatus.STOPPING,
        )

    def _send(self, invocation_id: str, record_ids: Collection[str]) -> None:
        """Send records of an invocation that were transferred to this server.

        It is read one time for all of them: reading thousands of instances for each of thousands would take minutes.
        """
        wanted, now = set(record_ids), self._controller.now()
        try:
            invocation = invocations.get(self._controller.database, invocation_id, output=False)
            what = invocation._replace(instances=())  # each delivery keeps it until the record has ended
            for instance in invocation.instances:
                if instance.record.id in wanted:
                    self._deliverer.carry(DueRecord(what, instance, now))
        except DatabaseFailure:
            raise
        except Exception:
            self._failed |= wanted
            log.exception("cannot recover the records of %s", invocation_id)

    def _begin(self, record: Record, work: Coroutine[None, None, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self.under_way[record.id] = task
        task.add_done_callback(lambda done: self._done(record.id, done))

    def _done(self, record_id: str, task: asyncio.Task[None]) -> None:
        self.under_way.pop(record_id, None)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("cannot recover record %s: %s", record_id, error, exc_info=not isinstance(error, AssistError))

    async def _tell_stop(self, record: Record) -> None:
        """Tell the agent to stop a record that another task handles. Retry until the agent has the request."""
        async with self._pool.connection(record.instance_id) as connection:
            while True:
                answer = await follow.tell_stop(self._controller, connection, record)
                known = records.get(self._controller.database, record.id)
                if answer.heard in follow.WAS_TOLD or known is None or known.status.is_final:
                    return
                await asyncio.sleep(RETRY)

    async def _finish(self, record: Record) -> None:
        async with self._pool.connection(record.instance_id) as connection:
            worker = RecordWorker(self._controller, self._writer, connection, record, token=self._token)
            await worker.finish()
