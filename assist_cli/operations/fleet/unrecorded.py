"""A script that an agent runs for Assist itself, without a record in the history: an upgrade, a removal."""

from __future__ import annotations

import asyncio
import base64

from assist_cli.agents.client import Chunk, Client, TaskResult
from assist_cli.deploy.host_requests import ActionScript
from assist_cli.errors import AgentRefused, InvalidAnswer
from assist_cli.model import ids
from assist_cli.operations.controller import Controller

MOST_OUTPUT = 256 * 1024  # bytes that an install script can print: some lines of JSON


class UnrecordedTask:
    """A script that an agent runs for Assist itself, without a record in the history. ``written``: output so far."""

    def __init__(self, controller: Controller, script: ActionScript) -> None:
        self._record = ids.new_id(ids.Kind.RECORD, controller.now_ms())
        self._script = script
        self._timeout = controller.timeouts.install.script
        self._pause = controller.timeouts.install.probe
        self.written = bytearray()

    async def deliver(self, client: Client) -> None:
        request = {
            "record": self._record,
            "type": self._script.type.value,
            "content": base64.b64encode(self._script.content).decode("ascii"),
            "timeout": self._timeout,
        }
        await client.call("task.run", request)

    async def follow(self, client: Client) -> None:
        """Receive the rest of its output until it has ended, then delete the task on the agent.

        Raises AgentRefused if the agent could not run it to its end, ConnectionLost soon after the agent has ended.
        """
        probing = asyncio.get_running_loop().create_task(self._probe(client))
        try:
            async for event in client.watch(self._record, offset=len(self.written)):
                if isinstance(event, Chunk):
                    self.written.extend(event.data)
                if len(self.written) > MOST_OUTPUT:
                    raise InvalidAnswer("cannot continue: the agent reports more output than its script can print")
                if isinstance(event, TaskResult) and event.error_code:
                    raise AgentRefused(f"cannot run the script of Assist: {event.error_info}", code=event.error_code)
        finally:
            probing.cancel()
        await client.call("task.forget", {"records": [self._record]})

    async def _probe(self, client: Client) -> None:
        """Send a message now and then: a broker reports a killed agent only in answer to one."""
        while client.is_open:
            await asyncio.sleep(self._pause)
            client.tell("agent.status", {})
