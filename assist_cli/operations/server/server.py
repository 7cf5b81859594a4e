"""The event loop of the server.

It sleeps until the next due time, at most for one tick. Each tick checks if the clock was set and if another process
has changed the database. Both checks are cheap. Slow work has its own tasks: one for each fired record
(``deliverer``), and one for each open record without a live sender (``recovery``). All changes of the database are made
in ``threads``: the loop never waits for a commit.

Other services can run in the same loop, see ``Service``.
"""

from __future__ import annotations

import asyncio
import contextlib
import heapq
import logging
import math
import os
import signal
from collections.abc import Callable, Collection, Iterable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from datetime import datetime, timedelta

from assist_cli.errors import AssistError, Conflict
from assist_cli.operations import periodic
from assist_cli.operations.controller import Controller, Controllers
from assist_cli.operations.fleet.pool import ConnectionPool
from assist_cli.operations.notify import wishes
from assist_cli.operations.runs.batch_writer import BatchWriter
from assist_cli.operations.runs.senders import sender
from assist_cli.operations.server import cleaner, clones, enrolling, firing, hints, lease, realign, recovery, takeover
from assist_cli.operations.server.agenda import Agenda
from assist_cli.operations.server.clock import Clock
from assist_cli.operations.server.deliverer import Deliverer
from assist_cli.operations.server.failures import Failures
from assist_cli.operations.server.queue import QueueDelivery
from assist_cli.operations.server.recovery import Recovery
from assist_cli.operations.server.threads import with_threads
from assist_cli.store import schedules
from assist_cli.store.database import to_ms

BATCH = 250  # schedules that are fired in one transaction, which blocks other writers

log = logging.getLogger(__name__)

# A service that runs in the loop of the server, such as the HTTP API: a function of the controller of the loop, and of
# those for threads of the service. It returns an asynchronous context manager, which is entered after the lease is
# taken, and exited before the lease is released.
Service = Callable[[Controller, Controllers], AbstractAsyncContextManager[object]]


def serve(
    controller: Controller, *, once: bool = False, services: Sequence[Service] = (), take_over: bool = False
) -> None:
    """Run the server until SIGTERM or SIGINT; with ``once`` only do what is due now, and try the queue.

    With ``take_over`` agents serve this home from then on, in place of every other copy of it.

    Raises Conflict if another server runs or takes the lease (ServerRunning), or if a newer Assist has migrated the
    database (DatabaseTooNew), DatabaseFailure and FileFailure.
    """
    with sender(controller.home) as token:
        lease.take(controller, token, take_over=take_over)
        try:
            asyncio.run(_serve(controller, token, once, services, take_over))
        finally:
            lease.release(controller, token)


async def _serve(controller: Controller, token: str, once: bool, services: Sequence[Service], take_over: bool) -> None:
    async with contextlib.AsyncExitStack() as stack:
        controllers = Controllers(controller.home, controller.timeouts)
        stack.callback(controllers.close)
        controller = stack.enter_context(with_threads(controller, controllers))
        server = Server(controller, token, takes_over=take_over)
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, server.stop, number)
        for service in services:
            await stack.enter_async_context(service(controller, controllers))
        await (server.once() if once else server.run())


