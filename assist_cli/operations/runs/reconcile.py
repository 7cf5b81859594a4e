"""Reconciling with the agents: they are asked how records stand that may change yet, and what they tell is written."""

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
    """Look once at each of these records. Raises DatabaseFailure.

    What a living sender is at work on is left to it, but for a stop. An agent that cannot be reached is no error: its
    records stay as they are until their deadline.
    """
    asyncio.run(reconcile_all(controller, found))


async def reconcile_all(controller: Controller, found: Iterable[Record]) -> None:
    """The same in an event loop."""
    by_instance: dict[str, list[Record]] = {}
    for record in found:
        by_instance.setdefault(record.instance_id, []).append(record)
    writer = BatchWriter(controller)

    async def look(several: list[Record]) -> None:
        """Ask about the records of one instance; who did not answer about one is not asked about the rest."""
        timeouts, now = controller.timeouts.agent, asyncio.get_running_loop().time
        until = now() + timeouts.answer + timeouts.fetch
        answer = NOT_ASKED
        with connection_to(controller, several[0].instance_id) as connection:
            for record in several:
                known = answer if record.sent is not None else NOT_ASKED
                worker = RecordWorker(controller, writer, connection, record, answer=known)
                await worker.look()
                if worker.answer.heard in (Heard.AWAY, Heard.UNREACHABLE, Heard.SILENT):
                    answer = worker.answer
                elif now() > until:
                    answer = Answer(Heard.SILENT)

    await concurrency.each(list(by_instance.values()), look)
