"""Bringing an invocation to its instances: deliver each record, follow it where somebody watches, write how it ended.

Scripts and files go the same way. A script is followed once it is accepted; the answer to a file is its result.

An outcome is written as soon as it is known. That an agent cannot be reached is an outcome too, and no error.

A listener may keep everybody waiting, as one that writes to a pipe whose reader has paused, and a person may stop this
process and continue it. What agents say meanwhile is heard afterwards, so such time counts neither as silence of an
agent nor towards the deadline of a record: the clock of the loop is the time that was spent listening.
"""

from __future__ import annotations

import asyncio
import selectors
import sys
import time
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from typing import Any

from assist_cli.errors import GaveUpWaiting
from assist_cli.model.invocation import Invocation, InvocationInstance, Outcome
from assist_cli.model.lifecycle import Never, stopped_unsent
from assist_cli.model.moment import Moment
from assist_cli.model.output import Portion
from assist_cli.model.rollout import AT_ONCE, Rollout
from assist_cli.operations.controller import Controller
from assist_cli.operations.fleet import concurrency
from assist_cli.operations.fleet.connection import AgentConnection, connection_to
from assist_cli.operations.runs import payload
from assist_cli.operations.runs.batch_writer import BatchWriter
from assist_cli.operations.runs.delivery import Delivery, Request
from assist_cli.operations.runs.follow import fetch, portion
from assist_cli.operations.runs.listener import Listener
from assist_cli.operations.runs.worker import RecordWorker

LATENESS = 1.0  # seconds by which we may be woken late; later than that, the process was stopped
DELIVERIES = 256  # instances that are connected to and handed their record at the same time


def send(controller: Controller, invocation: Invocation) -> None:
    """Deliver an invocation that was recorded; return when every agent has it. Raises DatabaseFailure."""
    _run(_Dispatch(controller, invocation).all(follow=False))


async def carry(controller: Controller, invocation: Invocation, writer: BatchWriter) -> None:
    """Deliver an invocation that was recorded, and follow it to its end, in a loop where others write too."""
    await _Dispatch(controller, invocation, writer=writer).all(follow=True)


def send_and_watch(
    controller: Controller,
    invocation: Invocation,
    *,
    listener: Listener | None,
    patience: float | None = None,
    rollout: Rollout = AT_ONCE,
) -> None:
    """Deliver an invocation that was recorded, and follow it to its end.

    After ``patience`` seconds GaveUpWaiting is raised; what was sent goes on, and what was not is left unsent.
    """
    _run(_Dispatch(controller, invocation, listener, patience, rollout).all(follow=True))


def go_on(controller: Controller, invocation: Invocation, rollout: Rollout) -> None:
    """Deliver what is not sent yet of an invocation, and follow all of it to its end."""
    _run(_Dispatch(controller, invocation, None, None, rollout).rest())


def watch(
    controller: Controller, invocation: Invocation, *, listener: Listener | None, patience: float | None = None
) -> None:
    """Follow what is not final of an invocation that was sent by whomever; its output comes from the start.

    Of what is final the agents are asked for output that the history does not hold whole. Raises GaveUpWaiting as
    ``send_and_watch`` does.
    """
    _run(_Dispatch(controller, invocation, listener, patience).attend())


class _Selector(selectors.DefaultSelector):
    """``spent`` is the time in it, in seconds, but for a time in which the process was stopped."""

    spent = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        began = time.monotonic()
        found = super().select(timeout)
        took = time.monotonic() - began
        if timeout is None or took <= max(timeout, 0) + LATENESS:
            self.spent += took
        return found


class _ListeningLoop(asyncio.SelectorEventLoop):
    """An event loop whose time passes only while it listens."""

    def __init__(self) -> None:
        self._began = time.monotonic()
        self._listening = _Selector()
        super().__init__(self._listening)

    def time(self) -> float:
        return self._began + self._listening.spent

    @property
    def missed(self) -> float:
        """The seconds since its start in which it did not listen."""
        return time.monotonic() - self.time()


