"""Bringing an invocation to its instances: deliver each record, follow it where somebody watches, write how it ended.

Scripts and files go the same way. A script is followed once it is accepted; the answer to a file is its result.

An outcome is written as soon as it is known. That an agent cannot be reached is an outcome too, and no error.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Awaitable, Sequence

from assist_cli.errors import GaveUpWaiting
from assist_cli.model.invocation import Invocation, InvocationInstance, Outcome
from assist_cli.model.lifecycle import Never, stopped_unsent
from assist_cli.model.rollout import AT_ONCE, Rollout
from assist_cli.operations.controller import Controller
from assist_cli.operations.fleet import concurrency
from assist_cli.operations.fleet.connection import AgentConnection, connection_to
from assist_cli.operations.runs import payload
from assist_cli.operations.runs.batch_writer import BatchWriter
from assist_cli.operations.runs.delivery import Delivery, Request
from assist_cli.operations.runs.follow import budget, fetch
from assist_cli.operations.runs.listener import Listener
from assist_cli.operations.runs.worker import RecordWorker

DELIVERIES = 256  # instances that are connected to and handed their record at the same time


def send(controller: Controller, invocation: Invocation) -> None:
    """Deliver an invocation that was recorded; return when every agent has it. Raises DatabaseFailure."""
    asyncio.run(_Dispatch(controller, invocation).all(follow=False))


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
    asyncio.run(_Dispatch(controller, invocation, listener, patience, rollout).all(follow=True))


def go_on(controller: Controller, invocation: Invocation, rollout: Rollout) -> None:
    """Deliver what is not sent yet of an invocation, and follow all of it to its end."""
    asyncio.run(_Dispatch(controller, invocation, None, None, rollout).rest())


def watch(
    controller: Controller, invocation: Invocation, *, listener: Listener | None, patience: float | None = None
) -> None:
    """Follow what is not final of an invocation that was sent by whomever; its output comes from the start.

    Of what is final the agents are asked for output that the history does not hold whole. Raises GaveUpWaiting as
    ``send_and_watch`` does.
    """
    asyncio.run(_Dispatch(controller, invocation, listener, patience).attend())


async def _beat(listener: Listener, pause: float) -> None:
    while True:
        await asyncio.sleep(pause)
        listener.beat()


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
        await asyncio.gather(*map(self._attend, begun), self._in_waves([*begun, *unsent], len(begun), follow=True))

    async def _in_waves(self, places: Sequence[InvocationInstance], begun: int = 0, *, follow: bool) -> None:
        """Start ``places`` from position ``begun`` on, a wave when the one before it has ended."""
        for wave in self._rollout.waves(len(places), begun):
            await asyncio.gather(*(self._carry_out(places[position], follow=follow) for position in wave))

    async def attend(self) -> None:
        """Follow every record that is not final, and fetch what is left of the others."""
        await self._accompany(asyncio.gather(*map(self._attend, self._invocation.instances)))

    async def _accompany(self, work: Awaitable[object]) -> None:
        """Do it; meanwhile a live listener may redraw, and hears its keyboard."""
        listener = self._listener
        if listener is None or not listener.live:
            await work
            return
        loop = asyncio.get_running_loop()
        beats = loop.create_task(_beat(listener, self._controller.timeouts.view.beat))
        if listener.keyboard is not None:
            loop.add_reader(listener.keyboard, listener.pressed)
        try:
            await work
        finally:
            beats.cancel()
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
                if self._listener is not None and start is None:
                    self._listener.started(place.instance_name)
                if outcome is None and follow:
                    outcome = await self._within_patience(worker.finish())
                self._ended(place, outcome, counts=start is None)

    async def _attend(self, place: InvocationInstance) -> None:
        if place.record.status.is_final:
            if self._listener is not None and place.record.output and place.record.output.dropped:
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
        )

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
                return lambda client: client.run(params, budget=budget(self._listener))
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
