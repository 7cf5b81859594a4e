"""The controller's end of the wire (agentd.wire.protocol): requests and watches over any byte stream.

A Client is an asyncio protocol, so that whatever carries bytes can be put under it: a unix socket, TLS, the pipe of
an SSH session. The transports (``unix``, ``tls`` …) make the connection and call ``greet``; after that any number of
requests and watches share it. When the connection ends, everybody who waits gets ConnectionLost.

What comes is checked by ``answers``. An answer that does not fit is an InvalidAnswer for whoever asked, a notification
for whoever watches; what belongs to nobody, or is not a message at all, ends the connection.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast

from agentd.wire import protocol
from assist_cli import codes
from assist_cli.agents import answers
from assist_cli.agents.answers import Greeting, Misfit
from assist_cli.errors import (
    AgentError,
    AgentRefused,
    ClientAuthFailed,
    ClientNeedUpgrade,
    ClientNotOnline,
    ConnectionLost,
    ControllerReplaced,
    InvalidAnswer,
)
from assist_cli.model.output import BUDGET, Portion, Stream
from assist_cli.model.status import InvocationStatus

# A watcher that does not take what comes makes the connection stop reading at the one, and go on at the other.
QUEUE_HIGH = 64
QUEUE_LOW = 16


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
        self._newest = 0  # the number of the newest request
        self._asked: dict[int, _Question] = {}
        self._watches: dict[str, _Watch] = {}
        self._left: set[str] = set()  # records whose watch was left, while the agent goes on with it
        self._transport: asyncio.Transport | None = None
        self._ended: Exception | None = None

    @property
    def is_open(self) -> bool:
        return self._transport is not None and self._ended is None and not self._transport.is_closing()

    # requests

    async def greet(self, controller: str, version: str, timeout: float, *, epoch: int = 0) -> Greeting:
        """Say who we are; the first request of a connection. ``timeout`` is in seconds.

        Raises ClientNotOnline when there is no answer in time, or none that an agent gives, ClientAuthFailed,
        ControllerReplaced where the agent knows a higher ``epoch``, ClientNeedUpgrade, AgentRefused, ConnectionLost.
        """
        params = {
            "protocol": list(protocol.VERSION),
            "client": f"assist {version}",
            "controller": controller,
            "epoch": epoch,
        }
        try:
            answer = await asyncio.wait_for(self.call("agent.hello", params), timeout)
        except asyncio.TimeoutError:
            raise ClientNotOnline(
                f"cannot talk to the agent at {self._peer}: it does not answer", hint="see its log, or restart it"
            ) from None
        except InvalidAnswer as error:  # nothing was asked of it yet
            raise ClientNotOnline(error.message, hint=error.hint) from None
        except AgentRefused as refusal:
            if refusal.code == ClientNeedUpgrade.code:
                raise self._need_upgrade(refusal.message) from None
            if refusal.code == ControllerReplaced.code:
                raise ControllerReplaced(
                    f"cannot talk to the agent at {self._peer}: {refusal.message}",
                    hint="use the home of that server; assist serve --take-over makes this one the controller again",
                ) from None
            raise self._not_accepted(refusal.message) if refusal.code == ClientAuthFailed.code else refusal from None
        major, minor = answer["protocol"]
        if major != protocol.VERSION[0] or abs(minor - protocol.VERSION[1]) > 1:
            raise self._need_upgrade(f"it speaks protocol {major}.{minor}")
        self.greeting = answers.greeting(answer)
        return self.greeting

    async def call(self, method: str, params: Mapping[str, Any]) -> dict[str, Any]:
        """The result of one request, as ``answers`` has it.

        Raises AgentRefused with the agent's ErrorCode, InvalidAnswer and ConnectionLost.
        """
        if self._ended is not None or self._transport is None:
            raise self._ended or ConnectionLost(f"cannot ask the agent at {self._peer}: not connected")
        self._newest = number = self._newest + 1
        question = _Question(method, params.get("record"))
        self._asked[number] = question
        self._transport.write(protocol.encode(protocol.request(number, method, dict(params))))
        try:
            return await question.answer
        finally:
            self._asked.pop(number, None)

    def tell(self, method: str, params: Mapping[str, Any]) -> None:
        """Say something that needs no answer; where the connection has ended it is lost."""
        if self.is_open:
            assert self._transport is not None
            self._transport.write(protocol.encode(protocol.notification(method, dict(params))))

    async def run(self, params: Mapping[str, Any], portion: Portion = Portion.WHOLE) -> dict[str, Any]:
        """The result of ``task.run``, and with it, unless the agent is too old, the watch that ``watch`` goes on with.

        That is from the beginning, and for this ``portion``. Raises as ``call``, and ClientNeedUpgrade for a
        launcher that the agent would pass over.
        """
        if "launcher" in params and "launchers" not in self.greeting.features:
            raise self._need_upgrade("it is too old for a launcher")
        record = params["record"]
        self._watches[record] = _Watch(0)
        watching = False
        try:
            answer = await self.call("task.run", {**params, "watch": _watch_params(0, portion)})
            watching = answer["watching"]
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
        a time on one connection; after one that was left before its end, the next needs a new one.
        """
        if record in self._left:
            self.close()
            raise ConnectionLost(f"cannot follow {record} again over the same connection")
        begun = record in self._watches
        watch = self._watches.setdefault(record, _Watch(offset))
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
        except (GeneratorExit, asyncio.CancelledError):
            self._left.add(record)
            raise
        finally:
            del self._watches[record]
            self._resume()

    async def page(self, record: str, offset: int) -> TaskPage:
        """A part of what a task has printed so far, from ``offset`` on. Raises as ``call``."""
        answer = await self.call("task.get", {"record": record, "offset": offset})
        events = [_chunk(each) if "stream" in each else _gap(each) for each in answer["output"]]
        return TaskPage(events, answer["next"], answer["produced"], answer["started"])

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
        if self._ended is not None:
            return
        try:
            for message in self._decoder.feed(data):
                self._take(message)
        except (protocol.ProtocolError, Misfit) as error:
            self._end(self._invalid(str(error)))
        except Exception as error:  # a bug of ours: whoever waits hears of it, and not the event loop
            self._end(error)

    def connection_lost(self, error: Exception | None) -> None:
        """The transport has ended; one that knows what it means for an agent says so by an AgentError."""
        why = f"cannot hear the agent at {self._peer} any more: {error or 'it closed the connection'}"
        self._end(error if isinstance(error, AgentError) else ConnectionLost(why))

    def _end(self, why: Exception) -> None:
        self._ended = self._ended or why
        for question in self._asked.values():
            question.settle(self._ended)
        for watch in self._watches.values():
            watch.end(self._ended)
        self.close()

    def _invalid(self, why: str) -> InvalidAnswer:
        return InvalidAnswer(
            f"cannot understand the agent at {self._peer}: {why}",
            hint="see what listens there; if it is its agent, upgrade or reinstall it",
        )

    def _take(self, message: Mapping[str, Any]) -> None:
        """Give a message to whoever waits for it. Raises Misfit when it is none, or can be for nobody."""
        if message.get("jsonrpc") != "2.0":
            raise Misfit("a message is not JSON-RPC 2.0")
        if "method" in message:
            self._notified(message["method"], message.get("params"))
        elif ("result" in message) is ("error" in message):
            raise Misfit("a message is neither an answer nor a notification")
        else:
            self._answered(message)

    def _answered(self, message: Mapping[str, Any]) -> None:
        number = message.get("id")
        if number is None and "error" in message:  # it is about the connection, which ends by it
            refusal = answers.REFUSAL.check(message["error"], "error")
            lost = ConnectionLost(f"cannot go on with the agent at {self._peer}: {refusal['message']}")
            is_stranger = refusal["data"]["code"] == ClientAuthFailed.code
            self._end(self._not_accepted(refusal["message"]) if is_stranger else lost)
            return
        if type(number) is not int or not 0 < number <= self._newest:
            raise Misfit("it answers what was not asked")
        question = self._asked.get(number)
        if question is None:  # nobody waits for it any more
            return
        try:
            question.settle(question.checked(message))
        except Misfit as misfit:
            question.settle(self._invalid(f"its answer to {question.method} does not fit: {misfit}"))

    def _notified(self, method: object, params: object) -> None:
        if type(method) is not str or type(params) is not dict or type(params.get("record")) is not str:
            raise Misfit("a notification is not about a record")
        watch = self._watches.get(params["record"])
        kind = answers.NOTIFICATIONS.get(method)
        if watch is None or kind is None:  # nobody watches any more, or a newer agent has more to tell
            return
        try:
            watch.add(_event(method, kind.check(params)))
        except Misfit as misfit:
            watch.end(self._invalid(f"its {method} does not fit: {misfit}"))
        if len(watch.events) >= QUEUE_HIGH and self._transport is not None:
            self._transport.pause_reading()

    def _resume(self) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.resume_reading()


