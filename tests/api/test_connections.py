"""One connection of the API, without a socket: its limits, and how its answers leave."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

from uvicorn.server import ServerState

from assist_cli.api import forms
from assist_cli.api.app import HEAD_BYTES
from assist_cli.api.connections import ApiConfig, ApiConnection, ApiCrowd
from assist_cli.api.faults import Fault

GUARD = 30.0
HEAD = b"POST / HTTP/1.1\r\nHost: localhost\r\n"


class Wire(asyncio.Transport):
    """A transport that keeps what is written, each write by itself. ``closed`` is set when it is closed."""

    def __init__(self) -> None:
        super().__init__()
        self.written: list[bytes] = []
        self.closed = asyncio.Event()

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.written.append(bytes(data))

    def is_closing(self) -> bool:
        return self.closed.is_set()

    def close(self) -> None:
        self.closed.set()

    def pause_reading(self) -> None: ...
    def resume_reading(self) -> None: ...


def refuse(fault: Fault) -> forms.Reply:
    return forms.refusal(forms.JSON, fault, "1", "")


async def hello(scope: Any, receive: Any) -> forms.Reply | None:
    message = await receive()
    while message.get("more_body"):
        message = await receive()
    if message["type"] != "http.request":
        return None
    return forms.Reply(200, "text/plain", b"hello", "1", closes=scope["method"] == "HEAD")  # as the API does


def connected(story: Callable[[ApiConnection, Wire], Awaitable[None]], *, body: float = GUARD) -> None:
    """Run ``story`` with a connection whose bodies must arrive within ``body`` seconds."""

    async def run() -> None:
        config = ApiConfig(
            hello,
            http=ApiConnection,
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            proxy_headers=False,
        )
        config.load()
        config.head, config.head_bytes, config.body = GUARD, HEAD_BYTES, body
        config.crowd = ApiCrowd(10, refuse)
        connection, wire = ApiConnection(config, ServerState(), {}), Wire()
        connection.connection_made(wire)
        await story(connection, wire)
        connection.connection_lost(None)

    asyncio.run(run())


def code(wire: Wire) -> tuple[bytes, str]:
    """The status line and the code of the refusal, which is one write."""
    (answer,) = wire.written
    head, _, document = answer.partition(b"\r\n\r\n")
    return head[9:12], json.loads(document)["Code"]


def test_head_and_body_of_an_answer_leave_together() -> None:
    async def story(connection: ApiConnection, wire: Wire) -> None:
        for number in (1, 2):
            connection.data_received(HEAD + b"Content-Length: 0\r\n\r\n")
            while len(wire.written) < number:
                await asyncio.sleep(0)
        assert all(each.startswith(b"HTTP/1.1 200 ") and each.endswith(b"\r\n\r\nhello") for each in wire.written)
        assert len(wire.written) == 2

    connected(story)


def test_an_answer_without_a_body_leaves_too() -> None:
    async def story(connection: ApiConnection, wire: Wire) -> None:
        connection.data_received(b"HEAD / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        await asyncio.wait_for(wire.closed.wait(), GUARD)
        (answer,) = wire.written
        assert answer.startswith(b"HTTP/1.1 200 ")
        assert answer.endswith(b"connection: close\r\n\r\n")

    connected(story)


def test_a_body_has_its_time() -> None:
    async def story(connection: ApiConnection, wire: Wire) -> None:
        connection.data_received(HEAD + b"Content-Length: 9\r\n\r\nx")
        await asyncio.wait_for(wire.closed.wait(), GUARD)
        assert code(wire) == (b"408", "RequestTimeout")

    connected(story, body=0.01)


def test_a_head_that_is_too_large_is_refused_before_its_end() -> None:
    async def story(connection: ApiConnection, wire: Wire) -> None:
        connection.data_received(HEAD)
        for _ in range(17):
            connection.data_received(b"x: " + b"y" * (1 << 16) + b"\r\n")
        assert wire.is_closing()
        assert code(wire) == (b"414", "RequestTooLarge")

    connected(story)


def test_a_request_names_its_host() -> None:
    async def story(connection: ApiConnection, wire: Wire) -> None:
        connection.data_received(b"GET / HTTP/1.1\r\n\r\n")
        assert code(wire) == (b"400", "InvalidParameter.Request")

    connected(story)
