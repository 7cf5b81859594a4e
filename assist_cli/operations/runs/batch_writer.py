"""The batch writer: the changes of many records in one commit.

A commit waits for the disk, and a fan-out needs two for each instance: before a record is sent, and when it has ended.
Changes that arrive in the same turn of the event loop are written in one transaction. Each caller waits until it is
committed.
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


class BatchWriter:
    """A writer for the tasks of one event loop. A failed transaction raises DatabaseFailure in all tasks of its batch.

    The semaphore ``large`` limits how many large outcomes are fetched and written concurrently.
    """

    def __init__(self, controller: Controller) -> None:
        self.large = asyncio.Semaphore(LARGE)
        self._controller = controller
        self._sending: dict[str, timedelta] = {}
        self._due: dict[str, datetime] = {}
        self._ended: dict[str, Outcome] = {}
        self._accepted: set[str] = set()
        self._queueing: dict[str, str] = {}
        self._will_write = False
        self._waiting: list[asyncio.Future[_Written]] = []

    async def mark_sent(self, record_id: str, lifetime: timedelta, *, due: datetime | None = None) -> Moment | None:
        """Mark a record as sent before its first byte leaves, and return that time.

        Its deadline is ``lifetime`` later. Returns None if it must not be sent: it was stopped or closed. If it was
        ``due`` at a time, its lateness is noted.
        """
        self._sending[record_id] = lifetime
        if due is not None:
            self._due[record_id] = due
        return (await self._written()).sent.get(record_id)

    def note_accepted(self, record_id: str) -> None:
        """Note that the agent has accepted a record. It is written soon, or with the next batch."""
        if not self._will_write:
            self._will_write = True
            soon = self._controller.timeouts.agent.accepted_soon
            asyncio.get_running_loop().call_later(soon, self.write_accepted)
        self._accepted.add(record_id)

    def write_accepted(self) -> None:
        """Write the noted acceptances now."""
        self._will_write = False
        if self._accepted and not self._waiting:
            self._write()

    async def settle(self, outcomes: Mapping[str, Outcome]) -> None:
        """Write the outcomes of records, by record id."""
        if outcomes:
            self._ended.update(outcomes)
            self._accepted.difference_update(outcomes)  # an outcome includes the acceptance
            await self._written()

    async def enqueue(self, record_id: str, why: str) -> Outcome | None:
        """Queue a record for its instance, for the reason ``why``. Returns its outcome if the queue is full."""
        self._queueing[record_id] = why
        return (await self._written()).refused.get(record_id)

    async def _written(self) -> _Written:
        """Wait until the current batch is committed, at the end of this turn of the event loop."""
        loop = asyncio.get_running_loop()
        if not self._waiting:
            loop.call_soon(self._write)
        committed: asyncio.Future[_Written] = loop.create_future()
        self._waiting.append(committed)
        return await committed

    def _write(self) -> None:
        sending, due, ended, accepted = self._sending, self._due, self._ended, self._accepted
        queueing, waiting = self._queueing, self._waiting
        self._sending, self._due, self._ended, self._accepted = {}, {}, {}, set()
        self._queueing, self._waiting = {}, []
        now = self._controller.moment()
        try:
            with self._controller.database.transaction() as transaction:
                sent = {
                    record_id: now
                    for record_id, lifetime in sending.items()
                    if records.mark_sent(transaction, record_id, now, lifetime)
                }
                if due:
                    slots.note_lateness(transaction, {each: max(now.wall - due[each], timedelta(0)) for each in due})
                if accepted:
                    records.mark_accepted(transaction, accepted)
                    slots.settle(transaction, dict.fromkeys(accepted, True))
                refused = {}
                if queueing:
                    from assist_cli.store import queue  # rarely needed

                for record_id, why in queueing.items():
                    if not queue.put(transaction, record_id, now.wall, why):
                        refused[record_id] = queue_is_full(now.wall)
                ended.update(refused)
                if ended:
                    _settle(self._controller, transaction, ended)
                self._controller.write_contacts(transaction)
        except Exception as error:
            for committed in waiting:
                if not committed.done():  # its caller was cancelled
                    committed.set_exception(error)
        else:
            written = _Written(sent, refused)
            for committed in waiting:
                if not committed.done():
                    committed.set_result(written)


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
