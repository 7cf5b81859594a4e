"""Health of instances: query their agents concurrently, with an error for each that cannot be reached."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass

from assist_cli.agents.client import Client
from assist_cli.errors import AssistError, ClientNotOnline, DatabaseFailure
from assist_cli.model.instance import Health, Instance, Use
from assist_cli.operations.controller import Controller
from assist_cli.operations.fleet import concurrency, connection
from assist_cli.store import instances as store


@dataclass(frozen=True)
class InstanceHealth:
    """An instance, its health now, and its use: what was run on it."""

    instance: Instance
    health: Health
    use: Use


def states(
    controller: Controller, instances: Sequence[Instance], *, patience: float | None = None
) -> list[InstanceHealth]:
    """Query the health of these instances concurrently, and note which have answered.

    An instance without an answer after ``patience`` seconds (None: no limit here) is not online.
    """
    found = asyncio.run(concurrency.each(instances, lambda instance: _within(patience, controller, instance)))
    uses = store.uses(controller.database, [instance.id for instance in instances])
    now = controller.now()
    for instance, health in zip(instances, found, strict=True):
        if health.is_online:
            controller.note_contact(instance.id, health.os_type, facts=health.facts)
    controller.settle_contacts()
    return [
        InstanceHealth(
            instance._replace(heard=now, os_type=health.os_type) if health.is_online else instance,
            health,
            uses.get(instance.id, Use()),
        )
        for instance, health in zip(instances, found, strict=True)
    ]


async def hear(client: Client) -> Health:
    """Query the health of the agent on this connection. Raises AgentError."""
    begin = time.time()
    answer = await client.call("agent.status", {})
    end = time.time()
    greeting, agent_time = client.greeting, answer["time"]
    return Health(
        agent=greeting.agent,
        protocol=".".join(map(str, greeting.protocol)),
        python=greeting.python,
        hostname=greeting.hostname,
        os_type=greeting.os.lower(),
        running=answer["running"],
        uptime=answer["uptime"],
        spool_bytes=answer["spool"],
        free_bytes=answer["free"],
        clock_offset=None if agent_time is None else agent_time - (begin + end) / 2,
        certificate_ends=client.certificate_ends,
        guard=answer["guard"],
        knows_epochs="epochs" in greeting.features,
        facts=greeting.facts,
        enrolment=greeting.enrolment,
    )


def silent(instance: Instance, seconds: float, hint: str = "") -> Health:
    """The health of an instance that did not answer within ``seconds``."""
    message = f"cannot talk to the agent at '{instance.address}': no answer in {seconds:g} s"
    return Health(error_code=ClientNotOnline.code, error=message, hint=hint)


def unreached(controller: Controller, instance: Instance, error: Exception) -> Health:
    """The health of an instance whose query failed. Reports an unexpected error as a bug. Raises DatabaseFailure."""
    if not isinstance(error, AssistError):
        from assist_cli import bug_report

        error = bug_report.reported(controller.home, error, f"query the health of '{instance.name}'")
    if isinstance(error, DatabaseFailure):
        raise error
    return Health(error_code=error.code, error=error.message, hint=error.hint)


async def _within(patience: float | None, controller: Controller, instance: Instance) -> Health:
    try:
        return await asyncio.wait_for(ask(controller, instance), patience)
    except asyncio.TimeoutError:
        assert patience is not None
        return silent(instance, patience)


async def ask(controller: Controller, instance: Instance) -> Health:
    """Connect to this instance and return its health, or the error."""
    seconds = controller.timeouts.agent.health
    try:
        client = await connection.connect_to(controller, instance)
        try:
            return await asyncio.wait_for(hear(client), seconds)
        finally:
            client.close()
    except asyncio.TimeoutError:
        return silent(instance, seconds, "check the log of its agent, or restart it")
    except Exception as error:
        return unreached(controller, instance, error)
