"""A fleet on one machine: real agents, each with its own folder, id, certificate and address, and some bad ones.

Every agent listens on an address of its own in 127.0.0.0/8 with mutual TLS, as it would on a network. They are forked
from one parent (``fork_server``), which shares the memory of their code between them: a thousand take about 3 GiB.
Linux only: elsewhere 127.0.0.1 is the only address of that network.
"""

from __future__ import annotations

import contextlib
import os
import random
import selectors
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from agentd import config
from agentd.posix import processes
from assist_cli.deploy import pki
from assist_cli.model.instance import Instance
from assist_cli.operations.controller import Controller, open_controller
from assist_cli.paths import Home
from assist_cli.store import instances
from tests.support import nats_place

PORT = 7433
START_SECONDS = 60.0  # seconds for all of them to listen
IDLE = "agentd-idle"  # a child that waits for a task
REST_SECONDS = 1.2  # an agent cleans up one second after its results were acknowledged
ROOT = Path(__file__).resolve().parents[2]


@dataclass
class Member:
    """One instance of a fleet. ``pid`` is that of its agent; None without an agent."""

    name: str
    home: Path
    address: str
    instance: str = field(default_factory=config.new_instance_id)
    pid: int | None = None
    dial: str = ""  # the brokers that it dials

    @property
    def endpoint(self) -> str:
        """The address for the controller."""
        return f"nats:{self.instance}" if self.dial else f"tls:{self.address}:{PORT}"


class Fleet:
    """``count`` instances, ``n1``, ``n2`` …, with certificates from ``controller``; a context manager.

    The first ``refusing`` members have no agent and refuse connections. The next ``hanging`` members accept them and
    send nothing. With ``dial`` the others also connect to these brokers, and are reached there.
    """

    def __init__(
        self, folder: Path, controller: Controller, count: int, *, refusing: int = 0, hanging: int = 0, dial: str = ""
    ) -> None:
        self._folder = folder
        self._controller = controller
        self._count = count
        self._refusing = refusing
        self._hanging = hanging
        self._dial = dial
        self._stack = contextlib.ExitStack()
        self._fork_server: subprocess.Popen[bytes] | None = None
        self.members: list[Member] = []
        self.start_seconds = 0.0

    @property
    def served(self) -> list[Member]:
        """The members that have an agent."""
        return [member for member in self.members if member.pid is not None]

    @property
    def refusing(self) -> list[Member]:
        return self.members[: self._refusing]

    @property
    def hanging(self) -> list[Member]:
        return self.members[self._refusing : self._refusing + self._hanging]

    def __enter__(self) -> Fleet:
        with self._stack as stack:
            network = stack.enter_context(_network())
            width = len(str(self._count))
            for number in range(self._count):
                address = f"{network}.{number // 250}.{number % 250 + 1}"
                self.members.append(Member(f"n{number + 1:0{width}}", self._folder / str(number + 1), address))
            for member in self.hanging:
                stack.enter_context(socket.create_server((member.address, PORT), backlog=1024))
            self._found(stack, self.members[self._refusing + self._hanging :])
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def _found(self, stack: contextlib.ExitStack, members: Sequence[Member]) -> None:
        now = self._controller.now()
        pki.prepare(self._controller.home, self._controller.id, now)
        for member in members:
            member.dial = self._dial
            home, name = self._controller.home, self._controller.id
            _furnish(member, pki.agent_credentials(home, name, member.instance, now, dials=bool(member.dial)))
            if member.dial:
                nats_place.furnish(member.home / "pki", home, member.instance)
        self._fork_server = stack.enter_context(_fork_server(self._folder))
        began = time.monotonic()
        self.start(members)
        self.start_seconds = time.monotonic() - began

    def start(self, members: Sequence[Member]) -> None:
        """Start the agents of members without one, and wait until they listen. Raises RuntimeError."""
        assert self._fork_server is not None
        assert self._fork_server.stdin is not None
        assert self._fork_server.stdout is not None
        by_home = {str(member.home): member for member in members}
        orders = [f"{home}\t{member.address}:{PORT}\n" for home, member in by_home.items()]
        self._fork_server.stdin.write("".join(orders).encode())
        self._fork_server.stdin.flush()
        for line in _lines(self._fork_server.stdout, len(by_home), time.monotonic() + START_SECONDS):
            home, word = line.split("\t", 1)
            if not word.isdigit():
                raise RuntimeError(f"an agent of the fleet did not start: {word}")
            by_home[home].pid = int(word)

    def power_off(self, member: Member) -> None:
        """Power off a member: its agent and all processes of that agent die together."""
        assert member.pid is not None
        os.kill(member.pid, signal.SIGSTOP)  # suspend them, so that nothing new starts during the search
        all_of_it = {member.pid, *processes.descendants(member.pid)}
        processes.send(all_of_it, signal.SIGSTOP)  # none of them sees another one die
        processes.send(all_of_it, signal.SIGKILL)
        member.pid = None

    def rest(self) -> None:
        """Wait until the agents have cleaned up after a run, so that it does not count for the next."""
        end = time.monotonic() + START_SECONDS
        busy = self.served
        while busy and time.monotonic() < end:
            time.sleep(REST_SECONDS)  # when they begin; there is no event for their end
            busy = [member for member in busy if any(name != IDLE for name in _children(member.pid))]

    def memory(self) -> float:
        """MiB per agent: its share of memory (PSS), of all agents together divided by their number."""
        return sum(_share(member.pid) for member in self.served) / len(self.served)


