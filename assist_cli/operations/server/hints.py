"""Hints of agents that have just connected to the broker: the server delivers what is queued for them."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from assist_cli.agents import broker_folder
from assist_cli.errors import AssistError
from assist_cli.operations.controller import Controller

log = logging.getLogger(__name__)


async def keep_hearing(controller: Controller, heard: Callable[[str], None]) -> None:
    """Call ``heard`` with the instance id of each agent that connects to the broker, until cancelled.

    A hint may be lost, as while no broker can be reached: the queue is also delivered without them. A home without a
    broker is checked for one periodically, at little cost.
    """
    timeouts = controller.timeouts.agent
    failure = ""
    while True:
        if broker_folder.exists(controller.home):
            from assist_cli.agents import nats
            from assist_cli.operations.fleet.connection import prepare_broker

            try:
                prepare_broker(controller)
                await nats.hear(controller.home, timeouts, heard)
                failure = ""
            except AssistError as error:
                if failure != str(error):
                    failure = str(error)
                    log.warning("%s", error)
        await asyncio.sleep(timeouts.retries[-1])  # soon: agents that reconnect do not wait either
