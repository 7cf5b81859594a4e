"""Stopping invocations: records become Stopping here, and Stopped after the agent has ended the process tree."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Collection

from assist_cli.model.audit import AuditEntry
from assist_cli.model.invocation import Invocation, Record
from assist_cli.model.target import Selection
from assist_cli.operations.controller import Also, Controller, nothing_more
from assist_cli.operations.fleet.connection import connection_to
from assist_cli.operations.notify import wishes
from assist_cli.operations.runs import members
from assist_cli.operations.runs.batch_writer import BatchWriter
from assist_cli.operations.runs.worker import RecordWorker
from assist_cli.store import audit, invocations, records, schedules, slots


def stop(controller: Controller, invocation_id: str, where: Selection | None = None) -> Invocation:
    """Stop an invocation on all of its instances or on those of ``where``, and wait until it has stopped.

    A record that ends by itself meanwhile keeps its outcome. It stays Stopping on an instance that does not answer,
    until that answers or the deadline passes. Raises NotFound, also for a target that is not one of its instances.
    """
    stopping = begin(controller, invocation_id, where)
    if stopping:
        asyncio.run(finish(controller, invocation_id, stopping))
        wishes.hurry(controller)
    return invocations.get(controller.database, invocation_id, output=True)


def begin(
    controller: Controller, invocation_id: str, where: Selection | None = None, *, also: Also = nothing_more
) -> list[str]:
    """Mark an invocation as Stopping. Returns the ids of the instances whose agents must be told. Raises NotFound.

    ``also`` checks the change in its transaction.
    """
    with controller.database.transaction() as transaction:
        invocation = invocations.get(transaction, invocation_id, output=False)
        chosen = members.chosen(transaction, invocation, where)
        also(transaction, invocation_id, chosen)
        count = records.mark_stopping(transaction, invocation_id, chosen, controller.now())
        if not slots.places(transaction, invocation_id):
            schedules.end(transaction, invocation_id)
        if count:
            entry = AuditEntry(controller.now(), controller.actor, "invocation.stop", invocation_id, f"{count} running")
            audit.append(transaction, entry)
    after = invocations.get(controller.database, invocation_id, output=False)
    return [
        each.instance_id for each in after.instances if each.instance_id in chosen and not each.record.status.is_final
    ]


async def finish(controller: Controller, invocation_id: str, instance_ids: Collection[str]) -> None:
    """Tell the agents of these instances to stop an invocation, and write the outcomes."""
    invocation = invocations.get(controller.database, invocation_id, output=False)
    writer = BatchWriter(controller)
    await asyncio.gather(
        *(
            _stop(controller, writer, each.record)
            for each in invocation.instances
            if each.instance_id in instance_ids and not each.record.status.is_final
        )
    )


async def _stop(controller: Controller, writer: BatchWriter, record: Record) -> None:
    """Stop a record and wait for its end, up to the timeout of a stop."""
    with connection_to(controller, record.instance_id) as connection, contextlib.suppress(asyncio.TimeoutError):
        worker = RecordWorker(controller, writer, connection, record)
        await asyncio.wait_for(worker.finish(), controller.timeouts.agent.stop)
