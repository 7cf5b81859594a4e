"""Stopping what runs: Running becomes Stopping here, and Stopped when the agent says that the whole tree is gone."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Collection

from assist_cli.model.audit import AuditEntry
from assist_cli.model.invocation import Invocation, Record
from assist_cli.model.target import Selection
from assist_cli.operations.controller import Controller
from assist_cli.operations.fleet.connection import connection_to
from assist_cli.operations.notify import wishes
from assist_cli.operations.runs import members
from assist_cli.operations.runs.batch_writer import BatchWriter
from assist_cli.operations.runs.worker import RecordWorker
from assist_cli.store import audit, invocations, records, schedules, slots


def stop(controller: Controller, invocation_id: str, where: Selection | None = None) -> Invocation:
    """Stop an invocation, on all of its instances or ``where`` it says, and wait for that.

    What ended by itself first stays as it ended. An instance that does not answer stays Stopping, until it does or its
    deadline passes. Raises NotFound, also for a target that is none of its instances.
    """
    stopping = begin(controller, invocation_id, where)
    if stopping:
        asyncio.run(finish(controller, invocation_id, stopping))
        wishes.hurry(controller)
    return invocations.get(controller.database, invocation_id, output=True)


def begin(controller: Controller, invocation_id: str, where: Selection | None = None) -> list[str]:
    """Note that it is to be stopped; the ids of the instances whose agents are to be told. Raises NotFound."""
    with controller.database.transaction() as transaction:
        invocation = invocations.get(transaction, invocation_id, output=False)
        chosen = members.chosen(transaction, invocation, where)
        count = records.mark_stopping(transaction, invocation_id, chosen, controller.now())
        if not slots.places(transaction, invocation_id):
            schedules.end(transaction, invocation_id)
        if count:
            entry = AuditEntry(controller.now(), controller.actor, "invocation.stop", invocation_id, f"{count} running")
            audit.append(transaction, entry)
    after = invocations.get(controller.database, invocation_id, output=False)
    return [
        place.instance_id
        for place in after.instances
        if place.instance_id in chosen and not place.record.status.is_final
    ]


async def finish(controller: Controller, invocation_id: str, instance_ids: Collection[str]) -> None:
    """Have the agents of these end what runs there of an invocation, and write how it ended."""
    invocation = invocations.get(controller.database, invocation_id, output=False)
    writer = BatchWriter(controller)
    await asyncio.gather(
        *(
            _stop(controller, writer, place.record)
            for place in invocation.instances
            if place.instance_id in instance_ids and not place.record.status.is_final
        )
    )


async def _stop(controller: Controller, writer: BatchWriter, record: Record) -> None:
    """Wait until a record has ended, and no longer than a person is to wait for that."""
    with connection_to(controller, record.instance_id) as connection, contextlib.suppress(asyncio.TimeoutError):
        worker = RecordWorker(controller, writer, connection, record)
        await asyncio.wait_for(worker.finish(), controller.timeouts.agent.stop)
