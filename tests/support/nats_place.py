"""A real broker of a home, with the tokens of the home, and an agent that dials it."""

from __future__ import annotations

import contextlib
import signal
import subprocess
from collections.abc import Iterator
from datetime import datetime, timezone
from pathlib import Path

from assist_cli.agents import broker_folder
from assist_cli.deploy import pki
from assist_cli.deploy.broker import admission
from assist_cli.paths import Home
from tests.support.agent import GUARD, eventually
from tests.support.certificates import free_port
from tests.support.nats_user import listens, until
from tests.support.place import CONTROLLER, Place
from tests.support.programs import need


class HomeBroker:
    """The broker of a home, on 127.0.0.1; not started yet."""

    def __init__(self, home: Home, controller: str = CONTROLLER) -> None:
        self._program = need("nats-server")
        self.home = home
        self.address = broker_folder.parse(f"tls://127.0.0.1:{free_port()}")
        now = datetime.now(timezone.utc)
        pki.prepare(home, controller, now)
        admission.create(home, controller, [self.address], now)
        admission.write_servers(home, now)
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> HomeBroker:
        folder = admission.server_folder(self.home, self.address)
        self._process = subprocess.Popen(
            [self._program, "-c", "nats-server.conf"],
            cwd=folder, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
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


@contextlib.contextmanager
def running(home: Home, controller: str = CONTROLLER) -> Iterator[HomeBroker]:
    """Run the broker of a home, made here, until the end of the block."""
    broker = HomeBroker(home, controller)
    try:
        yield broker.start()
    finally:
        broker.kill()


def equip(place: Place, broker: HomeBroker, controller: str = CONTROLLER) -> None:
    """Give an agent what it needs to dial, before its start."""
    now = datetime.now(timezone.utc)
    place.put(pki.agent_credentials(place.home, controller, place.instance, now, dials=True))
    folder = place.agent.home / "pki"
    (folder / "broker-ca.pem").write_bytes((place.home.pki / "ca.pem").read_bytes())
    token: Path = folder / "agent.jwt"
    token.write_text(admission.agent_token(place.home, place.instance, now) + "\n")
    place.agent.configure(dial=str(broker.address), dial_seconds=1)


def wait_until_connected(place: Place) -> None:
    """Wait until a started agent is connected to its broker."""
    client = place.agent.connect()
    eventually(lambda: client.call("agent.status")["dial"]["broker"])
    client.close()
