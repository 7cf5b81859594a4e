"""The batch writer: the changes of many records in one commit.

A commit waits for the disk, and a fan-out needs two for each instance: before a record is sent, and when it has ended.
Changes that arrive in the same turn of the event loop, or while the batch before is being committed, are written in one
transaction. Each caller waits until it is committed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import datetime, timedelta

from assist_cli.model.audit import AuditEntry
from assist_cli.model.invocation import Outcome
from assist_cli.model.moment import Moment
from assist_cli.model.outcomes import queue_is_full
from assist_cli.model.status import UNANSWERED
from assist_cli.operations.controller import Controller
from assist_cli.store import audit, notices, records, slots
from assist_cli.store.database import Transaction
from assist_cli.structs import Struct

LARGE = 32  # outcomes of up to 1 MiB that are fetched and written at the same time


class _Written(Struct):
    """The result of a batch: sending times by record, and outcomes of records that did not fit into the queue."""

    sent: Mapping[str, Moment]
    refused: Mapping[str, Outcome]


class _Batch:
    """Changes that are written in one transaction, and the callers that are ``waiting`` for its commit."""

    def __init__(self) -> None:
        self.sending: dict[str, timedelta] = {}
        self.due: dict[str, datetime] = {}
        self.ended: dict[str, Outcome] = {}
        self.accepted: set[str] = set()
        self.queueing: dict[str, str] = {}
        self.waiting: list[asyncio.Future[_Written]] = []

    def write(self, controller: Controller) -> _Written:
        """Write the changes. Raises DatabaseFailure."""
        now = controller.moment()
        with controller.database.transaction() as transaction:
            sent = {
                record_id: now
                for record_id, lifetime in self.sending.items()
                if records.mark_sent(transaction, record_id, now, lifetime)
            }
            if self.due:
                late = {each: max(now.wall - due, timedelta(0)) for each, due in self.due.items()}
                slots.note_lateness(transaction, late)
            if self.accepted:
                records.mark_accepted(transaction, self.accepted)
                slots.settle(transaction, dict.fromkeys(self.accepted, True))
            refused = {}
            if self.queueing:
                from assist_cli.store import queue  # rarely needed

            for record_id, why in self.queueing.items():
                if not queue.put(transaction, record_id, now.wall, why):
                    refused[record_id] = queue_is_full(now.wall)
            if ended := {**self.ended, **refused}:
                _settle(controller, transaction, ended)
            controller.write_contacts(transaction)
        return _Written(sent, refused)


class BatchWriter:
    """A writer for the tasks of one event loop. A failed transaction raises DatabaseFailure in all tasks of its batch.

    The semaphore ``large`` limits how many large outcomes are fetched and written concurrently.
    """

    def __init__(self, controller: Controller) -> None:
        self.large = asyncio.Semaphore(LARGE)
        self._controller = controller
        self._batch = _Batch()
        self._writing: asyncio.Task[None] | None = None
        self._is_due = False  # the batch is to be written now
        self._will_be_due = False

    async def mark_sent(self, record_id: str, lifetime: timedelta, *, due: datetime | None = None) -> Moment | None:
        """Mark a record as sent before its first byte leaves, and return that time.

        Its deadline is ``lifetime`` later. Returns None if it must not be sent: it was stopped or closed. If it was
        ``due`` at a time, its lateness is noted.
        """
        self._batch.sending[record_id] = lifetime
        if due is not None:
            self._batch.due[record_id] = due
        return (await self._written()).sent.get(record_id)

    def note_accepted(self, record_id: str) -> None:
        """Note that the agent has accepted a record. It is written soon, or with the next batch."""
        if not self._will_be_due:
            self._will_be_due = True
            soon = self._controller.timeouts.agent.accepted_soon
            asyncio.get_running_loop().call_later(soon, self._begin_accepted)
        self._batch.accepted.add(record_id)

    async def write_accepted(self) -> None:
        """Write the noted acceptances now. Errors are ignored: the outcome includes the acceptance."""
        if self._batch.accepted:
            self._begin()
        if self._writing is not None:
            await asyncio.wait({self._writing})

    async def settle(self, outcomes: Mapping[str, Outcome]) -> None:
        """Write the outcomes of records, by record id."""
        if outcomes:
            self._batch.ended.update(outcomes)
            self._batch.accepted.difference_update(outcomes)  # an outcome includes the acceptance
            await self._written()

    async def enqueue(self, record_id: str, why: str) -> Outcome | None:
        """Queue a record for its instance, for the reason ``why``. Returns its outcome if the queue is full."""
        self._batch.queueing[record_id] = why
        return (await self._written()).refused.get(record_id)

    async def _written(self) -> _Written:
        """Wait until the current batch is committed."""
        committed: asyncio.Future[_Written] = asyncio.get_running_loop().create_future()
        self._batch.waiting.append(committed)
        self._begin()
        return await committed

    def _begin_accepted(self) -> None:
        self._will_be_due = False
        if self._batch.accepted:
            self._begin()

    def _begin(self) -> None:
        """Write the current batch at the end of this turn of the event loop, or after the one that is being written."""
        self._is_due = True
        if self._writing is None:
            self._writing = asyncio.get_running_loop().create_task(self._write())

    async def _write(self) -> None:
        try:
            while self._is_due:
                self._is_due = False
                batch, self._batch = self._batch, _Batch()
                try:
                    written = await self._controller.change(batch.write)
                except Exception as error:
                    for committed in batch.waiting:
                        if not committed.done():  # its caller was cancelled
                            committed.set_exception(error)
                else:
                    for committed in batch.waiting:
                        if not committed.done():
                            committed.set_result(written)
        finally:
            self._writing = None


def _settle(controller: Controller, transaction: Transaction, outcomes: Mapping[str, Outcome]) -> None:
    """Write outcomes. A correction of a record that was closed unanswered gets an audit entry."""
    written = records.settle(transaction, outcomes)
    slots.settle(transaction, {record_id: outcomes[record_id].accepted for record_id in written})
    if written:
        notices.note_ends(transaction, written, controller.now())
    for record_id, before in written.items():
        if before.is_final:
            detail = f"{before} ({UNANSWERED}) to {outcomes[record_id].status}"
            audit.append(
                transaction, AuditEntry(controller.now(), controller.actor, "record.correct", record_id, detail)
            )
