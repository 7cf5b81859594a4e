"""A controller's home, an agent that is its own, and the ways to reach it."""

from __future__ import annotations

import socket
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path

import pytest

from assist_cli.agents import address
from assist_cli.agents.client import Client
from assist_cli.deploy import bundle, pki
from assist_cli.paths import Home
from tests.support import interpreters
from tests.support.agent import Agent

CONTROLLER = "c0ffee"
NEWEST = "3.13"


@pytest.fixture(scope="session")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("archive") / "agentd.pyz"
    bundle.write(path)
    return path


@dataclass
class Place:
    """One agent with certificates, and the controller to which it belongs."""

    agent: Agent
    home: Home
    instance: str
    port: int
    doors: list[socket.socket] = field(default_factory=list)

    def address(self, way: str) -> str:
        return f"unix:{self.agent.home}/agentd.sock" if way == "unix" else f"tls:127.0.0.1:{self.port}"

    async def connect(self, way: str, controller: str = CONTROLLER) -> Client:
        return await address.connect(self.address(way), home=self.home, controller=controller, instance=self.instance)

    def put(self, credentials: pki.Credentials) -> None:
        """Give the agent these certificates; it reads them when it starts."""
        folder = self.agent.home / "pki"
        folder.mkdir(mode=0o700, exist_ok=True)
        (folder / "ca.pem").write_bytes(credentials.authority)
        (folder / "agent.pem").write_bytes(credentials.certificate)
        (folder / "agent.key").write_bytes(credentials.key)

    def start(self) -> None:
        self.agent.start("--listen", f"127.0.0.1:{self.port}")


@pytest.fixture
def place(archive: Path, isolation: Path, no_leaks: None) -> Iterator[Place]:
    """An agent that is furnished and not started yet."""
    home = Home(isolation / "assist")
    now = datetime.now(timezone.utc)
    pki.prepare(home, CONTROLLER, now)
    agent = Agent(archive, interpreters.find(NEWEST) or Path(sys.executable), isolation)
    instance = "i-01kbdk5g8w3m9v6yx2r4hq7cne"
    (agent.home / "instance-id").write_text(instance + "\n")
    made = Place(agent, home, instance, free_port())
    made.put(pki.agent_credentials(home, CONTROLLER, instance, now))
    yield made
    agent.close()


@pytest.fixture
def started(place: Place) -> Place:
    place.start()
    return place


MakeDoor = Callable[[], socket.socket]


def free_port() -> int:
    """A port of 127.0.0.1 that was free just now."""
    with socket.create_server(("127.0.0.1", 0)) as door:
        return int(door.getsockname()[1])