class Server:
    """The server of a home; one that ``takes_over`` greets all agents. Tests pass their own ``clock``."""

    def __init__(
        self, controller: Controller, token: str, clock: Clock | None = None, *, takes_over: bool = False
    ) -> None:
        self._controller = controller
        self._token = token
        self._takes_over = takes_over
        self._timeouts = controller.timeouts.server
        self._clock = clock or Clock(controller.now)
        self._agenda = Agenda()
        self._held: list[tuple[int, str, firing.DueRecord]] = []
        self._revision = 0
        self._changes = -1
        self._writer = BatchWriter(controller)
        self._pool = ConnectionPool(controller)
        self._failures = Failures()
        self._deliverer = Deliverer(controller, token, self._writer, self._pool, self._failures)
        self.queue = QueueDelivery(controller, token, self._writer, self._pool)
        self._recovery = Recovery(controller, token, self._writer, self._pool, self._deliverer, self.queue)
        self._others = False
        self._next_scan = 0.0
        self._stopped = asyncio.Event()
        self.failure: AssistError | None = None

    def stop(self, number: int | None = None) -> None:
        """Begin a graceful shutdown: fire nothing more. Running scripts continue on their agents."""
        if number is not None:
            log.info("shutting down on %s", signal.Signals(number).name)
        self._stopped.set()

    async def run(self) -> None:
        """Run until ``stop``."""
        try:
            await self.begin()
            home, number = self._controller.home.root, len(self._agenda)
            log.info("serving %s, process %d, schedules: %d", home, os.getpid(), number)
            duties = [
                asyncio.create_task(duty)
                for duty in (
                    self._keep_lease(),
                    recovery.keep_correcting(self._controller),
                    cleaner.keep_clean(self._controller),
                    wishes.keep_delivering(self._controller),
                    self.queue.keep_delivering(),
                    hints.keep_hearing(self._controller, self._hear),
                    enrolling.keep_enrolling(self._controller),
                    clones.keep_watching(self._controller),
                    self._watch_epochs(),
                )
            ]
            try:
                loop, tick = asyncio.get_running_loop(), 0.0
                while not self._stopped.is_set():
                    if is_tick := loop.time() >= tick:
                        tick = loop.time() + periodic.until_next(self._timeouts.tick)
                    await self._pause(min(await self.turn(looks=is_tick), tick - loop.time()))
            finally:
                for duty in duties:
                    duty.cancel()
                await asyncio.wait(duties)
        finally:
            await self.shut_down()
        if self.failure is not None:
            raise self.failure

    async def once(self) -> None:
        """Fire and deliver what is due now, try the queue, and fetch the outcomes of records that have ended."""
        try:
            with contextlib.suppress(asyncio.TimeoutError):
                greeting = takeover.greet(self._controller, self._pool, all_of_them=self._takes_over)
                await asyncio.wait_for(greeting, None if self._takes_over else self._timeouts.first_scan)
            await self.begin()
            await self.turn()
            while not self._stopped.is_set() and self._is_due():
                await self.turn()
            await self.queue.try_all(self._timeouts.leave, self._stopped)
        finally:
            await self.shut_down()
        if self.failure is not None:
            raise self.failure

    async def begin(self) -> None:
        """Adopt and recover the open records of dead processes, and read the schedules."""
        now, _ = self._clock.read()
        change = self._controller.change
        await change(self._failures.clear_all)
        await change(realign.at_start, self._token, self._failures, now)
        self._deliver(await change(firing.take_up, self._token, self._failures, now), now)
        self._notice_changes()
        # records that ended while the server was down must not count as still in progress
        await self._recovery.settled(self._timeouts.first_scan)

    async def shut_down(self) -> None:
        """Wait for deliveries in progress up to the timeout of a shutdown, then cancel the rest."""
        loop = asyncio.get_running_loop()
        end = loop.time() + self._timeouts.leave
        while (waiting := self._deliverer.unaccepted()) and loop.time() < end:
            await asyncio.wait(waiting, timeout=self._timeouts.arrival)
        await self._writer.write_accepted()
        await self.cancel()
        log.info("shut down")

    async def cancel(self) -> None:
        """Cancel all tasks and close all connections. Open records stay open, and are reconciled later."""
        tasks = self._recovery.cancel() + self._deliverer.cancel() + self.queue.cancel()
        if tasks:
            await asyncio.wait(tasks)
        self._pool.close()

    @property
    def under_way(self) -> Collection[str]:
        """The records that it is delivering or following."""
        return self._deliverer.under_way

    async def turn(self, *, looks: bool = True) -> float:
        """Do the work that is due now; with ``looks``, notice first what others have changed.

        Returns the seconds until more is due.
        """
        try:
            now, step = self._clock.read()
            if step:
                await self._take_step(now, step)
            if looks:
                self._notice_changes()
            return await self._fire(now)
        except Conflict as error:  # another server has the lease, or the database is too new
            self.failure = error
            self.stop()
        except AssistError as error:
            log.error("%s", error)
        return self._timeouts.tick

    async def _pause(self, seconds: float) -> None:
        if seconds <= 0:
            await asyncio.sleep(0)
            return
        with contextlib.suppress(asyncio.TimeoutError):
            await asyncio.wait_for(self._stopped.wait(), seconds)

    def _notice_changes(self) -> None:
        """Read changed schedules, and scan for open records to recover."""
        loop = asyncio.get_running_loop()
        changes, _ = self._controller.database.changes()
        if changes != self._changes:
            self._changes = changes
            lease.check(self._controller.database, self._token)
            self._revision, changed = schedules.changed(self._controller.database, self._revision)
            for invocation_id, due in changed.items():
                self._agenda.put(invocation_id, due)
        elif not self._others or loop.time() < self._next_scan:
            return
        self._others = self._recovery.scan({record_id: each.when for _, record_id, each in self._held})
        self._next_scan = loop.time() + self._timeouts.rescan

    def _is_due(self) -> bool:
        first = self._agenda.first()
        return first is not None and first <= to_ms(self._controller.now())

    async def _fire(self, now: datetime) -> float:
        """Fire what is due. Returns the seconds until more is due.

        All of it is written before the first is delivered: firing has priority over results.
        """
        deliveries: list[firing.DueRecord] = []
        while due := self._agenda.due(to_ms(now), BATCH):
            try:
                fired = await self._controller.change(firing.fire, self._token, self._failures, due, now)
            except BaseException:
                for invocation_id in due:
                    self._agenda.put(invocation_id, to_ms(now))
                self._deliver(deliveries, now)
                raise
            for invocation_id, upcoming in fired.upcoming.items():
                self._agenda.put(invocation_id, upcoming)
            deliveries += fired.deliveries
        self._deliver(deliveries, now)
        while self._held and self._held[0][0] <= to_ms(now):
            self._deliverer.carry(heapq.heappop(self._held)[2])
        coming = [due for due, _, _ in self._held[:1]]
        if (first := self._agenda.first()) is not None:
            coming.append(first)
        return min([math.inf, *((due - to_ms(self._controller.now())) / 1000 for due in coming)])

    def _deliver(self, deliveries: Iterable[firing.DueRecord], now: datetime) -> None:
        """Deliver the records that are due, and hold back the others until they are."""
        for delivery in deliveries:
            if delivery.when <= now:
                self._deliverer.carry(delivery)
            else:
                heapq.heappush(self._held, (to_ms(delivery.when), delivery.record.id, delivery))

    async def _take_step(self, now: datetime, step: timedelta) -> None:
        """Realign due times after the clock was set: only schedules by the time of day follow it."""
        log.warning("the clock was set by %+.1f s", step.total_seconds())
        await self._controller.change(realign.after_step, self._token, self._failures, now, step)
        self._held = [
            (to_ms(each.when + step), record_id, replace(each, when=each.when + step))
            for _, record_id, each in self._held
        ]
        self._reload()

    def _reload(self) -> None:
        _, found = schedules.changed(self._controller.database, 0)
        for invocation_id, due in found.items():
            self._agenda.put(invocation_id, due)

    def _hear(self, instance_id: str) -> None:
        """Process the hint that the agent of an instance has connected to the broker."""
        self._pool.end_back_off(instance_id)
        try:
            self.queue.hear(instance_id)
        except AssistError as error:
            log.error("%s", error)

    async def _watch_epochs(self) -> None:
        try:
            await takeover.keep_watch(self._controller, self._pool, takes_over=self._takes_over)
        except Conflict as error:
            self.failure = error
            self.stop()

    async def _keep_lease(self) -> None:
        while True:
            await asyncio.sleep(self._timeouts.renewal)
            try:
                await self._controller.change(lease.renew, self._token)
            except Conflict as error:
                self.failure = error
                self.stop()
            except AssistError as error:
                log.error("%s", error)
