"""Hints of agents that have just connected to the broker: the server delivers what is queued for them."""

from __future__ import annotations

import logging
from collections.abc import Callable

from assist_cli.agents import broker_folder
from assist_cli.errors import AssistError
from assist_cli.operations import periodic
from assist_cli.operations.controller import Controller
from assist_cli.store import instances, queue

log = logging.getLogger(__name__)


async def keep_hearing(controller: Controller, heard: Callable[[str], None]) -> None:
    """Call ``heard`` with the instance id of each agent that connects to the broker, until cancelled.

    Hints are lost while no broker can be reached. So at each connect to it, all instances with queued records behind it
    count as connected. A home without a broker is checked for one periodically, at little cost.
    """
    timeouts = controller.timeouts.agent

    failure = ""

    def begun() -> None:
        nonlocal failure
        if failure:
            failure = ""
            log.info("connected to a broker again")
        for each in instances.by_ids(controller.database, queue.counts(controller.database)):
            if each.address.startswith("nats:"):
                heard(each.id)

    while True:
        if broker_folder.exists(controller.home):
            from assist_cli.agents import nats
            from assist_cli.operations.fleet.connection import prepare_broker

            try:
                prepare_broker(controller)
                await nats.hear(controller.home, timeouts, heard, begun)
            except AssistError as error:
                if failure != str(error):
                    failure = str(error)
                    log.warning("%s", error)
        await periodic.pause(timeouts.retries[-1])  # soon: agents that reconnect do not wait either
