"""The controller's end of the wire (agentd.wire.protocol): requests and watches over any byte stream.

A Client is an asyncio protocol, so that whatever carries bytes can be put under it: a unix socket, TLS, the pipe of
an SSH session. The transports (``unix``, ``tls`` …) make the connection and call ``greet``; after that any number of
requests and watches share it. When the connection ends, everybody who waits gets ConnectionLost.
"""

from __future__ import annotations

import asyncio
import itertools
from collections import deque
from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast

from agentd.wire import protocol
from assist_cli import codes
from assist_cli.errors import (
    AgentError,
    AgentRefused,
    ClientAuthFailed,
    ClientNeedUpgrade,
    ClientNotOnline,
    ConnectionLost,
)
from assist_cli.model.output import BUDGET, Portion, Stream
from assist_cli.model.status import InvocationStatus

# A watcher that does not take what comes makes the connection stop reading at the one, and go on at the other.
QUEUE_HIGH = 64
QUEUE_LOW = 16


@dataclass(frozen=True)
class Greeting:
    """What an agent says of itself: its instance id, its versions, its system."""

    instance: str
    agent: str
    protocol: tuple[int, int]
    boot: str
    hostname: str
    os: str
    python: str = ""


@dataclass(frozen=True)
class TaskResult:
    """How a task ended, as the agent tells it. Times are seconds since the epoch, by the instance's clock."""

    state: InvocationStatus
    exit_code: int | None
    error_code: str
    error_info: str
    started: float | None
    finished: float | None
    output_bytes: int


@dataclass(frozen=True)
class Chunk:
    """Bytes that a task wrote to a stream, at ``offset`` of all that it wrote."""

    stream: Stream
    offset: int
    data: bytes


@dataclass(frozen=True)
class OutputGap:
    """Bytes from ``offset`` on that cannot be had: they are gone, or beyond the budget of the watch."""

    offset: int
    count: int


WatchEvent = Chunk | OutputGap | TaskResult


@dataclass(frozen=True)
class TaskPage:
    """A part of what a task has printed so far, and the offset of the ``next`` part; None when there is none yet.

    On the last page ``produced`` is the size of all output so far, unless the agent is too old to tell. ``started`` is
    None when nothing has, or nobody knows when.
    """

    events: Sequence[Chunk | OutputGap]
    next: int | None
    produced: int | None
    started: float | None


