"""A fleet in virtual time: the real drivers and the real store, with agents in memory that lose, delay and delete.

One seed is one history: its runs, their durations, its failures and their times. All processes live in one
event loop, each with a database connection and a sender of its own; a killed one loses both.
"""

from __future__ import annotations

import asyncio
import selectors
from collections import Counter
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from random import Random
from typing import Any, cast

from agentd.wire import protocol
from assist_cli.agents.client import Client
from assist_cli.errors import ClientNotOnline, ClientNotRunning
from assist_cli.model.audit import Actor
from assist_cli.model.instance import Instance
from assist_cli.operations.controller import Controller
from assist_cli.paths import Home
from assist_cli.store import instances
from assist_cli.store.database import Database, open_database

START = datetime(2026, 11, 22, 8, tzinfo=timezone.utc)
LATENCY = (0.001, 0.3)  # seconds
ROUNDING = 1e-9  # seconds, so that no sum is a little earlier than the time that a timer waits for
LATE_ARRIVAL = 4.0  # bytes of a killed process arrive no later: docs/rules.md section 2


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop whose time passes only while nothing is ready."""

    def __init__(self) -> None:
        self.now = 0.0
        super().__init__(_Selector(self))

    def time(self) -> float:
        return self.now


class _Selector(selectors.SelectSelector):
    def __init__(self, loop: VirtualLoop) -> None:
        super().__init__()
        self._virtual = loop

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        found = super().select(0)
        if not found:
            assert timeout is not None, "everything waits, and for nothing"
            self._virtual.now += max(timeout, 0) + ROUNDING
        return found


@dataclass
class Task:
    """The state of a record at an agent: its start, its own end, its outcome."""

    started: float
    ends: float
    timeout: float
    stopped: float | None = None
    deleted: bool = False
    interrupted: bool = False
    watchers: list[MemoryConnection] = field(default_factory=list)

    def end(self) -> float:
        """The time at which it has ended, by the first cause."""
        return min(self.ends, self.started + self.timeout, self.stopped or self.ends)

    def result(self, clock: Callable[[float], float]) -> dict[str, Any]:
        state, code, error = "Finished", 0, ""
        if self.interrupted:
            state, code, error = "Failed", None, "ExecutionInterrupted"
        elif self.stopped is not None and self.end() == self.stopped:
            state, code, error = "Stopped", 143, "ExecutionInterrupted"
        elif self.end() < self.ends:
            state, code, error = "Failed", 143, "ExecutionTimeout"
        return {
            "state": state,
            "exit_code": code,
            "error_code": error,
            "error_info": "as it was" if error else "",
            "started": clock(self.started),
            "finished": clock(self.end()),
            "output_bytes": 5,
        }


class MemoryAgent:
    """The agent of one instance: at most once by its journal, which ``wipe`` deletes."""

    def __init__(self, world: Simulation, instance: str) -> None:
        self.world = world
        self.instance = instance
        self.tasks: dict[str, Task] = {}
        self.starts: Counter[str] = Counter()
        self.wiped: list[float] = []
        self.unheard: set[str] = set()
        self.down_until = 0.0
        self.silent_until = 0.0
        self.connections: set[MemoryConnection] = set()

    def is_well(self, *, within: float = 0.0) -> bool:
        """Return True if it answers, now or in this many seconds."""
        return self.world.loop.now + within >= max(self.down_until, self.silent_until)

    def crash(self, seconds: float) -> None:
        """Crash the agent for this time; its shims continue."""
        self.down_until = self.world.loop.now + seconds
        for connection in list(self.connections):
            connection.lose()

    def wipe(self) -> None:
        """Delete its spool; nobody can know of accepted records that were not stored elsewhere by then."""
        self.wiped.append(self.world.loop.now)
        rows = self.world.database.query("SELECT id FROM records WHERE accepted = 0")
        self.unheard.update(self.tasks.keys() & {row["id"] for row in rows})
        self.tasks.clear()
        self.crash(0.5)

    def interrupt(self) -> None:
        """Kill the shims of all running records."""
        now = self.world.loop.now
        for record, task in self.tasks.items():
            if task.end() > now:
                task.ends, task.interrupted = now, True
                self._finish(record)

    def handle(self, message: dict[str, Any]) -> dict[str, Any] | None:
        """Return the answer to a request; ``task.forget`` has none."""
        method, params = message["method"], message["params"]
        if method == "task.forget":
            for each in params["records"]:
                if each in self.tasks:
                    self.tasks[each].deleted = True
            return None
        number = message["id"]
        if method == "agent.hello":
            found = {"protocol": list(protocol.VERSION), "instance": self.instance, "agent": "1", "boot": "b"}
            return protocol.response(number, {**found, "hostname": "h", "os": "linux"})
        if method == "task.run":
            return protocol.response(number, self._run(params))
        task = self.tasks.get(params["record"])
        if task is None:
            return protocol.failure(number, protocol.REFUSED, "there is no such record", "RecordNotFound")
        if method == "task.stop":
            now = self.world.loop.now
            if task.end() > now:
                task.stopped = min(task.stopped or now + 1, now + self.world.random.uniform(0, 6))
                self._schedule(params["record"])
        state = self._state(task)
        result = task.result(self.world.wall_at) if state not in ("Running", "Forgotten") else None
        return protocol.response(number, {"state": state, "result": result, "next": None, "output": []})

    def watch(self, message: dict[str, Any], connection: MemoryConnection) -> None:
        """Start the watch of a task on a connection, if a request asked for it."""
        method, params = message["method"], message["params"]
        task = self.tasks.get(params.get("record", ""))
        asked = method == "task.watch" or (method == "task.run" and params.get("watch") is not None)
        if task is None or not asked or task.deleted:
            return
        task.watchers.append(connection)
        if task.end() <= self.world.loop.now:
            self._tell(params["record"], task, connection)

    def _run(self, params: dict[str, Any]) -> dict[str, Any]:
        record, now = params["record"], self.world.loop.now
        known = record in self.tasks
        if not known:
            self.starts[record] += 1
            self.tasks[record] = Task(now, now + self.world.duration(), params["timeout"])
            self._schedule(record)
        task = self.tasks[record]
        watching = params.get("watch") is not None and not task.deleted
        return {"state": self._state(task), "known": known, "watching": watching, "record": record}

    def _state(self, task: Task) -> str:
        if task.deleted:
            return "Forgotten"
        return "Running" if task.end() > self.world.loop.now else str(task.result(self.world.wall_at)["state"])

    def _schedule(self, record: str) -> None:
        self.world.loop.call_at(self.tasks[record].end(), self._finish, record)

    def _finish(self, record: str) -> None:
        task = self.tasks.get(record)
        if task is not None and task.end() <= self.world.loop.now:
            for connection in task.watchers:
                self._tell(record, task, connection)
            task.watchers.clear()

    def _tell(self, record: str, task: Task, connection: MemoryConnection) -> None:
        if not task.deleted:
            data = {"record": record, "stream": "stdout", "offset": 0, "data": protocol.pack(b"done\n")}
            connection.answer(protocol.notification("task.output", data))
            ended = {"record": record, "result": task.result(self.world.wall_at)}
            connection.answer(protocol.notification("task.finished", ended))


class MemoryConnection(asyncio.Transport):
    """A connection in memory: written bytes arrive later, in order, until it is lost."""

    def __init__(self, agent: MemoryAgent, client: Client, owner: Process) -> None:
        super().__init__()
        self._agent = agent
        self._client = client
        self._owner = owner
        self._decoder = protocol.Decoder()
        self._there = self._back = agent.world.loop.now
        self._lost = self._closed = False
        agent.connections.add(self)

    def write(self, data: Any) -> None:
        """Send to the agent; the bytes may be lost, together with the connection."""
        world = self._agent.world
        self._there = max(self._there, world.loop.now + world.latency())
        for message in self._decoder.feed(bytes(data)):
            world.loop.call_at(self._there, self._arrive, message)

    def answer(self, message: dict[str, Any]) -> None:
        """Send to the controller."""
        world = self._agent.world
        self._back = max(self._back, world.loop.now + world.latency())
        world.loop.call_at(self._back, self._come_back, protocol.encode(message))

    def lose(self) -> None:
        """Break the connection; both ends learn of it."""
        if not self._lost:
            self._lost = True
            self._agent.connections.discard(self)
            if self._owner.alive:
                self._agent.world.loop.call_soon(self._client.connection_lost, None)

    def is_closing(self) -> bool:
        return self._lost or self._closed

    def close(self) -> None:
        """Close it; written bytes still arrive."""
        if not self.is_closing():
            self._closed = True
            self._agent.world.loop.call_soon(self._client.connection_lost, None)

    def pause_reading(self) -> None:
        pass

    def resume_reading(self) -> None:
        pass

    def _arrive(self, message: dict[str, Any]) -> None:
        world = self._agent.world
        late = not self._owner.alive and world.loop.now < self._owner.died + LATE_ARRIVAL
        if self._lost and not late:
            return
        if world.loop.now < self._agent.silent_until:  # the reader is suspended, and reads it later
            world.loop.call_at(self._agent.silent_until, self._arrive, message)
            return
        if world.loop.now < self._agent.down_until or world.breaks():
            self.lose()
            return
        answer = self._agent.handle(message)
        if answer is not None:
            self.answer(answer)
        self._agent.watch(message, self)
        if world.breaks():
            self.lose()

    def _come_back(self, data: bytes) -> None:
        if not self.is_closing() and self._owner.alive:
            self._client.data_received(data)


class Process:
    """A process of the controller: a run, a reconciliation, a stop, the server."""

    def __init__(self, world: Simulation) -> None:
        self._world = world
        self._database: Database = open_database(world.home.database)
        world.processes.append(self)
        self.alive = True
        self.died = 0.0
        self.tasks: list[asyncio.Task[Any]] = []
        self.leaves: list[Callable[[], None]] = []
        self.controller = world.controller.replace(database=self._database, connect=self.connect)

    async def connect(self, instance: str) -> Client:
        """Return a connection after hello. Raises ClientNotRunning while the agent is away."""
        agent, world = self._world.agents[instance], self._world
        await asyncio.sleep(world.random.uniform(*LATENCY))
        if world.loop.now < agent.down_until:
            raise ClientNotRunning("cannot reach the agent: nothing listens")
        if world.breaks():
            raise ClientNotOnline("cannot reach the agent: no route")
        client = Client(instance)
        client.connection_made(cast("asyncio.BaseTransport", MemoryConnection(agent, client, self)))
        await client.greet(self.controller.id, "1", self.controller.timeouts.agent.greeting)
        return client

    def begin(self, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        task = self._world.loop.create_task(work)
        self.tasks.append(task)
        return task

    def kill(self) -> None:
        """Kill it as by SIGKILL: it writes nothing more, and the lock of its sender is free."""
        self.alive, self.died = False, self._world.loop.now
        self._database.close()
        for task in self.tasks:
            task.cancel()
        self.leave()

    def leave(self) -> None:
        while self.leaves:
            self.leaves.pop()()

    async def end(self) -> None:
        """Wait until its tasks have ended, and close it. Raises their exceptions, unless it was killed."""
        if self.tasks:
            await asyncio.wait(self.tasks)
        was_alive = self.alive
        self.close()
        for task in self.tasks:
            error = None if task.cancelled() else task.exception()
            if was_alive and error is not None:
                raise error

    def close(self) -> None:
        if self.alive:
            self.alive = False
            self.leave()
            self._database.close()


class Simulation:
    """One history. ``trouble`` is the chance that a message, or a connection attempt, breaks the connection."""

    def __init__(self, home: Home, seed: int, *, trouble: float, size: int) -> None:
        self.random = Random(seed)
        self.home = home
        self.loop = VirtualLoop()
        self.trouble = trouble
        self.step = timedelta(0)
        home.folder(home.root)
        self.database = open_database(home.database)
        self.controller = Controller(
            home, self.database, self.wall, Actor("ann", 1000, "desk"), lambda: 1000 + self.loop.now, "boot"
        )
        self.agents: dict[str, MemoryAgent] = {}
        self.processes: list[Process] = []
        with self.database.transaction() as transaction:
            transaction.execute(
                "CREATE TABLE moves (number INTEGER PRIMARY KEY, id TEXT, old TEXT, code TEXT, new TEXT, new_code TEXT)"
            )
            transaction.execute(
                """
                CREATE TRIGGER record_moves AFTER UPDATE OF status ON records WHEN old.status <> new.status
                BEGIN INSERT INTO moves (id, old, code, new, new_code)
                VALUES (old.id, old.status, old.error_code, new.status, new.error_code); END
                """
            )
            for number in range(1, size + 1):
                found = Instance(id=f"i-{number:026}", name=f"n{number}", address="unix:/x", created=START)
                instances.register(transaction, found)
                self.agents[found.id] = MemoryAgent(self, found.id)

    def wall(self) -> datetime:
        """The time of day, which the test may set."""
        return START + timedelta(seconds=self.loop.now) + self.step

    def wall_at(self, seconds: float) -> float:
        """A time of the loop on the clock of an agent."""
        return (START + timedelta(seconds=seconds)).timestamp()

    def duration(self) -> float:
        """The duration of the next script; most are short."""
        return self.random.choice((0.0, 0.1, 3.0, 10.0, 30.0)) * self.random.uniform(0.5, 1.5)

    def latency(self) -> float:
        """The latency of a message, sometimes very high."""
        late = self.random.random() < 2 * self.trouble
        return self.random.uniform(0.3, LATE_ARRIVAL - 0.5) if late else self.random.uniform(*LATENCY)

    def breaks(self) -> bool:
        return self.random.random() < self.trouble

    def run(self, story: Coroutine[Any, Any, None]) -> None:
        """Run the history."""
        try:
            self.loop.run_until_complete(story)
        finally:
            left = asyncio.all_tasks(self.loop)
            for task in left:
                task.cancel()
            if left:
                self.loop.run_until_complete(asyncio.wait(left))
            for process in self.processes:
                process.close()
            self.loop.close()
            self.database.close()
