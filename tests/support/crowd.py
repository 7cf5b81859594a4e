"""Many simulated agents that dial out, in one process: python -m tests.support.crowd HOME FOLDER FIRST COUNT.

Each has the certificates, the token, the connection to the broker and the reconnects of a real agent, by its own code.
Only the tasks are those of a stand-in: it runs nothing. ``Crowd`` starts such processes and gives them orders, a line
each; every order is answered by one line of JSON.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import json
import os
import ssl
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from agentd import config, listeners
from agentd.admission import Admission
from agentd.broker import outer_context
from agentd.connection import Connection
from agentd.dial import Dialler
from assist_cli.agents import broker_folder
from assist_cli.deploy import pki
from assist_cli.deploy.broker import admission
from assist_cli.model.instance import Instance
from assist_cli.operations.controller import Controller
from assist_cli.paths import Home
from assist_cli.store import instances
from tests.support.standin import Arrivals, StandIn

LARGEST = 5000  # agents of one process
ROOT = Path(__file__).resolve().parents[2]


def instance_id(number: int) -> str:
    return f"i-{number:026}"


def enlist(controller: Controller, count: int) -> None:
    """Register the instances of a crowd: n00001, n00002 …"""
    with controller.database.transaction() as transaction:
        for number in range(count):
            instance = instance_id(number)
            found = Instance(instance, f"n{number + 1:05}", f"nats:{instance}", created=controller.now())
            instances.register(transaction, found)


# one process of the crowd


class _Circuits(Admission):
    """The circuits of one agent. The changes of their number are noted."""

    def __init__(self, changes: list[tuple[float, int]]) -> None:
        super().__init__(config.DEFAULTS["connection_limit"])
        self._changes = changes

    def greet(self, connection: Connection) -> bool:
        self._changes.append((time.time(), 1))
        return super().greet(connection)  # type: ignore[no-any-return]

    def leave(self, connection: Connection) -> None:
        if connection in self._greeted:
            self._changes.append((time.time(), -1))
        super().leave(connection)


class _Tasks(Arrivals):
    """The tasks of all agents. A record ends immediately, or with a ``period`` at the next multiple of it, in seconds.

    So all that were accepted meanwhile answer in the same moment.
    """

    period = 0.0

    def end(self, record: str, state: str = "Finished") -> None:
        if not self.period:
            super().end(record, state)
            return
        asyncio.get_running_loop().call_later(-time.time() % self.period, super().end, record, state)


class _StandIn(StandIn):
    """The stand-in behind one circuit."""

    def __init__(self, instance: str, member: _Member, connection: Connection) -> None:
        super().__init__(instance, member.crowd.tasks)
        self._member = member
        self._connection = connection

    def receive(self, message: dict[str, Any]) -> None:
        if message["method"] == "agent.hello":
            self._connection.greet()
        elif message["method"] == "task.run" and message["params"]["record"] not in self._arrivals.records:
            self._member.crowd.ran[message["params"]["invocation"], self._instance] += 1
        if "id" in message:
            self._answer(message["id"], message["method"], message["params"])

    def _say(self, message: dict[str, Any]) -> None:
        self._connection.send(message)


class _Dialler(Dialler):
    """The dialler of an agent. Its certificates were read before: on one machine, this would be most of the work."""

    def _contexts(self, pki: str) -> tuple[tuple[ssl.SSLContext, ssl.SSLContext], ssl.SSLContext]:
        return self._server.contexts  # type: ignore[no-any-return]


class _Member:
    """One agent: what a Dialler and its circuits need of an AgentServer."""

    def __init__(self, crowd: _Process, instance: str, folder: Path) -> None:
        words = dict(config.DEFAULTS, dial=crowd.brokers, pki=str(folder))
        self.settings = SimpleNamespace(**words)
        self.contexts = listeners.tls_contexts(str(folder)), outer_context(str(folder))
        self.loop = crowd.loop
        self.crowd = crowd
        self.instance = instance
        self.remote = _Circuits(crowd.circuits)
        self._stand_ins: dict[Connection, _StandIn] = {}

    def dial(self) -> None:
        self.dialler = _Dialler(self)

    def refuse(self, kind: str, text: str) -> None:
        self.crowd.note(self.instance, kind, text)

    def note_end(self) -> None:
        for each in [each for each in self._stand_ins if each not in self.remote.everybody()]:
            del self._stand_ins[each]

    def handle(self, connection: Connection, message: dict[str, Any]) -> None:
        if connection not in self._stand_ins:
            self._stand_ins[connection] = _StandIn(self.instance, self, connection)
        self._stand_ins[connection].receive(message)


class _Process:
    """The agents of one process, and the orders to them."""

    def __init__(self, home: Home, folder: Path, first: int, count: int) -> None:
        settings = broker_folder.settings(home)
        self.loop = asyncio.get_running_loop()
        self.brokers = ",".join(map(str, settings.addresses))
        self.tasks = _Tasks()
        self.ran: Counter[tuple[str, str]] = Counter()  # by invocation and instance
        self.circuits: list[tuple[float, int]] = []
        self._connected: dict[str, float] = {}  # instance → the time at which it was
        self._failures: Counter[str] = Counter()
        self._waiting: tuple[float, asyncio.Future[float]] | None = None
        self._members = [
            _Member(self, instance_id(number), _furnished(home, settings.controller, folder, number))
            for number in range(first, first + count)
        ]

    def note(self, instance: str, kind: str, text: str) -> None:
        """Note that an agent has connected, was lost, or has failed."""
        if kind == "connected":
            self._connected[instance] = time.time()
        else:
            self._failures[text.partition(": ")[2] or text] += 1
        if kind == "lost":
            del self._connected[instance]
        if self._waiting is not None and len(self._connected) == len(self._members):
            since, future = self._waiting
            if min(self._connected.values()) >= since and not future.done():
                future.set_result(max(self._connected.values()))

    async def start(self) -> None:
        """Connect all agents."""
        for each in self._members:
            each.dial()

    async def wait(self, since: str) -> float:
        """Wait until all agents have connected after the time ``since``. Return the time of the last one."""
        future = self.loop.create_future()
        self._waiting = float(since), future
        last = await future
        self._waiting = None
        gc.freeze()  # thousands of machines would not share one garbage collection
        return last

    async def behave(self, size: str, period: str) -> None:
        """From now on each record prints ``size`` bytes, and ends at the next multiple of ``period`` seconds."""
        self.tasks.output, self.tasks.period = b"x" * int(size), float(period)

    async def report(self) -> dict[str, Any]:
        """Return the counts since the last report."""
        ran = {invocation for invocation, _ in self.ran}
        found = {
            "connected": len(self._connected),
            "ran": {each: sum(which == each for which, _ in self.ran) for each in ran},
            "doubled": sum(count > 1 for count in self.ran.values()),
            "deliveries": self.tasks.deliveries,
            "circuits": self.circuits[:],
            "failures": dict(self._failures.most_common(5)),
        }
        self.ran.clear()
        self.circuits[:] = [(0.0, sum(change for _, change in self.circuits))]
        self._failures.clear()
        self.tasks.deliveries = 0
        return found


def _furnished(home: Home, controller: str, folder: Path, number: int) -> Path:
    """Write the files of an installation that dials out. Return their folder."""
    now, made = datetime.now(timezone.utc), folder / str(number)
    credentials = pki.agent_credentials(home, controller, instance_id(number), now, dials=True)
    made.mkdir(mode=0o700)
    for name in ("ca.pem", "broker-ca.pem"):
        (made / name).write_bytes(credentials.authority)
    (made / "agent.pem").write_bytes(credentials.certificate)
    (made / "agent.key").write_bytes(credentials.key)
    (made / "agent.jwt").write_text(admission.agent_token(home, instance_id(number), now) + "\n")
    return made


async def _main(home: Path, folder: Path, first: int, count: int) -> None:
    process = _Process(Home(home), folder, first, count)
    lines = asyncio.StreamReader()
    await process.loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    os.write(1, b"null\n")
    while line := await lines.readline():
        order, *words = line.decode().split()
        answer = await getattr(process, order)(*words)
        os.write(1, json.dumps(answer).encode() + b"\n")


# what a benchmark or a test uses


@dataclass
class CrowdReport:
    """The counts of all processes of a crowd since the last report.

    ``ran`` is the number of instances that an invocation has reached, ``deliveries`` that of all messages with a
    record, ``circuits`` the largest number of concurrent circuits.
    """

    connected: int = 0
    ran: Counter[str] = field(default_factory=Counter)
    doubled: int = 0
    deliveries: int = 0
    circuits: int = 0
    failures: Counter[str] = field(default_factory=Counter)


class Crowd:
    """``count`` agents of a home, in processes of at most ``LARGEST``. They have their files, and do not run yet."""

    def __init__(self, processes: Sequence[subprocess.Popen[bytes]]) -> None:
        self._processes = processes
        self._answers()  # they are ready

    def start(self) -> None:
        self._order("start")

    def wait(self, since: float) -> float:
        """Wait until all agents have connected after ``since``. Return the time of the last one."""
        return max(self._order(f"wait {since}"))

    def behave(self, size: int = 0, period: float = 0) -> None:
        """From now on each record prints ``size`` bytes, and ends at the next multiple of ``period`` seconds."""
        self._order(f"behave {size} {period}")

    def report(self) -> CrowdReport:
        found, changes = CrowdReport(), []
        for each in self._order("report"):
            found.connected += each["connected"]
            found.ran.update(each["ran"])
            found.doubled += each["doubled"]
            found.deliveries += each["deliveries"]
            found.failures.update(each["failures"])
            changes += each["circuits"]
        now = 0
        for _, change in sorted(changes):
            now += change
            found.circuits = max(found.circuits, now)
        return found

    def _order(self, line: str) -> list[Any]:
        for each in self._processes:
            assert each.stdin is not None
            each.stdin.write(f"{line}\n".encode())
            each.stdin.flush()
        return self._answers()

    def _answers(self) -> list[Any]:
        answers = []
        for each in self._processes:
            assert each.stdout is not None
            line = each.stdout.readline()
            if not line:
                raise RuntimeError("a process of the crowd has died")
            answers.append(json.loads(line))
        return answers


@contextlib.contextmanager
def crowd(home: Home, folder: Path, count: int) -> Iterator[Crowd]:
    """A crowd for a home with a broker; its files are in ``folder``. It ends with the block."""
    size = -(-count // max(os.cpu_count() or 1, -(-count // LARGEST)))
    with contextlib.ExitStack() as stack:
        processes = []
        for first in range(0, count, size):
            words = [sys.executable, "-m", "tests.support.crowd", str(home.root), str(folder), str(first)]
            process = subprocess.Popen(
                [*words, str(min(size, count - first))], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE
            )
            stack.callback(process.communicate)
            processes.append(process)
        yield Crowd(processes)


if __name__ == "__main__":
    asyncio.run(_main(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])))
