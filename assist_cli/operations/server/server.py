"""The loop of the server.

It sleeps until something is due and no longer than a tick, since at each tick it looks whether the clock was set, and
whether another process has changed the database; both cost next to nothing. What takes time has tasks of its own: a
delivery for each record that is fired (``deliverer``), and one for each that
somebody else has left open (``recovery``).

Other services may live in the same loop: see ``Service``.
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
from assist_cli.operations.controller import Controller
from assist_cli.operations.fleet.pool import ConnectionPool
from assist_cli.operations.notify import wishes
from assist_cli.operations.runs.batch_writer import BatchWriter
from assist_cli.operations.runs.senders import sender
from assist_cli.operations.server import cleaner, firing, lease, realign, recovery, takeover
from assist_cli.operations.server.agenda import Agenda
from assist_cli.operations.server.clock import Clock
from assist_cli.operations.server.deliverer import Deliverer
from assist_cli.operations.server.failures import Failures
from assist_cli.operations.server.queue import QueueDelivery
from assist_cli.operations.server.recovery import Recovery
from assist_cli.store import schedules
from assist_cli.store.database import to_ms

AT_ONCE = 250  # schedules that are fired in one transaction, which others who write wait for

log = logging.getLogger(__name__)

# What else is to live in the loop of the server, from when it serves until it ends, as the HTTP API does: a function
# that gives an asynchronous context. It is entered when the lease is had, and left before that is given up.
Service = Callable[[Controller], AbstractAsyncContextManager[object]]


def serve(
    controller: Controller, *, once: bool = False, services: Sequence[Service] = (), take_over: bool = False
) -> None:
    """Serve until SIGTERM or SIGINT; with ``once`` only do what is due now.

    Raises Conflict when another one serves or takes over (ServerRunning) and when a newer Assist has migrated the
    database (DatabaseTooNew), DatabaseFailure and FileFailure.
    """
    with sender(controller.home) as token:
        lease.take(controller, token, take_over=take_over)
        try:
            asyncio.run(_serve(controller, token, once, services, take_over))
        finally:
            lease.give_up(controller, token)


async def _serve(controller: Controller, token: str, once: bool, services: Sequence[Service], take_over: bool) -> None:
    server = Server(controller, token, takes_over=take_over)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, server.stop, number)
    async with contextlib.AsyncExitStack() as stack:
        for service in services:
            await stack.enter_async_context(service(controller))
        await (server.once() if once else server.run())


class Server:
    """One server at work; one that ``takes_over`` tells all agents. ``clock`` is another one in tests only."""

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
        self._failures = Failures(controller)
        self._deliverer = Deliverer(controller, token, self._writer, self._pool, self._failures)
        self.queue = QueueDelivery(controller, token, self._writer, self._pool)
        self._recovery = Recovery(controller, token, self._writer, self._pool, self._deliverer)
        self._others = False
        self._look_again = 0.0
        self._stopped = asyncio.Event()
        self.failure: AssistError | None = None

    def stop(self, number: int | None = None) -> None:
        """Come to an end: fire nothing more, and leave what runs to whoever looks next."""
        if number is not None:
            log.info("ending, by %s", signal.Signals(number).name)
        self._stopped.set()

    async def run(self) -> None:
        """Serve until ``stop``."""
        try:
            await self.begin()
            log.info("serving %s, process %d, %d schedules", self._controller.home.root, os.getpid(), len(self._agenda))
            duties = [
                asyncio.create_task(duty)
                for duty in (
                    self._keep_lease(),
                    recovery.keep_correcting(self._controller),
                    cleaner.keep_clean(self._controller),
                    wishes.keep_telling(self._controller),
                    self.queue.keep_delivering(),
                )
            ]
            if self._takes_over:
                duties.append(asyncio.create_task(takeover.announce(self._controller, self._pool)))
            try:
                while not self._stopped.is_set():
                    await self._pause(min(self.turn(), self._timeouts.tick))
            finally:
                for duty in duties:
                    duty.cancel()
                await asyncio.wait(duties)
        finally:
            await self.leave()
        if self.failure is not None:
            raise self.failure

    async def once(self) -> None:
        """Fire what is due now, bring it to the agents, and fetch what has ended meanwhile."""
        try:
            await self.begin()
            self.turn()
            while not self._stopped.is_set() and self._is_due():
                self.turn()
        finally:
            await self.leave()
        if self.failure is not None:
            raise self.failure

    async def begin(self) -> None:
        """Take up what was left, and learn what there is to do."""
        now, _ = self._clock.look()
        self._failures.clear_all()
        realign.at_start(self._controller, self._token, self._failures, now)
        self._deliver(firing.take_up(self._controller, self._token, self._failures, now), now)
        self._notice_changes()
        # what the agents have ended while nobody served is not to be taken for what still runs
        await self._recovery.settled(self._timeouts.first_scan)

    async def leave(self) -> None:
        """Let what is under way arrive, and go."""
        loop = asyncio.get_running_loop()
        end = loop.time() + self._timeouts.leave
        while (waiting := self._deliverer.unaccepted()) and loop.time() < end:
            await asyncio.wait(waiting, timeout=self._timeouts.arrival)
        self._writer.write_accepted()
        await self.let_go()
        log.info("ended")

    async def let_go(self) -> None:
        """Drop everything as it is; what is open stays so, for whoever looks next."""
        tasks = self._recovery.cancel() + self._deliverer.cancel() + self.queue.cancel()
        if tasks:
            await asyncio.wait(tasks)
        self._pool.close()

    @property
    def under_way(self) -> Collection[str]:
        """The records that it has fired, or was handed, and that have not ended."""
        return self._deliverer.under_way

    def turn(self) -> float:
        """Do what is to be done now; the seconds for which nothing is."""
        try:
            now, step = self._clock.look()
            if step:
                self._take_step(now, step)
            self._notice_changes()
            return self._fire(now)
        except Conflict as error:  # another one serves, or the database is beyond us
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
        """Read what people have changed in schedules, and look for records that nobody is at work on."""
        loop = asyncio.get_running_loop()
        changes, _ = self._controller.database.changes()
        if changes != self._changes:
            self._changes = changes
            self._revision, changed = schedules.changed(self._controller.database, self._revision)
            for invocation_id, due in changed.items():
                self._agenda.put(invocation_id, due)
        elif not self._others or loop.time() < self._look_again:
            return
        self._others = self._recovery.scan({record_id: each.when for _, record_id, each in self._held})
        self._look_again = loop.time() + self._timeouts.rescan

    def _is_due(self) -> bool:
        first = self._agenda.first()
        return first is not None and first <= to_ms(self._controller.now())

    def _fire(self, now: datetime) -> float:
        """Fire what is due; the seconds until more is.

        All of it is written before the loop does anything else: what is due goes before what has come back.
        """
        while due := self._agenda.due(to_ms(now), AT_ONCE):
            try:
                fired = firing.fire(self._controller, self._token, self._failures, due, now)
            except BaseException:
                for invocation_id in due:
                    self._agenda.put(invocation_id, to_ms(now))
                raise
            for invocation_id, upcoming in fired.upcoming.items():
                self._agenda.put(invocation_id, upcoming)
            self._deliver(fired.deliveries, now)
        while self._held and self._held[0][0] <= to_ms(now):
            self._deliverer.carry(heapq.heappop(self._held)[2])
        coming = [due for due, _, _ in self._held[:1]]
        if (first := self._agenda.first()) is not None:
            coming.append(first)
        return min([math.inf, *((due - to_ms(self._controller.now())) / 1000 for due in coming)])

    def _deliver(self, deliveries: Iterable[firing.DueRecord], now: datetime) -> None:
        """Send what is due on its way, and hold the rest until then."""
        for delivery in deliveries:
            if delivery.when <= now:
                self._deliverer.carry(delivery)
            else:
                heapq.heappush(self._held, (to_ms(delivery.when), delivery.record.id, delivery))

    def _take_step(self, now: datetime, step: timedelta) -> None:
        """The clock was set: elapsed time takes no notice, and what follows the time of day follows it."""
        log.warning("the clock was set by %+.1f s", step.total_seconds())
        realign.after_step(self._controller, self._token, self._failures, now, step)
        self._held = [
            (to_ms(each.when + step), record_id, replace(each, when=each.when + step))
            for _, record_id, each in self._held
        ]
        self._reload()

    def _reload(self) -> None:
        _, found = schedules.changed(self._controller.database, 0)
        for invocation_id, due in found.items():
            self._agenda.put(invocation_id, due)

    async def _keep_lease(self) -> None:
        while True:
            await asyncio.sleep(self._timeouts.renewal)
            try:
                lease.renew(self._controller, self._token)
            except Conflict as error:
                self.failure = error
                self.stop()
            except AssistError as error:
                log.error("%s", error)
