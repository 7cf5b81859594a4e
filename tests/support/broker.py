"""A real broker (nats-server) on a free port of 127.0.0.1, and a controller that speaks to agents through it.

The broker demands TLS with a certificate of the fleet, and lets everybody with one publish and subscribe: rights are
the subject of other tests. Its own certificate is for localhost, not for 127.0.0.1.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
import ssl
import subprocess
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import cast

from agentd.wire.circuit import new_session
from agentd.wire.circuit_transport import CircuitTransport
from agentd.wire.nats import NO_RESPONDERS, Info, Message, NatsProtocol, Ping, Pong
from assist_cli.agents.client import Client
from assist_cli.agents.tls import Handshake
from tests.support.agent import GUARD, eventually
from tests.support.certificates import Authority, Pair, free_port
from tests.support.programs import need

_CONFIG = """\
host: 127.0.0.1
port: {port}
pid_file: "{folder}/pid"
log_file: "{folder}/log"
tls {{ cert_file: "{own.certificate}", key_file: "{own.key}", ca_file: "{ca}", verify: true, timeout: 30 }}
"""


class Broker:
    """A nats-server, not started yet. ``fleet`` signs the certificates of agents and controllers."""

    def __init__(self, folder: Path, fleet: Authority) -> None:
        folder.mkdir()
        self.port = free_port()
        self.authority = Authority(folder, "broker-ca")
        own = self.authority.issue("broker", None, hosts=["localhost"])
        self._program = need("nats-server")
        self._settings = folder / "nats.conf"
        self._settings.write_text(
            _CONFIG.format(port=self.port, folder=folder, own=own, ca=fleet.own.certificate), encoding="utf-8"
        )
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def address(self) -> str:
        return f"tls://localhost:{self.port}"

    def start(self) -> Broker:
        """Start it, and wait until it listens."""
        self._process = subprocess.Popen(
            [self._program, "-c", self._settings], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        eventually(self._listens)
        return self

    def _listens(self) -> bool:
        with socket.socket() as sock:
            return sock.connect_ex(("127.0.0.1", self.port)) == 0

    def kill(self) -> None:
        assert self._process is not None
        self._process.kill()
        self._process.wait(GUARD)

    def freeze(self) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    def close(self) -> None:
        if self._process is not None and self._process.poll() is None:
            self.kill()


@contextlib.contextmanager
def running(folder: Path, fleet: Authority) -> Iterator[Broker]:
    """A broker that is killed at the end."""
    broker = Broker(folder, fleet)
    try:
        yield broker.start()
    finally:
        broker.close()


class BrokeredController(asyncio.Protocol):
    """A connection of a controller to a broker; ``open`` makes circuits in it to the agent ``instance``.

    ``hints`` are the subjects of agents that have connected, ``answers`` the messages without a circuit; ``received``
    has the bytes in messages of each session.
    """

    def __init__(self, fleet: Authority, instance: str, name: str = "laptop") -> None:
        self.hints: asyncio.Queue[str] = asyncio.Queue()
        self.answers: asyncio.Queue[Message] = asyncio.Queue()
        self.received: Counter[str] = Counter()
        self._fleet = fleet
        self._instance = instance
        self._name = name
        self._pair = fleet.issue(name)
        self._nats = NatsProtocol()
        self._circuits: dict[str, CircuitTransport] = {}
        self._transport: asyncio.Transport | None = None
        self._step: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def connect(self, broker: Broker) -> BrokeredController:
        loop = asyncio.get_running_loop()
        await loop.create_connection(lambda: self, "127.0.0.1", broker.port)
        await self._step
        context = ssl.create_default_context(cafile=broker.authority.own.certificate)
        context.load_cert_chain(self._pair.certificate, self._pair.key)
        self._step = loop.create_future()
        assert self._transport is not None
        self._transport = await loop.start_tls(self._transport, self, context, server_hostname="localhost")
        nats = self._nats
        subjects = (f"assist.c.{self._name}.>", "assist.up.*")
        self.write(nats.connect({}) + b"".join(nats.subscribe(each, at) for at, each in enumerate(subjects)))
        self.write(nats.ping())
        await self._step
        return self

    async def open(self, pair: Pair | None = None) -> Client:
        """Open a circuit with TLS inside, and greet the agent."""
        handshake = Handshake(self._fleet.context(pair or self._pair), "nats")
        self.circuit(new_session()).open(handshake)
        await handshake.done
        client = Client("nats")
        handshake.open(client)
        await client.greet(self._name, "0", GUARD)
        return client

    def circuit(self, session: str) -> CircuitTransport:
        """A circuit with nothing in it yet."""
        made = CircuitTransport(
            lambda payload: self.send(session, payload), lambda _: self._circuits.pop(session), "agent"
        )
        self._circuits[session] = made
        return made

    def send(self, session: str, payload: bytes, reply: str | None = None) -> None:
        """Send one message to the agent."""
        ours = f"assist.c.{self._name}.{self._instance}.{session}"
        self.write(self._nats.publish(f"assist.a.{self._instance}.{session}", payload, reply or ours))

    def write(self, data: bytes) -> None:
        assert self._transport is not None
        self._transport.write(data)

    def close(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    # what the event loop calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def connection_lost(self, error: Exception | None) -> None:
        for each in list(self._circuits.values()):
            each.lose(error)

    def data_received(self, data: bytes) -> None:
        for event in self._nats.feed(data):
            if isinstance(event, Ping):
                self.write(self._nats.pong())
            elif isinstance(event, (Info, Pong)) and not self._step.done():
                self._step.set_result(None)
            elif isinstance(event, Message):
                self._pass(event)

    def _pass(self, message: Message) -> None:
        session = message.subject.rpartition(".")[2]
        self.received[session] += len(message.payload)
        if message.subject.startswith("assist.up."):
            self.hints.put_nowait(message.subject)
        elif session not in self._circuits:
            self.answers.put_nowait(message)
        elif message.status == NO_RESPONDERS:
            self._circuits[session].lose(ConnectionResetError("no agent"))
        else:
            self._circuits[session].receive(message.payload)
