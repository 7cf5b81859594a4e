"""Interim output of running records: fetched from their agents on request, and stored until the records end.

An agent is queried only when a user reads the history, at most once in some seconds across all processes. If it does
not answer, the stored output is shown. The agent masks secrets itself.

Every read of the history loads this module, so code that connects to agents is imported only on use.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta

from assist_cli.model.invocation import InvocationInstance, Record
from assist_cli.operations.controller import Controller
from assist_cli.store import interim


def refresh(controller: Controller, found: Iterable[Record], *, output: bool) -> bool:
    """Fetch the start times of the running ones of these records and, with ``output``, their interim output.

    Returns True if the history may have changed.
    """
    records = {
        record.id: record
        for record in found
        if record.sent is not None and not record.status.is_final and not record.is_queued
    }
    if not records:
        return False
    now, pause = controller.now(), timedelta(seconds=controller.timeouts.view.interim_pause)
    if not interim.due(controller.database, records, now, pause, output=output):
        return False
    with controller.database.transaction() as transaction:
        due = interim.due(transaction, records, now, pause, output=output)
        interim.mark_asked(transaction, due, now, output=output)
    _ask(controller, [records[each] for each in due], output=output)
    return True


def newest_records(instances: Iterable[InvocationInstance]) -> list[Record]:
    """The newest records of these instances, without those that have none yet."""
    return [each.record for each in instances if each.repeats]


def _ask(controller: Controller, records: list[Record], *, output: bool) -> None:
    import asyncio

    from assist_cli.errors import AgentError
    from assist_cli.operations.fleet import concurrency
    from assist_cli.operations.fleet.connection import connection_to
    from assist_cli.operations.runs import follow

    answers = {}

    async def ask(record: Record) -> None:
        with connection_to(controller, record.instance_id) as connection:
            try:
                answers[record.id] = await follow.so_far(connection, record, controller.now(), output=output)
            except AgentError:
                return  # the stored state stays

    async def ask_all() -> None:
        try:
            await asyncio.wait_for(concurrency.each(records, ask), controller.timeouts.view.interim)
        except asyncio.TimeoutError:
            return

    asyncio.run(ask_all())
    if answers:
        with controller.database.transaction() as transaction:
            for record_id, (started, printed) in answers.items():
                interim.put(transaction, record_id, started, printed)
