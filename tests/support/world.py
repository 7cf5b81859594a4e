"""A server in a world whose clocks the test controls, with stand-ins for agents: hours of firings take a moment.

Commands and the server have their own connections to the database, as in reality.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from assist_cli.model.audit import Actor
from assist_cli.model.frequency import Frequency
from assist_cli.model.instance import Instance
from assist_cli.model.schedule import KEEP, Missed, Slot, Timing
from assist_cli.model.target import Selection
from assist_cli.model.timeouts import Timeouts
from assist_cli.operations.controller import Controller, Controllers
from assist_cli.operations.fleet.pool import ConnectionPool
from assist_cli.operations.runs import recording
from assist_cli.operations.runs.plans import RunRequest
from assist_cli.operations.runs.senders import sender
from assist_cli.operations.server import lease, restore, schedules, takeover
from assist_cli.operations.server.clock import Clock
from assist_cli.operations.server.server import Server
from assist_cli.operations.server.threads import with_threads
from assist_cli.paths import Home
from assist_cli.store import instances
from assist_cli.store.database import Database, open_database
from tests.support.standin import Arrivals, listening

GUARD = 30.0


class World:
    """``wall`` is the wall clock, ``elapsed`` the seconds that have really passed."""

    def __init__(
        self,
        home: Home,
        ours: Database,
        theirs: Database,
        start: datetime,
        *,
        size: int = 1,
        original: World | None = None,
    ) -> None:
        self._time = _Time(start) if original is None else original._time
        self.controller = Controller(home, ours, lambda: self.wall, Actor("ann", 1000, "desk"), lambda: self.elapsed)
        self._servers = self.controller.replace(database=theirs)
        self.server: Server | None = None
        if original is not None:
            self.arrivals, self.sockets = original.arrivals, original.sockets
            return
        self.arrivals = Arrivals(clock=lambda: self.elapsed)
        self.sockets = {f"i-{each:026}": home.root / f"{each}.sock" for each in range(1, size + 1)}
        with ours.transaction() as transaction:
            for number, (each, path) in enumerate(self.sockets.items(), start=1):
                found = Instance(id=each, name=f"n{number}", address=f"unix:{path}", created=start)
                instances.register(transaction, found)

    @property
    def wall(self) -> datetime:
        return self._time.wall

    @wall.setter
    def wall(self, wall: datetime) -> None:
        self._time.wall = wall

    @property
    def elapsed(self) -> float:
        return self._time.elapsed

    @elapsed.setter
    def elapsed(self, elapsed: float) -> None:
        self._time.elapsed = elapsed

    def schedule(
        self,
        frequency: Frequency,
        *,
        on: Sequence[str] = ("n1",),
        jitter: float = 0,
        missed: Missed = Missed.SKIP,
        keep: int = KEEP,
        request: RunRequest | None = None,
    ) -> str:
        """Create a schedule. Return its id."""
        chosen = RunRequest(b"true", targets=Selection(tuple(on))) if request is None else request
        timing = Timing(frequency, timedelta(seconds=jitter), missed, keep)
        invocation, _ = recording.schedule(self.controller, chosen, timing)
        return invocation.id

    def use_timeouts(self, timeouts: Timeouts) -> None:
        """Use these shorter timeouts."""
        self.controller = self.controller.replace(timeouts=timeouts)
        self._servers = self._servers.replace(timeouts=timeouts)

    @contextlib.asynccontextmanager
    async def agents(self) -> AsyncIterator[None]:
        """Make the agents reachable."""
        async with listening(self.sockets, self.arrivals):
            yield

    @contextlib.asynccontextmanager
    async def serving(
        self, *, killed: bool = False, take_over: bool = False, threaded: bool = False
    ) -> AsyncIterator[Server]:
        """Run a server during the block; at its end it shuts down, or dies as by SIGKILL.

        One that is to ``take_over`` greets the agents first. One that is ``threaded`` makes its changes in threads, as
        ``assist serve`` does; a change in its event loop fails.
        """
        with sender(self.controller.home) as token, contextlib.ExitStack() as stack:
            lease.take(self._servers, token, take_over=take_over)
            if take_over:
                await self.greet(all_of_them=True)
            controller = self._servers
            if threaded:
                controllers = stack.enter_context(contextlib.closing(Controllers(controller.home)))
                controller = stack.enter_context(with_threads(controller, controllers))
                stack.enter_context(_unchangeable(controller.database))
            self.server = server = Server(controller, token, Clock(self.controller.now, lambda: self.elapsed))
            await server.begin()
            try:
                yield server
            finally:
                self.server = None
                if killed:
                    await server.cancel()
                else:
                    await server.shut_down()
                    stack.close()
                    lease.release(self._servers, token)

    async def greet(self, *, all_of_them: bool) -> None:
        """Greet agents as a server does at its start. Raises Conflict if another server has taken over."""
        pool = ConnectionPool(self._servers)
        try:
            await takeover.greet(self._servers, pool, all_of_them=all_of_them)
        finally:
            pool.close()

    async def forward(self, seconds: float, *others: World) -> None:
        """Advance time, with the server at work if there is one, and with those of other worlds of the same time."""
        end = self.elapsed + seconds
        while True:
            wait = GUARD
            for world in (self, *others):
                if world.server is not None:
                    wait = min(wait, await world.server.turn())
                    await world.settle()
            left = end - self.elapsed
            if left <= 0:
                return
            self._pass(min(max(wait, 0), left))

    def skip(self, seconds: float) -> None:
        """Advance time without any turn of a server."""
        self._pass(seconds)

    def step(self, seconds: float) -> None:
        """Set the clock; no time passes."""
        self.wall += timedelta(seconds=seconds)

    async def settle(self) -> None:
        """Wait until all firings have reached their agents, and all ends are written."""
        assert self.server is not None
        end = time.monotonic() + GUARD
        while any(each not in self.arrivals.records or each in self.arrivals.ended for each in self.server.under_way):
            assert time.monotonic() < end, "it does not settle"
            await asyncio.sleep(0)

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait for an event that does not depend on the clocks of this world."""
        end = time.monotonic() + GUARD
        while not condition():
            assert time.monotonic() < end
            await asyncio.sleep(0.05)

    def slots(self, invocation_id: str) -> list[Slot]:
        """The slots, the oldest first."""
        return [*schedules.recall(self.controller, invocation_id, limit=None)][::-1]

    def outcomes(self, invocation_id: str) -> list[str]:
        return [slot.outcome.value for slot in self.slots(invocation_id)]

    def moments(self, invocation_id: str) -> list[float]:
        """The arrival times of its records at their agents, in seconds that have really passed."""
        return [self.arrivals.records[record][1] for record in self.arrivals.of(invocation_id)]

    def _pass(self, seconds: float) -> None:
        self.elapsed += seconds
        self.wall += timedelta(seconds=seconds)


@contextlib.contextmanager
def _unchangeable(database: Database) -> Iterator[None]:
    """Refuse changes over this connection."""
    database.query("PRAGMA query_only = ON")
    try:
        yield
    finally:
        database.query("PRAGMA query_only = OFF")


@dataclass
class _Time:
    wall: datetime
    elapsed: float = 0.0


@contextlib.contextmanager
def restored(original: World, home: Path, file: Path) -> Iterator[World]:
    """A world of the same time and the same agents, in a home that is restored from a backup."""
    restore.restore(Home(home), file)
    database = Home(home).database
    with open_database(database) as ours, open_database(database) as theirs:
        yield World(Home(home), ours, theirs, original.wall, original=original)


@contextlib.contextmanager
def world_of(home: Path, start: datetime, *, size: int = 1) -> Iterator[World]:
    """A World in a new home."""
    rooms = Home(home)
    rooms.folder(rooms.root)
    with open_database(rooms.database) as ours, open_database(rooms.database) as theirs:
        yield World(rooms, ours, theirs, start, size=size)
