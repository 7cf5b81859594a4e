"""Compatibility with the previous version: its agent with our controller, and its controller with our agent.

``agentd-0.1.0.pyz`` is the archive of that version. ``controller-0.1.0.jsonl`` is what its controller and its agent
said to each other over a unix socket: for ``instance add``, ``run`` (with both streams; beyond its timeout; in the
background), ``send`` and ``invocation stop``. A line has the number of the connection, the sender, and the message.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from agentd.wire import protocol
from assist_cli.agents.client import Chunk, Client, TaskResult
from assist_cli.errors import ControllerReplaced
from assist_cli.model.output import Stream
from assist_cli.model.status import InvocationStatus
from assist_cli.operations.fleet import health
from assist_cli.paths import Home
from tests.agents.test_transports import within_reason
from tests.support import variants
from tests.support.agent import Client as PlainClient
from tests.support.agent import eventually, new_record
from tests.support.place import Place, furnish

DATA = Path(__file__).parents[1] / "data"
# values that differ between machines and moments
VOLATILE = {"hostname", "arch", "python", "agent", "instance", "boot", "started", "finished"}

each_way = pytest.mark.parametrize("way", variants.every(2, ["unix", "tls"]))


@pytest.fixture
def older(starts_processes: None, isolation: Path, no_leaks: None) -> Iterator[Place]:
    """An agent of that version, listening."""
    made = furnish(DATA / "agentd-0.1.0.pyz", isolation, Home(isolation / "assist"))
    made.start()
    yield made
    made.agent.close()


async def run(client: Client, script: str) -> str:
    record = new_record()
    content = protocol.pack(script.encode())
    answer = await client.run({"record": record, "type": "RunShellScript", "content": content, "timeout": 60})
    assert (answer["known"], answer["watching"]) == (False, True)
    return record


async def follow(client: Client, record: str) -> tuple[dict[Stream, bytes], TaskResult]:
    streams = {Stream.STDOUT: b"", Stream.STDERR: b""}
    async with contextlib.aclosing(client.watch(record)) as events:
        async for event in events:
            if isinstance(event, TaskResult):
                return streams, event
            assert isinstance(event, Chunk)
            streams[event.stream] += event.data
    raise AssertionError("a watch ends with a result")


@each_way
def test_our_controller_runs_scripts_on_an_older_agent(older: Place, way: str) -> None:
    async def work() -> None:
        client = await older.connect(way)
        assert client.greeting.instance == older.instance
        streams, result = await follow(client, await run(client, "echo out; echo err >&2; exit 3"))
        assert streams == {Stream.STDOUT: b"out\n", Stream.STDERR: b"err\n"}
        assert (result.state, result.exit_code) == (InvocationStatus.FINISHED, 3)
        streams, _ = await follow(client, await run(client, "seq 1 100000"))
        assert streams[Stream.STDOUT] == b"".join(b"%d\n" % number for number in range(1, 100001))
        client.close()

    within_reason(work())


def test_an_older_agent_serves_a_controller_of_any_epoch(older: Place) -> None:
    async def work() -> None:
        for epoch in (7, 0):
            client = await older.connect("unix", epoch=epoch)
            assert "epochs" not in client.greeting.features
            assert not (await health.hear(client)).knows_epochs
            client.close()

    within_reason(work())


@each_way
def test_our_agent_refuses_a_controller_that_was_replaced(started: Place, way: str) -> None:
    async def work() -> None:
        client = await started.connect(way, epoch=7)
        assert (await health.hear(client)).knows_epochs
        with pytest.raises(ControllerReplaced, match="another server has taken over") as refusal:
            await started.connect(way, epoch=6)
        assert refusal.value.epoch == 7
        (await started.connect(way, epoch=7)).close()
        client.close()

    within_reason(work())


@each_way
def test_our_controller_stops_what_runs_there(older: Place, way: str) -> None:
    async def work() -> None:
        client = await older.connect(way)
        record = await run(client, "sleep 600")
        assert (await client.call("task.stop", {"record": record}))["state"] == "Stopping"
        _, result = await follow(client, record)
        assert (result.state, result.error_code) == (InvocationStatus.STOPPED, "ExecutionInterrupted")
        assert (await client.call("task.forget", {"records": [record]}))["forgotten"] == [record]
        client.close()

    within_reason(work())


@each_way
def test_our_controller_sends_files_there(older: Place, isolation: Path, way: str) -> None:
    content = bytes(range(256))
    file = {
        "record": new_record(),
        "name": "sent",
        "directory": str(isolation / "there"),
        "content": protocol.pack(content),
        "sha256": hashlib.sha256(content).hexdigest(),
    }

    async def work() -> None:
        client = await older.connect(way)
        assert (await client.call("file.put", file))["state"] == "Finished"
        client.close()

    within_reason(work())
    assert (isolation / "there" / "sent").read_bytes() == content


def includes(found: Any, expected: Any) -> bool:
    """Return True if an answer contains the recorded one; it may contain more."""
    if isinstance(expected, dict):
        return isinstance(found, dict) and all(
            name in found and (name in VOLATILE or includes(found[name], part)) for name, part in expected.items()
        )
    if expected == ["tasks", "files"]:  # the features, of which there may be more
        return isinstance(found, list) and set(expected) <= set(found)
    return bool(found == expected)


def test_an_older_controller_is_answered_as_before(started: Place, isolation: Path) -> None:
    """The recorded requests are sent again byte by byte, and each recorded answer is waited for."""
    told: dict[str, dict[str, bytes]] = {}
    clients: dict[int, PlainClient] = {}
    answers = results = 0
    for line in (DATA / "controller-0.1.0.jsonl").read_text().splitlines():
        number, speaker, words = json.loads(line)
        words = words.replace("{folder}", str(isolation))
        message = json.loads(words)
        client = clients.get(number) or clients.setdefault(number, started.agent.connect(hello=False))
        params = message.get("params", {})
        if speaker == "controller":
            if message["method"] == "task.stop":  # it had sent something by then
                eventually(lambda record=params["record"]: list(started.agent.folder(record).glob("output-*")))
            if message["method"] in ("task.run", "task.watch"):
                client.expect(params["record"])
            client.write(words.encode() + b"\n")
        elif "id" in message:
            assert includes(client.answer(message["id"]), message["result"])
            answers += 1
        elif message["method"] == "task.output":
            streams = told.setdefault(params["record"], {"stdout": b"", "stderr": b""})
            streams[params["stream"]] += protocol.unpack(params["data"])
        else:
            output = client.completed(client.outputs[params["record"]])
            expected = told.get(params["record"], {"stdout": b"", "stderr": b""})
            assert {"stdout": output.stdout, "stderr": output.stderr} == expected
            assert includes(output.result, params["result"])
            results += 1
    assert (isolation / "sent" / "file.txt").read_bytes() == b"content\n"
    assert (answers, results) == (14, 4)
