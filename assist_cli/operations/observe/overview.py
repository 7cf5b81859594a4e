"""The whole fleet at a glance, again and again: what the history says at once, what the agents say as it comes.

Agents are asked in the background, over connections that are kept, so many at a time; one that is slow or gone is told
as such and keeps nobody waiting. Between two rounds there is a pause that grows with what a round has cost.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import signal
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from assist_cli import codes
from assist_cli.agents import unix
from assist_cli.model.instance import LOCAL, Health, Instance
from assist_cli.model.overview import FailedRecord, NextFiring, Running
from assist_cli.model.target import natural_key
from assist_cli.operations.controller import Controller
from assist_cli.operations.fleet import concurrency, health
from assist_cli.operations.fleet.pool import ConnectionPool
from assist_cli.operations.server import schedules
from assist_cli.store import instances as register
from assist_cli.store import overview as store

SHARE = 40  # a round of questions is followed by a pause of so many times its CPU time
CONCURRENT_QUERIES = 32
LISTED = 50
FAILURES = 200
WRITTEN = 12  # after so many rounds it is written who has answered: it makes everybody read the history again

# A look at it does not start the agent of this machine.
RESTING = Health(error_code=codes.CLIENT_NOT_RUNNING, error="it is started when something runs on it")


@dataclass(frozen=True)
class Overview:
    """How everything stands. An instance without a ``health`` was not heard of yet."""

    now: datetime
    instances: Sequence[Instance]
    health: Mapping[str, Health]
    running: Sequence[Running]
    firings: Sequence[NextFiring]
    failures: Sequence[FailedRecord]
    is_served: bool


class Viewer:
    """Who looks. ``keyboard`` is the descriptor of a terminal, None where there is none."""

    keyboard: int | None = None

    def draw(self, overview: Overview) -> None:
        """Show this."""

    def pressed(self) -> bool:
        """The keyboard has something to read; whether that means to leave."""
        return False


def look(controller: Controller) -> Overview:
    """How everything stands now, every instance asked once."""
    return asyncio.run(_look(controller))


def observe(controller: Controller, viewer: Viewer) -> None:
    """Show it to ``viewer`` until that leaves, or the process is told to end."""
    asyncio.run(_observe(controller, viewer))


async def _look(controller: Controller) -> Overview:
    watch = Watch(controller)
    watch.read()
    await watch.ask()
    watch.close()
    return watch.overview()


async def _observe(controller: Controller, viewer: Viewer) -> None:
    loop = asyncio.get_running_loop()
    done = asyncio.Event()
    again = asyncio.Event()

    def press() -> None:
        if viewer.pressed():
            done.set()
            again.set()

    def leave() -> None:
        done.set()
        again.set()

    watch = Watch(controller)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, leave)
    loop.add_signal_handler(signal.SIGWINCH, again.set)
    if viewer.keyboard is not None:
        loop.add_reader(viewer.keyboard, press)
    asking = loop.create_task(watch.keep_asking(controller.timeouts.view.ask))
    try:
        while not done.is_set():
            watch.read()
            viewer.draw(watch.overview())
            again.clear()
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(again.wait(), controller.timeouts.view.overview)
            if asking.done():
                asking.result()
    finally:
        if viewer.keyboard is not None:
            loop.remove_reader(viewer.keyboard)
        asking.cancel()
        await asyncio.wait([asking])
        watch.close()


class Watch:
    """What is known, brought up to date when it is asked for."""

    def __init__(self, controller: Controller) -> None:
        self._controller = controller
        self._pool = ConnectionPool(controller)
        self._changes: object = None
        self._instances: Sequence[Instance] = ()
        self._health: dict[str, Health] = {}
        self._running: Sequence[Running] = ()
        self._firings: Sequence[NextFiring] = ()
        self._failures: Sequence[FailedRecord] = ()
        self._is_served = False

    def read(self) -> None:
        """Read the history again if it has changed."""
        database = self._controller.database
        changes = database.changes()
        if changes != self._changes:
            self._changes = changes
            self._instances = sorted(register.registered(database), key=lambda each: natural_key(each.name))
            self._running = store.running(database, LISTED)
            self._firings = store.firings(database, LISTED)
            self._failures = store.failures(database, FAILURES)
            self._is_served = schedules.is_served(self._controller)

    def overview(self) -> Overview:
        return Overview(
            self._controller.now(),
            self._instances,
            dict(self._health),
            self._running,
            self._firings,
            self._failures,
            self._is_served,
        )

    def heard(self) -> list[tuple[Instance, Health]]:
        """Who was asked, and how they are; an agent that rests is left out. It may be called from any thread."""
        known = dict(self._health)
        return [
            (each, known[each.id]) for each in self._instances if each.id in known and known[each.id] is not RESTING
        ]

    async def keep_asking(self, pause: float) -> None:
        """Ask them again and again, with so many seconds between, or more where a round takes much time."""
        for number in itertools.count(1):
            began = time.process_time()
            await self.ask()
            if number % WRITTEN == 0:
                self._controller.settle_contacts()
            await asyncio.sleep(max(pause, SHARE * (time.process_time() - began)))

    async def ask(self) -> None:
        """Ask every instance how it is."""
        self.read()
        await concurrency.each(self._instances, self._ask, limit=CONCURRENT_QUERIES)

    async def _ask(self, instance: Instance) -> None:
        if instance.name == LOCAL and not unix.is_served(self._controller.home.agent / "agentd.sock"):
            self._health[instance.id] = RESTING
            return
        seconds = self._controller.timeouts.view.answer
        try:
            async with self._pool.connection(instance.id) as connection:
                self._health[instance.id] = await asyncio.wait_for(connection.once(health.hear), seconds)
        except asyncio.TimeoutError:
            self._health[instance.id] = health.silent(instance, seconds)
        except Exception as error:
            self._health[instance.id] = health.unreached(self._controller, instance, error)

    def close(self) -> None:
        self._pool.close()
