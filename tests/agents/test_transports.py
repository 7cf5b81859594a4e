"""Tests that hold for every transport to an agent."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Coroutine, Iterator
from pathlib import Path
from typing import Any

import pytest

from agentd.wire import protocol
from assist_cli.agents.client import Chunk, Client, TaskResult
from assist_cli.errors import ClientNotOnline, ClientNotRunning, ConnectionLost
from assist_cli.model.status import InvocationStatus
from tests.support import nats_place, sshd
from tests.support.agent import new_record
from tests.support.place import Place
from tests.support.watching import watched

WAYS = ("unix", "tls", "ssh", "nats")
GUARD = 30.0

pytestmark = pytest.mark.parametrize("way", WAYS)


@pytest.fixture
def started(place: Place, way: str, isolation: Path) -> Iterator[Place]:
    """A running agent, with an sshd on its machine if the transport is SSH, connected to a broker if it is NATS."""
    with contextlib.ExitStack() as stack:
        if way == "nats":
            nats_place.equip(place, stack.enter_context(nats_place.running(place.home)))
        place.start()
        if way == "nats":
            nats_place.wait_until_connected(place)
        if way == "ssh":
            server = stack.enter_context(sshd.beside(place.agent, isolation / "sshd"))
            place.ssh = f"ssh:{server.place}"
        yield place


def within_reason(work: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(work, GUARD))


async def run(client: Client, script: str) -> str:
    record = new_record()
    params = {"record": record, "type": "RunShellScript", "content": protocol.pack(script.encode()), "timeout": 60}
    answer = await client.call("task.run", params)
    assert answer["known"] is False
    return record


def test_the_agent_tells_its_id(started: Place, way: str) -> None:
    async def work() -> None:
        client = await started.connect(way)
        assert client.greeting.instance == started.instance
        assert client.greeting.os == "Linux"
        assert client.is_open
        client.close()

    within_reason(work())


def test_a_script_runs_and_its_streams_are_separate(started: Place, way: str) -> None:
    async def work() -> None:
        client = await started.connect(way)
        stdout, stderr, result = await watched(client, await run(client, "echo out; echo err >&2; exit 3"))
        assert (stdout, stderr) == (b"out\n", b"err\n")
        assert (result.state, result.exit_code) == (InvocationStatus.FINISHED, 3)
        client.close()

    within_reason(work())


def test_many_watches_share_one_connection(started: Place, way: str) -> None:
    async def work() -> None:
        client = await started.connect(way)

        async def one(number: int) -> bytes:
            stdout, _, _ = await watched(client, await run(client, f"echo {number}"))
            return stdout

        found = await asyncio.gather(*(one(number) for number in range(10)))
        assert found == [b"%d\n" % number for number in range(10)]
        client.close()

    within_reason(work())


def test_large_output_arrives_byte_for_byte_at_a_slow_reader(started: Place, way: str) -> None:
    """16 MiB. The reader lets the loop run between two events, and the connection waits for it."""
    size = 16 * 1024 * 1024

    async def work() -> None:
        client = await started.connect(way)
        record = await run(client, f"head -c {size} /dev/zero | tr '\\0' x")
        offset = 0
        async with contextlib.aclosing(client.watch(record)) as events:
            async for event in events:
                if isinstance(event, Chunk):
                    assert event.offset == offset
                    assert event.data.strip(b"x") == b""
                    offset += len(event.data)
                    await asyncio.sleep(0)
        assert offset == size
        client.close()

    within_reason(work())


def test_a_stop_reaches_the_script(started: Place, way: str) -> None:
    async def work() -> None:
        client = await started.connect(way)
        record = await run(client, "echo begun; exec sleep 60")
        stopping = False
        async with contextlib.aclosing(client.watch(record)) as events:
            async for event in events:
                if isinstance(event, Chunk) and not stopping:
                    stopping = True
                    await client.call("task.stop", {"record": record})
                elif isinstance(event, TaskResult):
                    assert event.state is InvocationStatus.STOPPED
        client.close()

    within_reason(work())


def test_everyone_who_waits_learns_of_a_lost_connection(started: Place, way: str) -> None:
    """The agent is killed during a watch: the watch ends, so does the next request, and a new connection is refused."""

    async def watch(client: Client, record: str) -> None:
        async with contextlib.aclosing(client.watch(record)) as events:
            async for event in events:
                if isinstance(event, Chunk):
                    started.agent.kill()

    async def work() -> None:
        client = await started.connect(way)
        record = await run(client, "echo begun; exec sleep 60")
        with pytest.raises(ConnectionLost):
            await watch(client, record)
        assert not client.is_open
        with pytest.raises(ConnectionLost):
            await client.call("agent.status", {})
        with pytest.raises(ClientNotOnline if way == "nats" else ClientNotRunning):
            await started.connect(way)

    within_reason(work())
    started.start()  # finds the task again, and the fixture stops it