def enlist(controller: Controller, members: Sequence[Member]) -> None:
    """Register these instances at a controller."""
    with controller.database.transaction() as transaction:
        for member in members:
            found = Instance(id=member.instance, name=member.name, address=member.endpoint, created=controller.now())
            instances.register(transaction, found)


@contextlib.contextmanager
def enlisted(home: Path, count: int, *, refusing: int = 0, hanging: int = 0) -> Iterator[Fleet]:
    """A fleet that is registered in ``home``."""
    folder = home.parent / "fleet"
    folder.mkdir()
    with (
        open_controller(Home(home)) as controller,
        Fleet(folder, controller, count, refusing=refusing, hanging=hanging) as fleet,
    ):
        enlist(controller, fleet.members)
        yield fleet


def _furnish(member: Member, credentials: pki.Credentials) -> None:
    """Write the files of an installation."""
    for folder in (member.home, member.home / "pki", member.home / "scripts"):
        folder.mkdir(mode=0o700)
    (member.home / "instance-id").write_text(f"{member.instance}\n")
    dialling = f"dial = {member.dial}\ndial_seconds = 1\n" if member.dial else ""
    (member.home / "agentd.conf").write_text(f"script_dir = {member.home}/scripts\n{dialling}")
    (member.home / "pki" / "ca.pem").write_bytes(credentials.authority)
    (member.home / "pki" / "agent.pem").write_bytes(credentials.certificate)
    (member.home / "pki" / "agent.key").write_bytes(credentials.key)


@contextlib.contextmanager
def _network() -> Iterator[str]:
    """The first half, ``127.N``, of addresses that are reserved for us while we hold the last of them."""
    for number in random.sample(range(64, 128), 64):
        with contextlib.suppress(OSError), socket.create_server((f"127.{number}.255.254", PORT), reuse_port=False):
            yield f"127.{number}"
            return
    raise RuntimeError("every network for a fleet is taken")


@contextlib.contextmanager
def _fork_server(folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    """The parent of the agents. Its argv has the folder, so that the check for leaks finds it."""
    words = [sys.executable, "-m", "tests.support.fork_server", f"{folder}/"]
    with subprocess.Popen(words, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        try:
            yield process
        finally:
            process.communicate(timeout=START_SECONDS)


def _lines(stream: IO[bytes], count: int, end: float) -> Iterator[str]:
    """Return ``count`` lines when they arrive. Raises RuntimeError if they have not by ``end``."""
    with selectors.DefaultSelector() as selector:
        selector.register(stream, selectors.EVENT_READ)
        rest = b""
        while count:
            if not selector.select(max(end - time.monotonic(), 0)):
                raise RuntimeError(f"{count} agents of the fleet do not listen in time")
            data = os.read(stream.fileno(), 65536)
            if not data:
                raise RuntimeError("the parent of the fleet's agents has died")
            *lines, rest = (rest + data).split(b"\n")
            count -= len(lines)
            yield from (line.decode() for line in lines)


def _children(pid: int | None) -> list[str]:
    """The names of the children of an agent."""
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        return [Path(f"/proc/{child}/comm").read_text().strip() for child in children]
    except OSError:
        return []


def _share(pid: int | None) -> float:
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) / 1024
    return 0.0
