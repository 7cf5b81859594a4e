"""The memory of TLS, 40 KB for a connection, is freed with the connection and not by the garbage collector."""

from __future__ import annotations

import asyncio
import gc
import ssl
import weakref
from pathlib import Path

from agentd.wire.circuit_transport import CircuitTransport
from agentd.wire.transport import TunnelTransport
from assist_cli.agents.client import Client
from assist_cli.agents.tls import Handshake
from tests.support.certificates import Authority


class Served(TunnelTransport):
    """An agent's end. ``ended`` is done after the connection has ended."""

    def __init__(self, context: ssl.SSLContext) -> None:
        super().__init__(context, server_side=True)
        self.ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def established(self) -> None:
        self.open(asyncio.Protocol())

    def connection_lost(self, error: Exception | None) -> None:
        super().connection_lost(error)
        self.ended.set_result(None)


def test_the_memory_of_tls_is_freed_with_its_circuit(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    ours, theirs = authority.issue("tests"), authority.issue("i-1", "agent")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(theirs.certificate, theirs.key)

    async def connect_and_close() -> list[weakref.ref[object]]:
        loop = asyncio.get_running_loop()
        ends: list[CircuitTransport] = [
            CircuitTransport(lambda data: loop.call_soon(ends[1].receive, data), lambda _: None, "agent"),
            CircuitTransport(lambda data: loop.call_soon(ends[0].receive, data), lambda _: None, "controller"),
        ]
        served, handshake = Served(context), Handshake(authority.context(ours), "agent")
        ends[1].open(served)
        ends[0].open(handshake)
        await handshake.done
        client = Client("agent")
        handshake.open(client)
        client.close()
        await served.ended
        return [weakref.ref(handshake.tunnel), weakref.ref(served.tunnel)]

    gc.disable()
    try:
        tunnels = asyncio.run(connect_and_close())
        assert [tunnel() for tunnel in tunnels] == [None, None]
    finally:
        gc.enable()
