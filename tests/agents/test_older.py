"""An agent of the previous minor version: it ignores params that it does not know, and the controller works without."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from agentd.wire import protocol
from assist_cli.agents import unix
from assist_cli.agents.answers import Greeting
from assist_cli.agents.client import Chunk, TaskResult
from assist_cli.errors import ClientNeedUpgrade
from assist_cli.model.status import InvocationStatus

RESULT = {
    "state": "Finished",
    "exit_code": 0,
    "error_code": "",
    "error_info": "",
    "started": 1.0,
    "finished": 2.0,
    "output_bytes": 2,
}


class Older:
    """The server side of such an agent: it watches on ``task.watch``, and not earlier."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        decoder = protocol.Decoder()
        while data := await reader.read(65536):
            for message in decoder.feed(data):
                self.asked.append(message["method"])
                answer = {"record": "r-1", "state": "Running"}
                writer.write(protocol.encode(protocol.response(message["id"], answer)))
                if message["method"] == "task.watch":
                    self._tell(writer, "task.output", stream="stdout", offset=0, data=protocol.pack(b"hi"))
                    self._tell(writer, "task.finished", result=RESULT)
        writer.close()

    def _tell(self, writer: asyncio.StreamWriter, method: str, **params: Any) -> None:
        writer.write(protocol.encode(protocol.notification(method, {"record": "r-1", **params})))


def test_a_launcher_is_not_sent_to_an_agent_that_would_ignore_it(isolation: Path) -> None:
    older = Older()

    async def work() -> None:
        async with await asyncio.start_unix_server(older.serve, isolation / "agentd.sock"):
            client = await unix.connect(isolation / "agentd.sock")
            client.greeting = Greeting("i-1", "0.1.0", (1, 0), "b", "host", "Linux", features=("tasks", "files"))
            with pytest.raises(ClientNeedUpgrade, match="too old for a launcher"):
                await client.run({"record": "r-1", "launcher": ["python3"], "ending": ""})
            await client.run({"record": "r-1"})
            _ = [event async for event in client.watch("r-1")]
            client.close()

    asyncio.run(asyncio.wait_for(work(), 30))
    assert older.asked == ["task.run", "task.watch"]


def test_a_watch_that_did_not_start_with_the_task_is_requested(isolation: Path) -> None:
    older = Older()

    async def work() -> list[object]:
        async with await asyncio.start_unix_server(older.serve, isolation / "agentd.sock"):
            client = await unix.connect(isolation / "agentd.sock")
            await client.run({"record": "r-1"})
            events = [event async for event in client.watch("r-1")]
            client.close()
            return events

    chunk, result = asyncio.run(asyncio.wait_for(work(), 30))
    assert isinstance(chunk, Chunk)
    assert chunk.data == b"hi"
    assert isinstance(result, TaskResult)
    assert result.state is InvocationStatus.FINISHED
    assert older.asked == ["task.run", "task.watch"]
