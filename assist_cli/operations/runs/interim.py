"""What records that run have printed so far, for whoever looks: asked of their agents, and kept until they end.

An agent is asked about a record only when somebody looks, and no sooner than some seconds after it was asked before, by
whichever process. One that does not answer holds up nobody: what is known is shown. The agent hides secrets itself.

This module is loaded by every look at the history, so what talks to agents is imported only when it is needed.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta

from assist_cli.model.invocation import InvocationInstance, Record
from assist_cli.operations.controller import Controller
from assist_cli.store import interim


def refresh(controller: Controller, found: Iterable[Record], *, output: bool) -> bool:
    """Ask how far those of these records are that run; True when there may be news in the history.

    Wanted is when they started and, with ``output``, what they have printed.
    """
    records = {record.id: record for record in found if record.sent is not None and not record.status.is_final}
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


def of_places(places: Iterable[InvocationInstance]) -> list[Record]:
    """The records in which invocations stand on these instances."""
    return [place.record for place in places if place.repeats]


def _ask(controller: Controller, records: list[Record], *, output: bool) -> None:
    import asyncio

    from assist_cli.errors import AgentError
    from assist_cli.operations.fleet import concurrency
    from assist_cli.operations.fleet.connection import connection_to
    from assist_cli.operations.runs import follow

    told = {}

    async def ask(record: Record) -> None:
        with connection_to(controller, record.instance_id) as connection:
            try:
                told[record.id] = await follow.so_far(connection, record, controller.now(), output=output)
            except AgentError:
                return  # it stays at what is known

    async def ask_all() -> None:
        try:
            await asyncio.wait_for(concurrency.each(records, ask), controller.timeouts.view.interim)
        except asyncio.TimeoutError:
            return

    asyncio.run(ask_all())
    if told:
        with controller.database.transaction() as transaction:
            for record_id, (started, printed) in told.items():
                interim.put(transaction, record_id, started, printed)