class Client(asyncio.Protocol):
    """One connection to an agent. ``peer`` names the other end in messages.

    ``proven`` is the instance id that the other end has proved, and ``certificate_ends`` the end of the certificate by
    which it did; None where the transport proves none.
    """

    greeting: Greeting
    proven: str | None = None
    certificate_ends: datetime | None = None

    def __init__(self, peer: str) -> None:
        self._peer = peer
        self._decoder = protocol.Decoder()
        self._numbers = itertools.count(1)
        self._answers: dict[int, asyncio.Future[Any]] = {}
        self._watches: dict[str, _Watch] = {}
        self._transport: asyncio.Transport | None = None
        self._ended: AgentError | None = None

    @property
    def is_open(self) -> bool:
        """Whether it can be used: it was made and has not ended."""
        return self._transport is not None and self._ended is None and not self._transport.is_closing()

    # requests

    async def greet(self, controller: str, version: str, timeout: float) -> Greeting:
        """Say who we are; the first request of a connection. ``timeout`` is in seconds.

        Raises ClientNotOnline when there is no answer in time, ClientAuthFailed, ClientNeedUpgrade, AgentRefused,
        ConnectionLost.
        """
        params = {"protocol": list(protocol.VERSION), "client": f"assist {version}", "controller": controller}
        try:
            answer = await asyncio.wait_for(self.call("agent.hello", params), timeout)
        except asyncio.TimeoutError:
            raise ClientNotOnline(
                f"cannot talk to the agent at {self._peer}: it does not answer", hint="see its log, or restart it"
            ) from None
        except AgentRefused as refusal:
            if refusal.code == ClientNeedUpgrade.code:
                raise self._need_upgrade(refusal.message) from None
            raise self._not_accepted(refusal.message) if refusal.code == ClientAuthFailed.code else refusal from None
        major, minor = answer["protocol"]
        if major != protocol.VERSION[0] or abs(minor - protocol.VERSION[1]) > 1:
            raise self._need_upgrade(f"it speaks protocol {major}.{minor}")
        self.greeting = Greeting(
            instance=answer["instance"],
            agent=answer["agent"],
            protocol=(major, minor),
            boot=answer["boot"],
            hostname=answer["hostname"],
            os=answer["os"],
            python=answer.get("python", ""),
        )
        return self.greeting

    async def call(self, method: str, params: Mapping[str, Any]) -> Any:
        """The result of one request. Raises AgentRefused with the agent's ErrorCode, and ConnectionLost."""
        if self._ended is not None or self._transport is None:
            raise self._ended or ConnectionLost(f"cannot ask the agent at {self._peer}: not connected")
        number = next(self._numbers)
        answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._answers[number] = answer
        self._transport.write(protocol.encode(protocol.request(number, method, dict(params))))
        try:
            return await answer
        finally:
            self._answers.pop(number, None)

    def tell(self, method: str, params: Mapping[str, Any]) -> None:
        """Say something that needs no answer; where the connection has ended it is lost."""
        if self.is_open:
            assert self._transport is not None
            self._transport.write(protocol.encode(protocol.notification(method, dict(params))))

    async def run(self, params: Mapping[str, Any], portion: Portion = Portion.WHOLE) -> Any:
        """The result of ``task.run``, and with it, unless the agent is too old, the watch that ``watch`` goes on with.

        That is from the beginning, and for this ``portion``. Raises as ``call``.
        """
        record = params["record"]
        self._watches[record] = _Watch()
        watching = False
        try:
            answer = await self.call("task.run", {**params, "watch": _watch_params(0, portion)})
            watching = answer.get("watching", False)
        finally:
            if not watching:
                del self._watches[record]
        return answer

    async def watch(
        self, record: str, *, offset: int = 0, portion: Portion = Portion.WHOLE
    ) -> AsyncGenerator[WatchEvent, None]:
        """Follow a task from ``offset`` on: chunks and gaps in order, and its TaskResult at the end.

        Of the ``portion`` ENDS it is no more than what the history holds. An agent that is too old to pass over what is
        not taken in time gives everything as the NEWEST. Raises AgentRefused (RecordNotFound; or RecordForgotten when
        the controller has acknowledged the result and its output is gone) and ConnectionLost. One watch of a record at
        a time on one connection.
        """
        begun = record in self._watches
        watch = self._watches.setdefault(record, _Watch())
        try:
            if not begun:
                answer = await self.call("task.watch", {"record": record, **_watch_params(offset, portion)})
                if answer["state"] == "Forgotten":
                    raise AgentRefused(
                        f"cannot follow {record}: its output was fetched before", code=codes.RECORD_FORGOTTEN
                    )
            while True:
                event = await watch.next()
                if len(watch.events) == QUEUE_LOW:
                    self._resume()
                yield event
                if isinstance(event, TaskResult):
                    return
        finally:
            del self._watches[record]
            self._resume()

    async def page(self, record: str, offset: int) -> TaskPage:
        """A part of what a task has printed so far, from ``offset`` on. Raises as ``call``."""
        answer = await self.call("task.get", {"record": record, "offset": offset})
        events = [_chunk(each) if "stream" in each else _gap(each) for each in answer["output"]]
        return TaskPage(events, answer["next"], answer.get("produced"), answer.get("started"))

    def close(self) -> None:
        """End the connection; a watch that goes on at the agent ends with it."""
        if self._transport is not None:
            self._transport.close()

    def _need_upgrade(self, why: str) -> ClientNeedUpgrade:
        ours = ".".join(map(str, protocol.VERSION))
        return ClientNeedUpgrade(
            f"cannot talk to the agent at {self._peer}: {why}",
            hint=f"this Assist speaks protocol {ours}; upgrade the older of the two",
        )

    def _not_accepted(self, why: str) -> ClientAuthFailed:
        return ClientAuthFailed(
            f"cannot talk to the agent at {self._peer}: it does not accept this controller: {why}",
            hint="an agent serves the controller that installed it",
        )

    # what the event loop calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        try:
            messages = self._decoder.feed(data)
        except protocol.ProtocolError as error:
            self._end(ConnectionLost(f"cannot understand the agent at {self._peer}: {error}"))
            self.close()
            return
        for message in messages:
            if "method" in message:
                self._notified(message["method"], message.get("params") or {})
            else:
                self._answered(message)

    def connection_lost(self, error: Exception | None) -> None:
        """The transport has ended; one that knows what it means for an agent says so by an AgentError."""
        why = f"cannot hear the agent at {self._peer} any more: {error or 'it closed the connection'}"
        self._end(error if isinstance(error, AgentError) else ConnectionLost(why))

    def _end(self, why: AgentError) -> None:
        self._ended = self._ended or why
        for answer in self._answers.values():
            if not answer.done():
                answer.set_exception(self._ended)
        for watch in self._watches.values():
            watch.end(self._ended)

    def _answered(self, message: Mapping[str, Any]) -> None:
        failure = message.get("error")
        code = ((failure or {}).get("data") or {}).get("code", codes.EXECUTION_EXCEPTION)
        text = str((failure or {}).get("message", ""))
        if failure is not None and message.get("id") is None:  # it is about the connection, which ends by it
            lost = ConnectionLost(f"cannot go on with the agent at {self._peer}: {text}")
            self._end(self._not_accepted(text) if code == ClientAuthFailed.code else lost)
            return
        answer = self._answers.get(message.get("id", 0))
        if answer is None or answer.done():
            return
        if failure is None:
            answer.set_result(message.get("result"))
        else:
            answer.set_exception(AgentRefused(text, code=code))

    def _notified(self, method: str, params: Mapping[str, Any]) -> None:
        watch = self._watches.get(params.get("record", ""))
        if watch is None:
            return
        if method == "task.output":
            watch.add(_chunk(params))
        elif method == "task.gap":
            watch.add(_gap(params))
        elif method == "task.finished":
            watch.add(task_result(params["result"]))
        if len(watch.events) >= QUEUE_HIGH and self._transport is not None:
            self._transport.pause_reading()

    def _resume(self) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.resume_reading()


