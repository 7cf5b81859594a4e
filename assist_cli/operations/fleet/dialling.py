"""The settings of an agent that dials out to the broker of the home, and its first connection."""

from __future__ import annotations

import asyncio

from assist_cli.agents import nats
from assist_cli.deploy import pki
from assist_cli.deploy.broker import admission
from assist_cli.deploy.install import Dial
from assist_cli.errors import ClientNotOnline, InvalidParameter
from assist_cli.operations.controller import Controller
from assist_cli.operations.fleet.connection import connect, prepare_broker


def check(controller: Controller, listen: str | None) -> None:
    """Raise InvalidParameter for an agent that is also to listen, Conflict if this home has no broker of its own."""
    if listen:
        raise InvalidParameter("cannot make an agent both listen and dial out", hint="give --listen or --dial")
    admission.owned(controller.home)


def settings(controller: Controller, instance: str) -> Dial:
    """The brokers of this home, and a new token for the agent of an instance. Raises Conflict, FileFailure."""
    home = controller.home
    addresses = [str(each) for each in admission.owned(home).addresses]
    token = admission.agent_token(home, instance, controller.now())
    return Dial(addresses, pki.authority(home), token)


def check_broker(controller: Controller) -> None:
    """Check that a broker runs and accepts this controller. Raises AgentError, FileFailure."""
    prepare_broker(controller)
    asyncio.run(nats.check(controller.home, controller.timeouts.agent))


async def wait_for(controller: Controller, address: str) -> None:
    """Wait for an agent that was started to connect to the broker. Raises AgentError if it does not in time."""
    loop = asyncio.get_running_loop()
    end = loop.time() + controller.timeouts.install.start
    while True:
        try:
            (await connect(controller, address)).close()
            return
        except ClientNotOnline:
            if loop.time() > end:
                raise
        await asyncio.sleep(controller.timeouts.agent.retries[-2])
