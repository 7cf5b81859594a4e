"""Dispatch of an invocation to its instances: deliver each record, follow it if a user watches, write its outcome.

Scripts and files take the same path. A script is followed after its acceptance. The answer to a file is its result.

An outcome is written as soon as it is known. An unreachable agent is an outcome, not an error.

A listener may block, for example on a full pipe, and SIGSTOP may suspend this process. Answers of agents that arrive
meanwhile are read later. So such time counts neither as silence of an agent nor towards the deadline of a record: the
clock of the loop advances only while the loop waits for events.
"""

from __future__ import annotations

import asyncio
import contextlib
import selectors
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any, TypeVar

from assist_cli.errors import GaveUpWaiting
from assist_cli.model.instance import Instance
from assist_cli.model.invocation import NOBODY, Invocation, InvocationInstance, Outcome, Record
from assist_cli.model.lifecycle import RETRY, Never
from assist_cli.model.moment import Moment
from assist_cli.model.outcomes import stopped_unsent
from assist_cli.model.output import Portion
from assist_cli.model.rollout import AT_ONCE, Rollout
from assist_cli.operations.controller import Controller
from assist_cli.operations.fleet import concurrency
from assist_cli.operations.fleet.connection import AgentConnection, connection_to
from assist_cli.operations.runs.batch_writer import BatchWriter
from assist_cli.operations.runs.delivery import Delivery, Request, request
from assist_cli.operations.runs.follow import fetch, portion
from assist_cli.operations.runs.listener import Listener
from assist_cli.operations.runs.worker import RecordWorker
from assist_cli.store import instances as registry
from assist_cli.store import invocations, records

T = TypeVar("T")

# Lends a connection to the instance with this id.
Connecting = Callable[[str], AbstractAsyncContextManager[AgentConnection]]

LATENESS = 1.0  # seconds by which a wakeup may be late; after more, the process was suspended
DELIVERIES = 128  # concurrent connects and deliveries; a handshake takes 40 KB, an open connection 24 KB …
FIRST = 16  # … of which these begin together in a server


def send(controller: Controller, invocation: Invocation) -> None:
    """Deliver a recorded invocation. Return when every record is accepted or closed. Raises DatabaseFailure."""
    _run(_Dispatch(controller, invocation).all(follow=False))


async def carry(
    controller: Controller,
    invocation: Invocation,
    writer: BatchWriter,
    rollout: Rollout = AT_ONCE,
    *,
    connect: Connecting | None = None,
) -> None:
    """Deliver a recorded invocation and follow it to its end, in a running event loop with a shared ``writer``.

    ``connect`` lends its connections; by default each record has its own.
    """
    await _Dispatch(controller, invocation, rollout=rollout, writer=writer, connect=connect).all(follow=True)


def send_and_watch(
    controller: Controller,
    invocation: Invocation,
    *,
    listener: Listener | None,
    patience: float | None = None,
    rollout: Rollout = AT_ONCE,
) -> None:
    """Deliver a recorded invocation and follow it to its end.

    Raises GaveUpWaiting after ``patience`` seconds. Sent records then continue, and unsent ones stay unsent. Without
    ``patience``, queued records are not followed.
    """
    _run(_Dispatch(controller, invocation, listener, patience, rollout).all(follow=True))


def go_on(controller: Controller, invocation: Invocation, rollout: Rollout) -> None:
    """Deliver the unsent records of an invocation, and follow all records to their end."""
    _run(_Dispatch(controller, invocation, None, None, rollout).rest())


def watch(
    controller: Controller, invocation: Invocation, *, listener: Listener | None, patience: float | None = None
) -> None:
    """Follow the open records of an invocation, whichever process sent it. Output is received from its start.

    For ended records, output that the history holds only in part is fetched from the agents. Raises GaveUpWaiting as
    ``send_and_watch`` does.
    """
    _run(_Dispatch(controller, invocation, listener, patience).follow())


class _Selector(selectors.DefaultSelector):
    """A selector that measures its waiting time: ``spent``, in seconds, without time in which it was suspended."""

    spent = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        began = time.monotonic()
        found = super().select(timeout)
        took = time.monotonic() - began
        if timeout is None or took <= max(timeout, 0) + LATENESS:
            self.spent += took
        return found


class _ListeningLoop(asyncio.SelectorEventLoop):
    """An event loop whose clock advances only while it waits for events."""

    def __init__(self) -> None:
        self._began = time.monotonic()
        self._listening = _Selector()
        super().__init__(self._listening)

    def time(self) -> float:
        return self._began + self._listening.spent

    @property
    def missed(self) -> float:
        """The seconds since its start in which it did not wait for events."""
        return time.monotonic() - self.time()


def _run(work: Coroutine[Any, Any, None]) -> None:
    """Run ``work`` in a ``_ListeningLoop``; before Python 3.11, which has no loop factory, in an ordinary loop."""
    if sys.version_info < (3, 11):
        asyncio.run(work)
        return
    with asyncio.Runner(loop_factory=_ListeningLoop) as runner:
        runner.run(work)