def _watch_params(offset: int, portion: Portion) -> dict[str, Any]:
    budget = BUDGET if portion is Portion.ENDS else None
    return {"offset": offset, "budget": budget, "newest": portion is Portion.NEWEST}


def _chunk(params: Mapping[str, Any]) -> Chunk:
    return Chunk(Stream(params["stream"]), params["offset"], protocol.unpack(params["data"]))


def _gap(params: Mapping[str, Any]) -> OutputGap:
    return OutputGap(params["offset"], params["bytes"])


def task_result(result: Mapping[str, Any]) -> TaskResult:
    """A result of the wire as a value."""
    return TaskResult(
        state=InvocationStatus(result["state"]),
        exit_code=result["exit_code"],
        error_code=result["error_code"],
        error_info=result["error_info"],
        started=result["started"],
        finished=result["finished"],
        output_bytes=result["output_bytes"],
    )


class _Watch:
    """The events of a watch between the connection and whoever takes them."""

    def __init__(self) -> None:
        self.events: deque[WatchEvent] = deque()
        self._error: AgentError | None = None
        self._waiting: asyncio.Future[None] | None = None

    def add(self, event: WatchEvent) -> None:
        self.events.append(event)
        self._wake()

    def end(self, error: AgentError) -> None:
        self._error = error
        self._wake()

    async def next(self) -> WatchEvent:
        while not self.events:
            if self._error is not None:
                raise self._error
            self._waiting = asyncio.get_running_loop().create_future()
            await self._waiting
        return self.events.popleft()

    def _wake(self) -> None:
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_result(None)
