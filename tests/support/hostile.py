"""A hostile agent: its answers are set by the test; it runs in a thread and listens on a unix socket and with TLS."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, cast

from agentd.wire import protocol

# The bytes to send for a request; None is a true answer.
Say = Callable[[dict[str, Any]], Iterable[bytes] | None]

INSTANCE = "i-00000000000000000000000bad"


def honest(request: dict[str, Any], *, instance: str = INSTANCE, output: bytes = b"good\n") -> list[dict[str, Any]]:
    """Return the messages of an honest agent for a request: its answer, and what follows."""
    number, method, params = request.get("id"), request["method"], request["params"]
    record = params.get("record", "")
    standing = {"record": record, "state": "Finished"}
    ended = [
        protocol.notification(
            "task.output", {"record": record, "stream": "stdout", "offset": 0, "data": protocol.pack(output)}
        ),
        protocol.notification("task.finished", {"record": record, "result": result(len(output))}),
    ]
    answers: dict[str, dict[str, Any]] = {
        "agent.hello": {
            "protocol": [1, 0], "agent": "0.1.0", "instance": instance, "boot": "b", "hostname": "host", "os": "Linux",
            "arch": "x86_64", "python": "3.11.2", "started": 1.0, "features": ["tasks"], "enrolment": "e-1",
            "facts": {
                "os": "debian", "version": "12", "kernel": "6.1.0", "cpus": 4, "memory": 1 << 34,
                "addresses": ["10.0.0.5"],
            },
        },
        "agent.status": {
            "uptime": 1.0, "running": 0, "total": 1, "rss": 1, "cpu": 0.1, "files": 9, "spool": 0, "home": "/home",
            "program": "/python", "time": time.time(), "free": 2**40,
            "dial": {"broker": "tls://localhost:4222", "since": 1.0, "error": None},
            "guard": {
                "pid": 1, "started": 1.0, "agent_pid": 2, "restarts": 0, "last_restart": {"time": 1.0, "why": "why"},
                "samples": [{"time": 1.0, "rss": 1, "cpu": 0.1, "files": 9}],
            },
        },
        "task.run": {**standing, "known": False, "watching": "watch" in params},
        "task.watch": standing,
        "task.get": {
            **standing, "result": result(len(output)), "next": None, "produced": 1, "started": 1.5,
            "output": [{"offset": 0, "stream": "stdout", "data": "YQ=="}],
        },
        "task.stop": standing,
        "task.list": {"tasks": [{"record": "r-1", "state": "Finished"}], "next": None},
        "task.forget": {"forgotten": params.get("records", [])},
        "file.put": {**standing, "result": result(0, exit_code=None)},
    }  # fmt: skip
    said = [] if number is None else [protocol.response(number, answers[method])]
    return [*said, *ended] if method == "task.watch" or "watch" in params else said


def result(size: int, **changes: object) -> dict[str, Any]:
    """Return the result of a record that printed this many bytes."""
    now = time.time()
    return {
        "state": "Finished", "exit_code": 0, "error_code": "", "error_info": "", "started": now, "finished": now,
        "output_bytes": size, "dropped": 0, **changes,
    }  # fmt: skip


class _Connection(asyncio.Protocol):
    def __init__(self, say: Say, instance: str, open_ones: set[asyncio.Transport]) -> None:
        self._open = open_ones
        self._say = say
        self._instance = instance
        self._decoder = protocol.Decoder(16 * protocol.LINE_LIMIT)
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._open.add(self._transport)

    def connection_lost(self, error: Exception | None) -> None:
        self._open.discard(cast("asyncio.Transport", self._transport))

    def data_received(self, data: bytes) -> None:
        assert self._transport is not None
        for request in self._decoder.feed(data):
            said = self._say(request)
            if said is None:
                said = map(protocol.encode, honest(request, instance=self._instance))
            for each in said:
                self._transport.write(each)


@contextlib.contextmanager
def listening(
    path: Path, say: Say, *, instance: str = INSTANCE, tls: tuple[ssl.SSLContext, int] | None = None
) -> Iterator[None]:
    """Start such an agent that listens at ``path``; with ``tls`` also at that port of 127.0.0.1."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="hostile agent")
    thread.start()
    open_ones: set[asyncio.Transport] = set()

    async def begin() -> list[asyncio.Server]:
        def connection() -> _Connection:
            return _Connection(say, instance, open_ones)

        with protocol.reachable(str(path)) as name:
            servers: list[asyncio.Server] = [await loop.create_unix_server(connection, name)]
        if tls is not None:
            servers.append(await loop.create_server(connection, "127.0.0.1", tls[1], ssl=tls[0]))
        return servers

    async def end(servers: list[asyncio.Server]) -> None:
        for server in servers:
            server.close()
        await asyncio.gather(*asyncio.all_tasks() - {asyncio.current_task()})  # connections that are being accepted
        while open_ones:
            for transport in list(open_ones):
                transport.abort()
            await asyncio.sleep(0)  # it closes in the next cycle of the loop

    try:
        servers = asyncio.run_coroutine_threadsafe(begin(), loop).result()
        try:
            yield
        finally:
            asyncio.run_coroutine_threadsafe(end(servers), loop).result()
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()
        path.unlink(missing_ok=True)
