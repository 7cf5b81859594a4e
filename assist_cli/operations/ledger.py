"""How outcomes are written: one at a time, or, in a fan-out, many in one commit.

A commit waits for the disk, and a fan-out has two of them for each instance: before a record is sent, and when it has
ended. What instances want written while the loop is busy with others is written together, in one transaction; whoever
asked goes on when it is on the disk.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import datetime, timedelta

from assist_cli.model.audit import Entry
from assist_cli.model.invocation import Outcome
from assist_cli.model.status import UNANSWERED
from assist_cli.operations.controller import Controller
from assist_cli.store import audit, records
from assist_cli.store.database import Transaction


def settle(controller: Controller, outcomes: Mapping[str, Outcome]) -> None:
    """Write how records ended, by record id. Raises DatabaseFailure; the agents keep what they have, then."""
    if outcomes:
        with controller.database.transaction() as transaction:
            _settle(controller, transaction, outcomes)


class Ledger:
    """Writes for the tasks of one event loop. What it raises (DatabaseFailure) reaches all whose writes it undid."""

    def __init__(self, controller: Controller) -> None:
        self._controller = controller
        self._sending: dict[str, timedelta] = {}
        self._ended: dict[str, Outcome] = {}
        self._batch: asyncio.Future[dict[str, datetime]] | None = None

    async def mark_sent(self, record_id: str, lifetime: timedelta) -> datetime | None:
        """Note that bytes of a record may leave from now on, and which moment that is.

        Its deadline is a ``lifetime`` later. None when it is not to be sent: it was stopped, or is closed.
        """
        self._sending[record_id] = lifetime
        return (await self._written()).get(record_id)

    async def settle(self, outcomes: Mapping[str, Outcome]) -> None:
        """Write how records ended, by record id."""
        if outcomes:
            self._ended.update(outcomes)
            await self._written()

    async def _written(self) -> dict[str, datetime]:
        """Wait for the batch that is being gathered; it is written when the loop has run what is ready now."""
        if self._batch is None:
            loop = asyncio.get_running_loop()
            self._batch = loop.create_future()
            loop.call_soon(self._write, self._batch)
        return await asyncio.shield(self._batch)

    def _write(self, batch: asyncio.Future[dict[str, datetime]]) -> None:
        sending, ended = self._sending, self._ended
        self._sending, self._ended, self._batch = {}, {}, None
        now = self._controller.now()
        try:
            with self._controller.database.transaction() as transaction:
                sent = {
                    record_id: now
                    for record_id, lifetime in sending.items()
                    if records.mark_sent(transaction, record_id, now, lifetime)
                }
                _settle(self._controller, transaction, ended)
        except Exception as error:
            batch.set_exception(error)
        else:
            batch.set_result(sent)


def _settle(controller: Controller, transaction: Transaction, outcomes: Mapping[str, Outcome]) -> None:
    """That a record was closed unanswered, and is corrected now, is told in the audit log."""
    for record_id, before in records.settle(transaction, outcomes).items():
        if before.is_final:
            detail = f"{before} ({UNANSWERED}) to {outcomes[record_id].status}"
            audit.append(transaction, Entry(controller.now(), controller.actor, "record.correct", record_id, detail))
