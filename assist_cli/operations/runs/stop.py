"""Stopping what runs: Running becomes Stopping here, and Stopped when the agent says that the whole tree is gone."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Collection

from assist_cli.agents.client import Client
from assist_cli.errors import AgentRefused
from assist_cli.model.audit import Entry
from assist_cli.model.invocation import Invocation, Outcome, Record
from assist_cli.model.target import Selection
from assist_cli.operations.controller import Controller
from assist_cli.operations.fleet.connection import AgentConnection, connection_to
from assist_cli.operations.notify import wishes
from assist_cli.operations.runs import members
from assist_cli.operations.runs.batch_writer import BatchWriter
from assist_cli.operations.runs.follow import LOOK_AGAIN_SECONDS, conclude, follow, may_arrive, not_sent, tell_to_stop
from assist_cli.store import audit, invocations, records, schedules, slots

PATIENCE_SECONDS = 15.0  # TERM, 5 s, KILL, and then some


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
            entry = Entry(controller.now(), controller.actor, "invocation.stop", invocation_id, f"{count} running")
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
            _stop_within_patience(controller, writer, place.record)
            for place in invocation.instances
            if place.instance_id in instance_ids and not place.record.status.is_final
        )
    )


async def _stop_within_patience(controller: Controller, writer: BatchWriter, record: Record) -> None:
    with connection_to(controller, record.instance_id) as connection, contextlib.suppress(asyncio.TimeoutError):
        outcome = await asyncio.wait_for(_stop(controller, connection, record), PATIENCE_SECONDS)
        if outcome is not None:
            await conclude(writer, connection, {record.id: outcome})


async def _stop(controller: Controller, connection: AgentConnection, record: Record) -> Outcome | None:
    if record.sent is None:
        return not_sent(controller.now())  # and it will not be: its sender sends only what is Running

    await ask(controller, connection, record)
    return await follow(controller, connection, record)


async def ask(controller: Controller, connection: AgentConnection, record: Record) -> None:
    """Tell the agent to end a record that was sent, as soon as it can be told."""

    async def tell(client: Client) -> None:
        await tell_to_stop(client, record)

    while True:
        try:
            await connection.insist(tell)
            break
        except AgentRefused:
            if not may_arrive(controller, record):
                break
            await asyncio.sleep(LOOK_AGAIN_SECONDS)
