"""The overview of the fleet, updated periodically: the history immediately, the health of agents as they answer.

Agents are queried in the background, over a connection pool, with limited concurrency. A slow or unreachable agent
delays no other. The pause between two rounds grows with the CPU time of a round.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import signal
import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from assist_cli import codes
from assist_cli.agents import unix
from assist_cli.model.folding import natural_key
from assist_cli.model.instance import LOCAL, Health, Instance
from assist_cli.model.overview import FailedRecord, NextFiring, Running
from assist_cli.model.presence import Presence
from assist_cli.operations.controller import Controller
from assist_cli.operations.fleet import concurrency, health
from assist_cli.operations.fleet.pool import ConnectionPool
from assist_cli.operations.server import schedules
from assist_cli.store import instances as register
from assist_cli.store import overview as store

PAUSE_FACTOR = 40  # the minimum pause after a round, as a multiple of its CPU time
CONCURRENT_QUERIES = 32
LISTED = 50
FAILURES = 200
WRITE_ROUNDS = 12  # rounds between two writes of the contacts: each write makes every viewer read the history again

# The overview does not start the agent of this machine.
RESTING = Health(error_code=codes.CLIENT_NOT_RUNNING, error="it starts on demand")


@dataclass(frozen=True)
class Overview:
    """The state of the fleet. An instance without a ``health`` has not answered or failed yet.

    ``presence`` is that of the instances that dial out.
    """

    now: datetime
    instances: Sequence[Instance]
    health: Mapping[str, Health]
    running: Sequence[Running]
    firings: Sequence[NextFiring]
    failures: Sequence[FailedRecord]
    is_served: bool
    presence: Presence = field(default_factory=Presence)


class Viewer:
    """A view of the overview. ``keyboard`` is the file descriptor of a terminal; None if there is none."""

    keyboard: int | None = None

    def draw(self, overview: Overview) -> None:
        """Show the overview."""

    def pressed(self) -> bool:
        """Read the keyboard, which has input. Return True to quit."""
        return False


def look(controller: Controller) -> Overview:
    """Query every instance once, and return the overview."""
    return asyncio.run(_look(controller))


def recall(controller: Controller, instances: Sequence[Instance], among: Collection[str] | None) -> Overview:
    """Return the overview of these instances from the database: no agent is queried, so none has a health.

    Only those ``among`` the instances of the history count (None: all).
    """
    database = controller.database
    return Overview(
        controller.now(),
        instances,
        {},
        store.running(database, LISTED, among),
        store.firings(database, LISTED, among),
        store.failures(database, FAILURES, among),
        schedules.is_served(controller),
    )


def observe(controller: Controller, viewer: Viewer) -> None:
    """Show the overview in ``viewer`` until the user quits or a signal ends the process."""
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
    redraw = asyncio.Event()

    def quit_viewer() -> None:
        done.set()
        redraw.set()

    def press() -> None:
        if viewer.pressed():
            quit_viewer()

    watch = Watch(controller)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, quit_viewer)
    loop.add_signal_handler(signal.SIGWINCH, redraw.set)
    if viewer.keyboard is not None:
        loop.add_reader(viewer.keyboard, press)
    asking = loop.create_task(watch.keep_asking(controller.timeouts.view.ask))
    try:
        while not done.is_set():
            watch.read()
            viewer.draw(watch.overview())
            redraw.clear()
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(redraw.wait(), controller.timeouts.view.overview)
            if asking.done():
                asking.result()
    finally:
        if viewer.keyboard is not None:
            loop.remove_reader(viewer.keyboard)
        asking.cancel()
        await asyncio.wait([asking])
        watch.close()


class Watch:
    """The state of the fleet, updated by ``read`` and ``ask``."""

    def __init__(self, controller: Controller) -> None:
        self._controller = controller
        self._pool = ConnectionPool(controller)
        self._changes: object = None
        self._instances: Sequence[Instance] = ()
        self._health: dict[str, Health] = {}
        self._presence = Presence()
        self._running: Sequence[Running] = ()
        self._firings: Sequence[NextFiring] = ()
        self._failures: Sequence[FailedRecord] = ()
        self._is_served = False

    def read(self) -> None:
        """Read the history if it has changed."""
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
            self._presence,
        )

    def queried(self) -> list[tuple[Instance, Health]]:
        """The instances that were queried, with their health, without a resting agent. Safe in any thread."""
        known = dict(self._health)
        return [
            (each, known[each.id]) for each in self._instances if each.id in known and known[each.id] is not RESTING
        ]

    def connected(self) -> tuple[list[Instance], Presence]:
        """The instances that dial out, and which of them are connected. Safe in any thread."""
        return [each for each in self._instances if each.dials], self._presence

    async def keep_asking(self, pause: float) -> None:
        """Query all instances periodically, ``pause`` seconds or more apart."""
        for number in itertools.count(1):
            began = time.process_time()
            await self.ask()
            if number % WRITE_ROUNDS == 0:
                await self._controller.contacts_settled()
            await asyncio.sleep(max(pause, PAUSE_FACTOR * (time.process_time() - began)))

    async def ask(self) -> None:
        """Query the health of every instance."""
        self.read()
        await asyncio.gather(
            self._ask_brokers(), concurrency.each(self._instances, self._ask, limit=CONCURRENT_QUERIES)
        )

    async def _ask_brokers(self) -> None:
        """Ask the brokers who is connected, if an instance dials out."""
        if any(each.dials for each in self._instances):
            from assist_cli.operations.broker import presence

            self._presence = await presence.ask(self._controller)

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
