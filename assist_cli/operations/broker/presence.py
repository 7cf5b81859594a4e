"""The agents that are connected to the brokers of a home, and those among them whose machine was cloned."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from assist_cli.errors import AssistError
from assist_cli.model.presence import BrokerLink, Presence
from assist_cli.operations.broker import contact
from assist_cli.operations.broker.contact import BrokerStatus
from assist_cli.operations.controller import Controller


def survey(controller: Controller) -> tuple[list[BrokerStatus], Presence]:
    """Query each broker of this home, and who is connected. Raises Conflict without a broker, FileFailure."""

    async def both() -> tuple[list[BrokerStatus], Presence]:
        statuses = await contact.status(controller)
        return statuses, await of(controller, statuses)

    return asyncio.run(both())


def now(controller: Controller) -> Presence:
    """Ask the brokers who is connected, as ``ask`` does."""
    return asyncio.run(ask(controller))


async def ask(controller: Controller) -> Presence:
    """Ask the brokers who is connected. It takes a few seconds at most; a failure is the reason in ``unknown``."""
    try:
        return await of(controller, await contact.status(controller, controller.timeouts.view.broker))
    except AssistError as error:
        return Presence(unknown=f"{error.message}; {error.hint}")


async def of(controller: Controller, statuses: Sequence[BrokerStatus]) -> Presence:
    """Return the connections that these brokers have reported.

    A broker keeps a connection for some minutes after the network has lost it. So the agents of an instance with
    several are asked to answer.
    """
    links: dict[str, list[BrokerLink]] = {}
    for status in statuses:
        for instance, several in status.links.items():
            links.setdefault(instance, []).extend(several)
    links = {instance: sorted(several) for instance, several in links.items()}
    errors = [each.error for each in statuses if each.error is not None]
    unknown = "; ".join(f"{error.message}; {error.hint}" for error in errors)
    doubtful = {instance: len(found) for instance, found in links.items() if len(found) > 1}
    return Presence(links, await _cloned(controller, doubtful) if doubtful else frozenset(), unknown)


async def _cloned(controller: Controller, connections: dict[str, int]) -> frozenset[str]:
    """Return the instances of which several agents answer, of those with this number of connections."""
    from assist_cli.agents import nats
    from assist_cli.operations.fleet.connection import prepare_broker

    view = controller.timeouts.view
    try:
        prepare_broker(controller)
        answers = await asyncio.wait_for(
            nats.count(controller.home, controller.timeouts.agent, connections, view.poll), view.broker
        )
    except (AssistError, asyncio.TimeoutError):
        return frozenset()
    return frozenset(instance for instance, number in answers.items() if number > 1)
