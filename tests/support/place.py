"""One real agent with certificates, and the controller to which it belongs."""

from __future__ import annotations

import socket
import sys
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path

from assist_cli.agents import address
from assist_cli.agents.client import Client
from assist_cli.deploy import pki
from assist_cli.model.timeouts import DEFAULTS, AgentTimeouts
from assist_cli.paths import Home
from tests.support import interpreters
from tests.support.agent import Agent

CONTROLLER = "c0ffee"
INSTANCE = "i-01kbdk5g8w3m9v6yx2r4hq7cne"
NEWEST = "3.13"
TIMEOUTS = DEFAULTS.agent.replace(probe=0.5)


@dataclass
class Place:
    """An ``agent`` that listens on 127.0.0.1 and on its socket once it is started; ``home`` of its controller."""

    agent: Agent
    home: Home
    instance: str
    port: int
    ssh: str = ""  # its address over SSH, if there is an sshd
    timeouts: AgentTimeouts = TIMEOUTS

    def address(self, way: str) -> str:
        if way == "ssh":
            return self.ssh
        if way == "nats":
            return f"nats:{self.instance}"
        return f"unix:{self.agent.home}/agentd.sock" if way == "unix" else f"tls:127.0.0.1:{self.port}"

    async def connect(self, way: str, controller: str = CONTROLLER, *, epoch: int = 0) -> Client:
        return await address.connect(
            self.address(way),
            home=self.home,
            controller=controller,
            timeouts=self.timeouts,
            instance=self.instance,
            epoch=epoch,
        )

    def put(self, credentials: pki.Credentials) -> None:
        """Give the agent these certificates; it reads them at its start."""
        folder = self.agent.home / "pki"
        folder.mkdir(mode=0o700, exist_ok=True)
        (folder / "ca.pem").write_bytes(credentials.authority)
        (folder / "agent.pem").write_bytes(credentials.certificate)
        (folder / "agent.key").write_bytes(credentials.key)

    def start(self) -> None:
        self.agent.start("--listen", f"127.0.0.1:{self.port}")


def furnish(archive: Path, folder: Path, home: Home, controller: str = CONTROLLER, instance: str = INSTANCE) -> Place:
    """Write the files of an installation of an agent into ``folder``; it is not started yet."""
    now = datetime.now(timezone.utc)
    pki.prepare(home, controller, now)
    folder.mkdir(exist_ok=True)
    agent = Agent(archive, interpreters.find(NEWEST) or Path(sys.executable), folder)
    (agent.home / "instance-id").write_text(instance + "\n")
    made = Place(agent, home, instance, free_port())
    made.put(pki.agent_credentials(home, controller, instance, now))
    return made


def free_port() -> int:
    """A port of 127.0.0.1 that is free now."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])