def _watch_params(offset: int, portion: Portion) -> dict[str, Any]:
    budget = BUDGET if portion is Portion.ENDS else None
    return {"offset": offset, "budget": budget, "newest": portion is Portion.NEWEST}


def _chunk(params: Mapping[str, Any]) -> Chunk:
    return Chunk(Stream(params["stream"]), params["offset"], params["data"])


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


def _event(method: str, params: Mapping[str, Any]) -> WatchEvent:
    """A notification that was checked as a value."""
    if method == "task.output":
        return _chunk(params)
    if method == "task.gap":
        return _gap(params)
    return task_result(params["result"])


class _Question:
    """A request that waits for its ``answer``; ``record`` is the one that it is about, if it is about one."""

    def __init__(self, method: str, record: str | None) -> None:
        self.method = method
        self.record = record
        self.answer: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()

    def checked(self, message: Mapping[str, Any]) -> dict[str, Any] | AgentRefused:
        """The answer that a message is. Raises Misfit."""
        if "error" in message:
            refusal = answers.REFUSAL.check(message["error"], "error")
            return AgentRefused(
                refusal["message"].strip() or "its agent gave no reason",
                code=refusal["data"]["code"] or codes.EXECUTION_EXCEPTION,
            )
        return answers.checked(self.method, self.record, message["result"])

    def settle(self, answer: dict[str, Any] | Exception) -> None:
        """Give it its answer, unless it has one."""
        if self.answer.done():
            return
        if isinstance(answer, Exception):
            self.answer.set_exception(answer)
        else:
            self.answer.set_result(answer)


class _Watch:
    """The events of a watch between the connection and whoever takes them; the next one is of ``offset``."""

    def __init__(self, offset: int) -> None:
        self.events: deque[WatchEvent] = deque()
        self._offset = offset
        self._error: Exception | None = None
        self._waiting: asyncio.Future[None] | None = None

    def add(self, event: WatchEvent) -> None:
        """Take the next event; bytes that came before are passed over. Raises Misfit where some are left out."""
        if self._error is not None:
            return
        if not isinstance(event, TaskResult):
            known = self._offset - event.offset
            if known < 0:
                raise Misfit(f"'offset' is {event.offset}, and {self._offset} is next")
            size = len(event.data) if isinstance(event, Chunk) else event.count
            if size <= known:
                return
            if isinstance(event, Chunk):
                event = Chunk(event.stream, self._offset, event.data[known:]) if known else event
            else:
                event = OutputGap(self._offset, event.count - known)
            self._offset += size - known
            if self._offset > answers.MOST_BYTES:
                raise Misfit("there cannot be so much output")
        self.events.append(event)
        self._wake()

    def end(self, error: Exception) -> None:
        self._error = self._error or error
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
