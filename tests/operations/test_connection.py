"""The connection to one instance: what is logged while it is retried."""

from __future__ import annotations

import asyncio
import logging

import pytest

from assist_cli.agents.client import Client
from assist_cli.errors import ClientNotRunning, NotFound
from assist_cli.model.instance import Instance
from assist_cli.model.timeouts import DEFAULTS
from assist_cli.operations.controller import Controller
from assist_cli.operations.fleet.connection import AgentConnection


@pytest.mark.parametrize(("restarts", "warnings"), [(False, 1), (True, 0)])
def test_losses_of_an_agent_that_restarts_are_no_warning(
    controller: Controller, caplog: pytest.LogCaptureFixture, restarts: bool, warnings: int
) -> None:
    refusals = iter([ClientNotRunning("nothing listens there")] * 2)

    async def connect(instance: str) -> Client:
        raise next(refusals, NotFound("enough"))

    agent = DEFAULTS.agent.replace(retries=(0.0, 0.0))
    own = controller.replace(connect=connect, timeouts=DEFAULTS.replace(agent=agent))
    instance = Instance(id="i-1", name="win1", address="tls:win1", created=controller.now())

    async def work(_: Client) -> None:
        pass

    with pytest.raises(NotFound), AgentConnection(own, instance) as connection:
        asyncio.run(connection.retry(work, restarts=restarts))
    assert [each.levelno for each in caplog.records].count(logging.WARNING) == warnings