def fetch_output(controller: Controller, instance: InvocationInstance, listener: Listener) -> None:
    """Pass the whole output so far of a record to a listener, if its agent is reachable and still has it."""
    _run(fetch(controller, instance, listener))


async def _beat(listener: Listener, pause: float) -> None:
    while True:
        await asyncio.sleep(pause)
        listener.beat()


async def _together(*works: Coroutine[Any, Any, None]) -> None:
    """Run ``works`` concurrently. If one raises, cancel the others first: a broken listener would fail in each."""
    tasks = [asyncio.ensure_future(work) for work in works]
    try:
        await asyncio.gather(*tasks)
    except BaseException:
        await _cancel(*tasks)
        raise


async def _cancel(*tasks: asyncio.Future[Any]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


class DeliveryWindow:
    """A limit of concurrent deliveries that grows from ``first``: by one for each that ends or waits ``slow`` seconds.

    If all of many began together, their handshakes would also end together, and so would the wait for the first result.
    A delivery does not wait for its agent while this loop is busy.
    """

    def __init__(self, first: int, slow: float) -> None:
        self._slow = slow
        self._size = first
        self._free = asyncio.Semaphore(first)

    @contextlib.asynccontextmanager
    async def place(self) -> AsyncIterator[None]:
        """Deliver one in the block."""
        loop = asyncio.get_running_loop()
        timer: asyncio.TimerHandle | None = None

        def watch() -> None:
            nonlocal timer
            timer = loop.call_later(self._slow, waited, loop.time() + self._slow)

        def waited(due: float) -> None:
            nonlocal timer
            timer = None
            if loop.time() > due + self._slow:  # this loop was busy
                watch()
            else:
                self._grow()

        async with self._free:
            if self._size < DELIVERIES:
                watch()
            try:
                yield
            finally:
                if timer is not None:
                    timer.cancel()
                    self._grow()

    def _grow(self) -> None:
        if self._size < DELIVERIES:
            self._size += 1
            self._free.release()


class _Dispatch:
    """The dispatch of one invocation. ``patience`` is in seconds, from now."""

    def __init__(
        self,
        controller: Controller,
        invocation: Invocation,
        listener: Listener | None = None,
        patience: float | None = None,
        rollout: Rollout = AT_ONCE,
        writer: BatchWriter | None = None,
        connect: Connecting | None = None,
    ) -> None:
        self._controller = controller
        self._invocation = invocation
        self._listener = listener
        self._rollout = rollout
        self._tolerated = rollout.tolerated(len(invocation.instances))
        self._failures = 0
        self._writer = writer or BatchWriter(controller)
        self._connect = connect or self._own_connection
        self._has_own_connections = connect is None
        self._wave: Mapping[str, Instance] = {}  # its instances, which are read together for own connections
        self._connections = asyncio.Semaphore(min(concurrency.connections(), rollout.concurrency or sys.maxsize))
        first = FIRST if writer is not None else DELIVERIES  # the loop of a server has to answer others too
        self._deliveries = DeliveryWindow(first, controller.timeouts.agent.slow_start)
        self._queued: list[InvocationInstance] = []
        self._until = None if patience is None else time.monotonic() + patience  # the clock of the loop

    async def all(self, *, follow: bool) -> None:
        """Send the record of every instance."""
        try:
            await self._with_live_view(self._in_waves(self._invocation.instances, follow=follow))
        finally:
            await self._writer.write_accepted()

    async def rest(self) -> None:
        """Send the unsent records, and follow the others. A wave also waits for those of its records that were sent."""
        await self._in_waves(self._invocation.instances, follow=True, resumes=True)

    async def _in_waves(self, instances: Sequence[InvocationInstance], *, follow: bool, resumes: bool = False) -> None:
        """Launch ``instances``, each wave after the previous one has ended.

        With ``resumes``, another process has sent some of them; these are followed.
        """
        for wave in self._rollout.waves(len(instances)):
            places = [instances[position] for position in wave]
            if resumes and self._tolerated is not None:
                self._count_failures()
            if self._has_own_connections and len(places) > 1:
                ids = [each.instance_id for each in places]
                self._wave = {each.id: each for each in registry.by_ids(self._controller.database, ids)}
            await _together(
                *(
                    self._follow(each)
                    if resumes and (each.record.is_queued or not each.record.is_unsent)
                    else self._launch(each, follow=follow)
                    for each in places
                )
            )
        if follow and self._until is not None:
            await _together(*map(self._follow, self._queued))

    def _count_failures(self) -> None:
        """Count the failures in the history: another process may have closed a record that was followed here."""
        known = invocations.get(self._controller.database, self._invocation.id, output=False)
        self._failures = sum(not each.record.is_success for each in known.instances if each.record.status.is_final)

    async def follow(self) -> None:
        """Follow every open record, and fetch the missing output of the others."""
        try:
            await self._with_live_view(_together(*map(self._follow, self._invocation.instances)))
        finally:
            await self._writer.write_accepted()

    async def _with_live_view(self, work: Awaitable[None]) -> None:
        """Run ``work``. Meanwhile a live listener can redraw and receives its keyboard input."""
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
            await (beats if beats.done() else working)  # the beats end only by an error of the listener
        finally:
            await _cancel(working, beats)
            if listener.keyboard is not None:
                loop.remove_reader(listener.keyboard)

    async def _launch(self, instance: InvocationInstance, *, follow: bool) -> None:
        async with self._connections, self._connect(instance.instance_id) as connection:
            async with self._deliveries.place():
                start = self._start()
                delivery = self._delivery(instance, follow=follow)
                token = instance.record.sender
                worker = self._worker(connection, instance, token=token, start=start, delivery=delivery)
                outcome = await self._within_patience(worker.send())
            if outcome is None and follow and not worker.is_queued:
                outcome = await self._within_patience(worker.finish())
            if worker.record.is_queued:
                self._queued.append(instance)
                self._note_queued(instance, worker.record)
            self._ended(instance, outcome, counts=start is None)

    async def _follow(self, instance: InvocationInstance) -> None:
        if instance.record.status.is_final:
            dropped = instance.record.output is not None and instance.record.output.dropped
            if self._listener is not None and dropped and self._listener.portion is Portion.WHOLE:
                async with self._connections:
                    await fetch(self._controller, instance, self._listener)
            return
        while True:
            async with self._connections, self._connect(instance.instance_id) as connection:
                worker = self._worker(connection, instance)
                outcome = await self._within_patience(worker.watch())
            if outcome is not None or not worker.record.is_queued:
                self._ended(instance, outcome)
                return
            self._note_queued(instance, worker.record)
            if self._until is None:
                return
            known: Record | None = worker.record
            while known is not None and known.is_queued and known.sender == NOBODY:
                await self._within_patience(self._pause())
                known = records.get(self._controller.database, known.id)
            if known is None:  # it was pruned
                return
            instance = instance._replace(record=known)

    @contextlib.asynccontextmanager
    async def _own_connection(self, instance_id: str) -> AsyncIterator[AgentConnection]:
        known = self._wave.get(instance_id)
        own = AgentConnection(self._controller, known) if known else connection_to(self._controller, instance_id)
        with own as connection:
            yield connection

    def _note_queued(self, instance: InvocationInstance, record: Record) -> None:
        if self._listener is not None:
            self._listener.queued(instance.instance_name, record)

    async def _pause(self) -> None:
        """Pause before a queued record is read again. Raises TimeoutError at the end of the patience."""
        assert self._until is not None
        left = self._until - asyncio.get_running_loop().time()
        await asyncio.sleep(min(RETRY, max(left, 0)))
        if left <= RETRY:
            raise asyncio.TimeoutError

    def _worker(
        self,
        connection: AgentConnection,
        instance: InvocationInstance,
        *,
        token: str | None = None,
        start: Never | None = None,
        delivery: Delivery | None = None,
    ) -> RecordWorker:
        return RecordWorker(
            self._controller,
            self._writer,
            connection,
            instance.record,
            token=token,
            start=start,
            delivery=delivery,
            name=instance.instance_name,
            listener=self._listener,
            until=self._until,
            moment=self._clock(),
        )

    def _clock(self) -> Callable[[], Moment]:
        """A clock for one record, from now on. It stops while this loop does not wait for events."""
        loop = asyncio.get_running_loop()
        if not isinstance(loop, _ListeningLoop):
            return self._controller.moment
        before = loop.missed

        def moment() -> Moment:
            now = self._controller.moment()
            return now._replace(elapsed=now.elapsed - (loop.missed - before))

        return moment

    def _start(self) -> Never | None:
        """The reason not to launch a record if more than max errors have failed, else None."""
        if self._tolerated is None or self._failures <= self._tolerated:
            return None
        failed = f"{self._failures} of {len(self._invocation.instances)} had failed"
        why = f"it was not started: {failed}, more than {self._rollout.max_errors}"
        return Never(stopped_unsent(self._controller.now(), why))

    def _delivery(self, instance: InvocationInstance, *, follow: bool) -> Delivery:
        """The delivery of a record. With ``follow``, the request that delivers a script also follows it."""
        invocation = self._invocation
        wanted = portion(self._listener) if follow else None

        def prepare() -> Request:
            return request(invocation, instance, self._controller.region, wanted)

        return Delivery(invocation.timeout, prepare, until=self._until)

    def _ended(self, instance: InvocationInstance, outcome: Outcome | None, *, counts: bool = True) -> None:
        """Pass an outcome to the listener. ``counts`` is False for a record that was not launched: not a failure."""
        if outcome is None:
            return
        self._failures += counts and not outcome.is_success
        if self._listener is not None:
            self._listener.ended(instance.instance_name, outcome)

    async def _within_patience(self, work: Awaitable[T]) -> T:
        try:
            return await work
        except asyncio.TimeoutError:
            raise self._gave_up() from None

    def _gave_up(self) -> GaveUpWaiting:
        return GaveUpWaiting(
            f"cannot wait any longer for {self._invocation.id}: it continues",
            hint=f"assist invocation wait {self._invocation.id}",
        )
