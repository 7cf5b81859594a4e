"""A broker that is not what it should be, and the messages of an agent to a good one."""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from agentd.broker import DialConnection, DialError, DialTransport
from agentd.wire import circuit

GUARD = 30.0
INSTANCE = "i-1"
SESSION = "0123456789abc"
INFO = b"INFO " + json.dumps({"tls_required": True, "max_payload": 1048576}).encode() + b"\r\n"


class Server:
    """The parts of an AgentServer that a connection to a broker uses, without callers."""

    def __init__(self) -> None:
        self.loop = asyncio.get_running_loop()
        self.instance = INSTANCE
        self.refused: list[str] = []

    def refuse(self, kind: str, text: str) -> None:
        self.refused.append(text)


def connection(pause: float = 60) -> DialConnection:
    return DialConnection(Server(), None, "e30.e30.x", pause)


# before TLS


async def reason(answer: bytes, request: bytes | None = None) -> str:
    """Return the reason why a server that sends this is not used."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(answer)
        await reader.read(-1)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1")
    made = connection()
    transport = DialTransport(ssl.create_default_context(), "localhost", request, made)
    await made._server.loop.create_connection(lambda: transport, *server.sockets[0].getsockname())
    with pytest.raises(DialError) as refusal:
        await made.connected
    assert await made.ended == str(refusal.value)
    server.close()
    await asyncio.sleep(0)
    return str(refusal.value)


def run(work: Awaitable[Any]) -> Any:
    return asyncio.run(asyncio.wait_for(work, GUARD))


@pytest.mark.parametrize(
    ("answer", "text"),
    [
        (b"SSH-2.0-OpenSSH_9.2\r\n", "the server sent 'SSH-2.0-OpenSSH_9.2'"),
        (b"PING\r\n", "it is not a NATS server"),
        (b"INFO {}\r\n", "it does not offer TLS"),
        (
            b'INFO {"tls_available": true, "max_payload": 65536}\r\n',
            "it allows only 65536 bytes in a message: raise its max_payload",
        ),
        (b"INFO []\r\n", "the INFO of the server is not a JSON object"),
        (b"INFO " + b"x" * 70_000, "a line is longer than 65536 bytes"),
        (INFO + b"MSG assist.a.i-1.x 1 1\r\nx\r\n", "it sent more than its INFO before TLS"),
        (INFO + b"HTTP/1.1 200 OK\r\n\r\n", "the server sent 'HTTP/1.1'"),
        (INFO[:-2] + b"\r\n\x16\x03\x03\x00\x04junk", "it sent more than its INFO before TLS"),
    ],
)
def test_what_is_not_a_broker_is_named(answer: bytes, text: str) -> None:
    assert text in run(reason(answer))


@pytest.mark.parametrize(
    ("answer", "text"),
    [
        (
            b"HTTP/1.1 407 Proxy Authentication Required\r\nX: y\r\n\r\n",
            "the proxy answered 'HTTP/1.1 407 Proxy Authentication Required'",
        ),
        (b"HTTP/1.0 503\r\n\r\n", "the proxy answered 'HTTP/1.0 503'"),
        (INFO + b"\r\n\r\n", "the proxy does not answer as an HTTP proxy"),
        (b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 10_000, "the proxy does not answer as an HTTP proxy"),
        (b"\r\n\r\n", "the proxy does not answer as an HTTP proxy"),
        (b"HTTP/1.1\r\n\r\n", "the proxy answered 'HTTP/1.1'"),
        (b"HTTP/1.1 200 OK\r\n\r\nINFO {}\r\n", "it does not offer TLS"),
    ],
)
def test_an_answer_of_a_proxy_that_cannot_be_used_is_named(answer: bytes, text: str) -> None:
    assert run(reason(answer, b"CONNECT b:4222 HTTP/1.1\r\n\r\n")) == text


# after TLS


class Wire(asyncio.Transport):
    """A transport that keeps what is written."""

    def __init__(self, above: DialConnection) -> None:
        super().__init__()
        self.written = b""
        self._above = above
        above.connection_made(self)

    def take(self) -> bytes:
        written, self.written = self.written, b""
        return written

    def write(self, data: bytes) -> None:
        self.written += data

    def abort(self) -> None:
        asyncio.get_running_loop().call_soon(self._above.connection_lost, None)


def message(payload: bytes, session: str = SESSION, reply: str | None = None) -> bytes:
    reply = f"assist.c.my-ctl_1.{INSTANCE}.{session}" if reply is None else reply
    return f"MSG assist.a.{INSTANCE}.{session} 1 {reply} {len(payload)}\r\n".encode() + payload + b"\r\n"


def scenario(work: Callable[[DialConnection, Wire], Awaitable[None]], pause: float = 60) -> None:
    """Run ``work`` with a connection whose broker has answered."""

    async def whole() -> None:
        made = connection(pause)
        wire = Wire(made)
        words = wire.take().split(b"\r\n")
        assert json.loads(words[0][8:])["jwt"] == "e30.e30.x"
        assert words[1:] == [b"SUB assist.a.i-1.> 1", b"PING", b""]
        made.data_received(INFO + b"PONG\r\n")
        await made.connected
        assert wire.take() == b'PUB assist.up.i-1 7\r\n{"v":1}\r\nPING\r\n'
        await work(made, wire)
        if not made.ended.done():
            made.connection_lost(None)

    run(whole())


def test_pings_are_answered_and_a_pong_keeps_the_connection() -> None:
    async def work(made: DialConnection, wire: Wire) -> None:
        made.data_received(b"PING\r\n+OK\r\nPING\r\n")
        assert wire.take() == b"PONG\r\nPONG\r\n"
        for _ in range(5):
            while b"PING" not in wire.take():
                await asyncio.sleep(0.01)  # the time between two pings
            made.data_received(b"PONG\r\n")
        assert not made.ended.done()
        assert await made.ended == "it did not answer 2 pings"

    scenario(work, 0.05)


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"-ERR 'User Authentication Expired'\r\n", "User Authentication Expired"),
        (b"HELLO\r\n", "the server sent 'HELLO'"),
        (b'INFO {"max_payload": 1000}\r\n', "it allows only 1000 bytes in a message: raise its max_payload"),
        (b"MSG assist.a.i-1.x 1 99999999\r\n", "a message has 99999999 bytes, of which 0 are headers"),
    ],
)
def test_the_reason_of_an_end_is_kept(data: bytes, text: str) -> None:
    async def work(made: DialConnection, wire: Wire) -> None:
        made.data_received(data)
        if not data.startswith(b"-ERR"):  # then the agent ends the connection
            assert await made.ended == text
        made.connection_lost(None)
        assert await made.ended == text

    scenario(work)


def test_a_refused_login_is_the_reason() -> None:
    async def work() -> None:
        made = connection()
        Wire(made)
        made.data_received(b"-ERR 'Authorization Violation'\r\n")
        made.connection_lost(None)
        with pytest.raises(DialError, match="Authorization Violation"):
            await made.connected

    run(work())


def test_a_refused_message_does_not_end_the_connection() -> None:
    async def work(made: DialConnection, wire: Wire) -> None:
        made.data_received(b"-ERR 'Permissions Violation for Publish to \"x\"'\r\n")
        assert made._server.refused == ['the broker refused a message: Permissions Violation for Publish to "x"']
        made.connection_lost(None)
        assert await made.ended == "it closed the connection"

    scenario(work)


@pytest.mark.parametrize(
    "reply",
    [
        "assist.c.ctl.i-2." + SESSION,
        "assist.c.ctl.i-1.zzzzzzzzzzzzz",
        "assist.a.i-1." + SESSION,
        "assist.up.i-1",
        "assist.c..i-1." + SESSION,
        "assist.c.*.i-1." + SESSION,
        "assist.c.>.i-1." + SESSION,
        "assist.c.a:b.i-1." + SESSION,
        "$SYS.REQ",
        "",
    ],
)
def test_nothing_is_sent_to_any_other_address(reply: str) -> None:
    """A message cannot make the agent send to a subject of its sender's choice."""

    async def work(made: DialConnection, wire: Wire) -> None:
        for payload in (b"D123", b"A" + bytes(8), b"X"):
            made.data_received(message(payload, reply=reply))
        assert wire.take() == b""
        assert len(made._server.refused) == 3

    scenario(work)


@pytest.mark.parametrize("session", ["x", "0" * 14, "A" * 13, "a.b.c"])
def test_other_subjects_are_ignored(session: str) -> None:
    async def work(made: DialConnection, wire: Wire) -> None:
        made.data_received(message(b"D123", session) + message(circuit.CLOSED, session))
        assert wire.take() == b""

    scenario(work)


def test_an_unknown_session_is_closed_and_a_close_is_not_answered() -> None:
    async def work(made: DialConnection, wire: Wire) -> None:
        made.data_received(message(b"A" + bytes(8)))
        assert wire.take() == f"PUB assist.c.my-ctl_1.i-1.{SESSION} 1\r\nC\r\n".encode()
        made.data_received(message(circuit.CLOSED))
        made.data_received(f"HMSG assist.a.i-1.{SESSION} 1 16 16\r\nNATS/1.0 503\r\n\r\n\r\n".encode())
        assert wire.take() == b""

    scenario(work)
