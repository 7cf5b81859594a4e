"""Real brokers of a home, with the tokens of the home, and agents that dial them."""

from __future__ import annotations

import contextlib
import signal
import subprocess
from collections.abc import Iterator
from datetime import datetime, timezone
from pathlib import Path

from assist_cli.agents import broker_folder
from assist_cli.agents.broker_folder import BrokerAddress
from assist_cli.deploy import pki
from assist_cli.deploy.broker import admission
from assist_cli.paths import Home
from tests.support.agent import GUARD, eventually
from tests.support.certificates import free_port
from tests.support.nats_user import listens, until
from tests.support.place import CONTROLLER, Place
from tests.support.programs import need
from tests.support.relay import Relay


class HomeBroker:
    """One broker of a home, on 127.0.0.1; not started yet. ``program`` is its nats-server."""

    def __init__(self, home: Home, address: BrokerAddress, program: Path | None = None) -> None:
        self._program = program or need("nats-server")
        self.home = home
        self.address = address
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def folder(self) -> Path:
        return admission.server_folder(self.home, self.address)

    @property
    def log(self) -> Path:
        return self.home.root.parent / f"broker-{self.address.port}.log"

    def start(self, *words: str) -> HomeBroker:
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [self._program, "-c", "nats-server.conf", *words], cwd=self.folder,
                stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=log,
            )  # fmt: skip
        until(lambda: listens(self.address.port))
        return self

    @contextlib.contextmanager
    def frozen(self) -> Iterator[None]:
        """Stop it by SIGSTOP until the end of the block."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self._process.send_signal(signal.SIGCONT)

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait(GUARD)
            self._process = None

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid


def prepare(home: Home, controller: str = CONTROLLER, count: int = 1, program: Path | None = None) -> list[HomeBroker]:
    """Make the brokers of a home: one, or a cluster."""
    now = datetime.now(timezone.utc)
    addresses = [BrokerAddress("127.0.0.1", free_port()) for _ in range(count)]
    pki.prepare(home, controller, now)
    admission.create(home, controller, addresses, now)
    admission.write_servers(home, now)
    return [HomeBroker(home, each, program) for each in addresses]


@contextlib.contextmanager
def running(home: Home, controller: str = CONTROLLER, program: Path | None = None) -> Iterator[HomeBroker]:
    """Run the broker of a home, made here, until the end of the block."""
    (broker,) = prepare(home, controller, program=program)
    try:
        yield broker.start()
    finally:
        broker.kill()


def use_relay(broker: HomeBroker, relay: Relay) -> None:
    """Make the controller reach its only broker through a relay."""
    settings = broker_folder.settings(broker.home)
    broker_folder.write(broker.home, settings.replace(addresses=(BrokerAddress("127.0.0.1", relay.port),)))


def furnish(folder: Path, home: Home, instance: str) -> None:
    """Write what an agent needs to dial into its ``pki``: the authority of the brokers, and a token."""
    (folder / "broker-ca.pem").write_bytes((home.pki / "ca.pem").read_bytes())
    token = admission.agent_token(home, instance, datetime.now(timezone.utc))
    (folder / "agent.jwt").write_text(f"{token}\n")


def equip(place: Place, broker: HomeBroker, controller: str = CONTROLLER, *, dial: str = "") -> None:
    """Give an agent what it needs to dial, before its start; ``dial`` is the address of a relay."""
    now = datetime.now(timezone.utc)
    place.put(pki.agent_credentials(place.home, controller, place.instance, now, dials=True))
    furnish(place.agent.home / "pki", place.home, place.instance)
    place.agent.configure(dial=dial or str(broker.address), dial_seconds=1)


def wait_until_connected(place: Place) -> None:
    """Wait until a started agent is connected to its broker."""
    client = place.agent.connect()
    eventually(lambda: client.call("agent.status")["dial"]["broker"])
    client.close()