def _run(work: Coroutine[Any, Any, None]) -> None:
    """Do it in a loop of its own, as ``asyncio.run`` does, which takes none from its caller in every Python."""
    if sys.version_info < (3, 11):
        asyncio.run(work)  # where time passes also while nobody listens
        return
    with asyncio.Runner(loop_factory=_ListeningLoop) as runner:
        runner.run(work)


def fetch_output(controller: Controller, place: InvocationInstance, listener: Listener) -> None:
    """Give a listener the output so far of a record, running or not, as far as its agent can be reached and has it."""
    _run(fetch(controller, place, listener))


async def _beat(listener: Listener, pause: float) -> None:
    while True:
        await asyncio.sleep(pause)
        listener.beat()


async def _together(*works: Coroutine[Any, Any, None]) -> None:
    """Do all of them; when one raises, end the others first: a listener that has failed may fail again in each."""
    tasks = [asyncio.ensure_future(work) for work in works]
    try:
        await asyncio.gather(*tasks)
    except BaseException:
        await _end(*tasks)
        raise


async def _end(*tasks: asyncio.Future[Any]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


class _Dispatch:
    """One invocation on its way. ``patience`` is in seconds, from now."""

    def __init__(
        self,
        controller: Controller,
        invocation: Invocation,
        listener: Listener | None = None,
        patience: float | None = None,
        rollout: Rollout = AT_ONCE,
        writer: BatchWriter | None = None,
    ) -> None:
        self._controller = controller
        self._invocation = invocation
        self._listener = listener
        self._rollout = rollout
        self._tolerated = rollout.tolerated(len(invocation.instances))
        self._failures = 0
        self._writer = writer or BatchWriter(controller)
        self._room = asyncio.Semaphore(min(concurrency.connections(), rollout.concurrency or sys.maxsize))
        self._turn = asyncio.Semaphore(DELIVERIES)
        self._until = None if patience is None else time.monotonic() + patience  # the clock of the loop

    async def all(self, *, follow: bool) -> None:
        """Send to every instance."""
        try:
            await self._accompany(self._in_waves(self._invocation.instances, follow=follow))
        finally:
            self._writer.write_accepted()

    async def rest(self) -> None:
        """Send to those that nothing was sent to, and follow the others."""
        begun: list[InvocationInstance] = []
        unsent: list[InvocationInstance] = []
        for place in self._invocation.instances:
            (unsent if place.record.is_unsent else begun).append(place)
        self._failures = sum(not place.record.is_success for place in begun if place.record.status.is_final)
        await _together(*map(self._attend, begun), self._in_waves([*begun, *unsent], len(begun), follow=True))

    async def _in_waves(self, places: Sequence[InvocationInstance], begun: int = 0, *, follow: bool) -> None:
        """Start ``places`` from position ``begun`` on, a wave when the one before it has ended."""
        for wave in self._rollout.waves(len(places), begun):
            await _together(*(self._carry_out(places[position], follow=follow) for position in wave))

    async def attend(self) -> None:
        """Follow every record that is not final, and fetch what is left of the others."""
        await self._accompany(_together(*map(self._attend, self._invocation.instances)))

    async def _accompany(self, work: Awaitable[None]) -> None:
        """Do it; meanwhile a live listener may redraw, and hears its keyboard."""
        listener = self._listener
        if listener is None or not listener.live:
            await work
            return
        loop = asyncio.get_running_loop()
        working = asyncio.ensure_future(work)
        beats = loop.create_task(_beat(listener, self._controller.timeouts.view.beat))
        if listener.keyboard is not None:
            loop.add_reader(listener.keyboard, listener.pressed)
        try:
            await asyncio.wait({working, beats}, return_when=asyncio.FIRST_COMPLETED)
            await (beats if beats.done() else working)  # a beat ends only when it cannot be shown
        finally:
            await _end(working, beats)
            if listener.keyboard is not None:
                loop.remove_reader(listener.keyboard)

    async def _carry_out(self, place: InvocationInstance, *, follow: bool) -> None:
        async with self._room:
            with connection_to(self._controller, place.instance_id) as connection:
                start = self._start()
                delivery = self._delivery(place, follow=follow)
                worker = self._worker(connection, place, token=place.record.sender, start=start, delivery=delivery)
                async with self._turn:
                    outcome = await self._within_patience(worker.send())
                if outcome is None and follow and not worker.is_queued:
                    outcome = await self._within_patience(worker.finish())
                if worker.is_queued and self._listener is not None:
                    self._listener.queued(place.instance_name, worker.record)
                self._ended(place, outcome, counts=start is None)

    async def _attend(self, place: InvocationInstance) -> None:
        if place.record.status.is_final:
            dropped = place.record.output is not None and place.record.output.dropped
            if self._listener is not None and dropped and self._listener.portion is Portion.WHOLE:
                async with self._room:
                    await fetch(self._controller, place, self._listener)
            return
        async with self._room:
            with connection_to(self._controller, place.instance_id) as connection:
                worker = self._worker(connection, place)
                self._ended(place, await self._within_patience(worker.watch()))

    def _worker(
        self,
        connection: AgentConnection,
        place: InvocationInstance,
        *,
        token: str | None = None,
        start: Never | None = None,
        delivery: Delivery | None = None,
    ) -> RecordWorker:
        return RecordWorker(
            self._controller,
            self._writer,
            connection,
            place.record,
            token=token,
            start=start,
            delivery=delivery,
            name=place.instance_name,
            listener=self._listener,
            until=self._until,
            moment=self._clock(),
        )

    def _clock(self) -> Callable[[], Moment]:
        """A clock for the record that is worked on from now on: it stands still while this loop does not listen."""
        loop = asyncio.get_running_loop()
        if not isinstance(loop, _ListeningLoop):
            return self._controller.moment
        before = loop.missed

        def moment() -> Moment:
            now = self._controller.moment()
            return now._replace(elapsed=now.elapsed - (loop.missed - before))

        return moment

    def _start(self) -> Never | None:
        """The reason why a record does not start, when more have failed than are tolerated."""
        if self._tolerated is None or self._failures <= self._tolerated:
            return None
        failed = f"{self._failures} of {len(self._invocation.instances)} had failed"
        why = f"it was not started: {failed}, more than {self._rollout.max_errors}"
        return Never(stopped_unsent(self._controller.now(), why))

    def _delivery(self, place: InvocationInstance, *, follow: bool) -> Delivery:
        """The delivery of a record. With ``follow`` the watch of a script begins with it."""
        invocation = self._invocation
        is_file = invocation.transfer is not None

        def prepare() -> Request:
            method, params = payload.request(invocation, place, self._controller.region)
            if follow and not is_file:
                return lambda client: client.run(params, portion(self._listener))
            return lambda client: client.call(method, params)

        return Delivery(invocation.timeout, prepare, until=self._until)

    def _ended(self, place: InvocationInstance, outcome: Outcome | None, *, counts: bool = True) -> None:
        """Tell the listener of an outcome; one that was not started ``counts`` for no failure."""
        if outcome is None:
            return
        self._failures += counts and not outcome.is_success
        if self._listener is not None:
            self._listener.ended(place.instance_name, outcome)

    async def _within_patience(self, work: Awaitable[Outcome | None]) -> Outcome | None:
        try:
            return await work
        except asyncio.TimeoutError:
            raise self._gave_up() from None

    def _gave_up(self) -> GaveUpWaiting:
        return GaveUpWaiting(
            f"cannot wait any longer for {self._invocation.id}: it goes on",
            hint=f"assist invocation wait {self._invocation.id}",
        )
