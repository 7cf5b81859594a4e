"""Clients that hold what others need: connections that wait for their client, and pages that wait for agents."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest
from starlette.types import Receive, Scope, Send

from assist_cli.http.endpoint import HttpEndpoint
from assist_cli.http.listener import Crowd, HttpConfig, HttpConnection, serving
from assist_cli.operations.fleet import instances
from assist_cli.web.visit import ASKING
from tests.support import past
from tests.support.console import WEB, Console

GUARD = 20.0
LIMIT = 4  # connections


class Application:
    """Answers /large with more than a connection holds, /held after ``release``, and all others with ``ok``."""

    def __init__(self) -> None:
        self.release = asyncio.Event()
        self.held = asyncio.Semaphore(0)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["method"] == "POST":
            await receive()
        if scope["path"] == "/held":
            self.held.release()
            await self.release.wait()
        body = b"x" * (16 << 20) if scope["path"] == "/large" else b"ok"
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % len(body))]})
        await send({"type": "http.response.body", "body": body})


@contextlib.asynccontextmanager
async def served(app: Application) -> AsyncIterator[int]:
    config = HttpConfig(app, http=HttpConnection, ws="none", lifespan="off", log_config=None, access_log=False)
    config.head = GUARD
    config.crowd = Crowd(LIMIT)
    async with serving(HttpEndpoint("127.0.0.1", 0), config) as port:
        yield port


class Clients:
    """Connections to a server."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._writers: list[asyncio.StreamWriter] = []

    async def send(self, text: str) -> asyncio.StreamReader:
        """Open a connection, and send a text. Returns what is received there."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self._port, limit=1 << 16)
        self._writers.append(writer)
        writer.write(text.replace("\n", "\r\n").encode())
        return reader

    async def get(self, path: str = "/") -> bytes:
        """Return the answer to a request on a connection of its own; empty if the connection was closed."""
        reader = await self.send(f"GET {path} HTTP/1.1\nhost: x\nconnection: close\n\n")
        with contextlib.suppress(ConnectionError):
            return await asyncio.wait_for(reader.read(), GUARD)
        return b""

    def close(self) -> None:
        for writer in self._writers:
            writer.transport.abort()


@contextlib.asynccontextmanager
async def clients(app: Application) -> AsyncIterator[Clients]:
    async with served(app) as port:
        found = Clients(port)
        try:
            yield found
        finally:
            app.release.set()
            found.close()


@pytest.mark.parametrize(
    ("text", "answered"),
    [
        ("", b""),
        ("GET / HTT", b""),
        ("GET / HTTP/1.1\nhost: x\n\n", b"HTTP/1.1 200"),
        ("POST / HTTP/1.1\nhost: x\ncontent-length: 9\n\nabc", b""),
        ("GET /large HTTP/1.1\nhost: x\n\n", b"HTTP/1.1 200"),
    ],
    ids=["silent", "a part of a head", "an answered request", "a part of a form", "an answer that is not read"],
)
def test_connections_that_wait_for_their_clients_keep_nobody_out(text: str, answered: bytes):
    async def main() -> None:
        async with clients(Application()) as found:
            for _ in range(LIMIT):
                reader = await found.send(text)
                if answered:  # only the beginning of it is read
                    assert await reader.readexactly(len(answered)) == answered
            for _ in range(LIMIT):
                assert (await found.get()).endswith(b"ok")

    asyncio.run(asyncio.wait_for(main(), GUARD))


def test_a_request_that_is_being_answered_is_never_refused_for_another_one():
    async def main() -> None:
        app = Application()
        async with clients(app) as found:
            waiting = [asyncio.create_task(found.get("/held")) for _ in range(LIMIT)]
            for _ in range(LIMIT):
                await app.held.acquire()
            assert await found.get() == b""
            app.release.set()
            assert all(answer.endswith(b"ok") for answer in await asyncio.gather(*waiting))

    asyncio.run(asyncio.wait_for(main(), GUARD))


def test_the_oldest_of_the_most_crowded_address_is_refused():
    refused = []

    class Connection:
        waits_for_client = True

        def __init__(self, name: str, address: str) -> None:
            self.name, self.address = name, address

        def refuse(self) -> None:
            refused.append(self.name)

    crowd: Crowd = Crowd(3)
    for name, address in (("a", "1"), ("b", "2"), ("c", "2"), ("d", "3"), ("e", "2")):
        crowd.enter(Connection(name, address))  # type: ignore[arg-type]
    assert refused == ["b", "c"]


def test_pages_that_wait_for_agents_leave_threads_for_the_others(console: Console):
    controller = console.controller
    where = past.invocation_on([instances.get(controller, WEB)], controller.now())
    invocation = past.write(controller.database, where, [None])
    past.leave_open(controller, invocation)
    browser = console.owner()
    with contextlib.ExitStack() as stack:
        for _ in range(ASKING):
            stack.enter_context(console.site.asking)
        for path in ("/?check=1", "/instances?check=1", f"/instances/{WEB}/status"):
            answer = browser.get(path)
            assert (answer.status_code, "too many pages wait" in answer.text) == (409, True), path
        for path in ("/", "/instances", f"/invocations/{invocation.id}"):
            assert browser.get(path).status_code == 200, path
    assert browser.get("/?check=1").status_code == 200
