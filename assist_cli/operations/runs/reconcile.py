"""Reconciling open records with their agents: query their state, and correct the database."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

from assist_cli.model.invocation import Record
from assist_cli.model.lifecycle import NOT_ASKED, Answer, Heard
from assist_cli.operations.controller import Controller
from assist_cli.operations.fleet import concurrency
from assist_cli.operations.fleet.connection import connection_to
from assist_cli.operations.runs.batch_writer import BatchWriter
from assist_cli.operations.runs.worker import RecordWorker


def reconcile(controller: Controller, found: Iterable[Record]) -> None:
    """Reconcile each of these records, without waiting for its end. Raises DatabaseFailure.

    Records of a live sender are left to it, except for a stop. An unreachable agent is not an error: its records stay
    open until their deadline.
    """
    asyncio.run(reconcile_all(controller, found))


async def reconcile_all(controller: Controller, found: Iterable[Record]) -> None:
    """Reconcile these records, in a running event loop."""
    by_instance: dict[str, list[Record]] = {}
    for record in found:
        by_instance.setdefault(record.instance_id, []).append(record)
    writer = BatchWriter(controller)

    async def reconcile_instance(several: list[Record]) -> None:
        """Reconcile the records of one instance. After one without an answer, the agent is not queried again."""
        timeouts, now = controller.timeouts.agent, asyncio.get_running_loop().time
        until = now() + timeouts.answer + timeouts.fetch
        answer = NOT_ASKED
        with connection_to(controller, several[0].instance_id) as connection:
            for record in several:
                known = answer if record.sent is not None else NOT_ASKED
                worker = RecordWorker(controller, writer, connection, record, answer=known)
                await worker.reconcile()
                if worker.answer.heard in (Heard.AWAY, Heard.UNREACHABLE, Heard.SILENT):
                    answer = worker.answer
                elif now() > until:
                    answer = Answer(Heard.SILENT)

    await concurrency.each(list(by_instance.values()), reconcile_instance)
    await writer.write_accepted()
