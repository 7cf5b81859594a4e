"""The controller's end of the wire protocol (agentd.wire.protocol): requests and watches over any byte stream.

A Client is an asyncio protocol and works over any transport: a unix socket, TLS, the pipe of an SSH session. The
transport modules (``unix``, ``tls`` …) connect and call ``greet``; then any number of requests and watches share the
connection. When it ends, all of them get ConnectionLost.

Messages are checked by ``answers``. An answer that does not fit raises InvalidAnswer in its request, a notification in
its watch. A message without a request or watch, or not a message at all, ends the connection.
"""

import asyncio
import ssl
from collections import deque
from collections.abc import AsyncGenerator, Mapping, Sequence
from datetime import datetime, timezone
from typing import Any, NamedTuple, cast

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

# When a watcher reads slowly, the connection stops reading at the first limit, and continues at the second.
QUEUE_HIGH = 64
QUEUE_LOW = 16


class TaskResult(NamedTuple):
    """The result of a task as its agent reports it. Times are seconds since the epoch, by the instance's clock."""

    state: InvocationStatus
    exit_code: int | None
    error_code: str
    error_info: str
    started: float | None
    finished: float | None
    output_bytes: int


class Chunk(NamedTuple):
    """Bytes that a task wrote to a stream, from ``offset`` of its output on."""

    stream: Stream
    offset: int
    data: bytes


class OutputGap(NamedTuple):
    """Bytes from ``offset`` on that are not available: deleted, or over the limit of the watch."""

    offset: int
    size: int


WatchEvent = Chunk | OutputGap | TaskResult


class TaskPage(NamedTuple):
    """A part of the output of a task so far, and the offset of the ``next`` part; None when there is none yet.

    On the last page ``produced`` is the size of all output so far, unless the agent is too old to report it.
    ``started`` is None when the task has not started, or the time is unknown.
    """

    events: Sequence[Chunk | OutputGap]
    next: int | None
    produced: int | None
    started: float | None


class Client(asyncio.Protocol):
    """One connection to an agent. ``peer`` is the name of the agent in messages.

    ``proven`` is the instance id that the agent has proved, and ``not_after`` the end of its certificate, in the form
    of the ssl module. Both are None when the transport does not use certificates.
    """

    greeting: Greeting
    proven: str | None = None
    not_after: str | None = None

    def __init__(self, peer: str) -> None:
        self._peer = peer
        self._decoder = protocol.Decoder()
        self._newest = 0  # the number of the newest request
        self._asked: dict[int, _Question] = {}
        self._watches: dict[str, _Watch] = {}
        self._left: set[str] = set()  # records whose watch was closed here, but not at the agent
        self._transport: asyncio.Transport | None = None
        self._ended: Exception | None = None

    @property
    def is_open(self) -> bool:
        return self._transport is not None and self._ended is None and not self._transport.is_closing()

    @property
    def certificate_ends(self) -> datetime | None:
        """The expiry time of the agent's certificate, if it has one."""
        if self.not_after is None:
            return None
        return datetime.fromtimestamp(ssl.cert_time_to_seconds(self.not_after), timezone.utc)

    # requests

    async def greet(self, controller: str, version: str, timeout: float, *, epoch: int = 0) -> Greeting:
        """Send our name and version; the first request of a connection. ``timeout`` is in seconds.

        Raises ClientNotOnline for no answer in time or an invalid one, ClientAuthFailed, ControllerReplaced if it
        knows a higher ``epoch``, ClientNeedUpgrade, AgentRefused, ConnectionLost.
        """
        params = {
            "protocol": list(protocol.VERSION),
            "client": f"assist {version}",
            "controller": controller,
            "epoch": epoch,
        }
        try:
            answer = await self.call("agent.hello", params, timeout)
        except asyncio.TimeoutError:
            raise ClientNotOnline(
                f"cannot talk to the agent at {self._peer}: it does not answer", hint="see its log, or restart it"
            ) from None
        except InvalidAnswer as error:  # no request was sent yet
            raise ClientNotOnline(error.message, hint=error.hint) from None
        except AgentRefused as refusal:
            if refusal.code == ClientNeedUpgrade.code:
                raise self._need_upgrade(refusal.message) from None
            if refusal.code == ControllerReplaced.code:
                raise ControllerReplaced(
                    f"cannot talk to the agent at {self._peer}: {refusal.message}",
                    hint="use the home of that server, or make this one the controller again: assist serve --take-over",
                    epoch=refusal.epoch,
                ) from None
            raise self._not_accepted(refusal.message) if refusal.code == ClientAuthFailed.code else refusal from None
        major, minor = answer["protocol"]
        if major != protocol.VERSION[0] or abs(minor - protocol.VERSION[1]) > 1:
            raise self._need_upgrade(f"it speaks protocol {major}.{minor}")
        self.greeting = answers.greeting(answer)
        return self.greeting

    async def call(self, method: str, params: Mapping[str, Any], seconds: float | None = None) -> dict[str, Any]:
        """Send a request and return its result, checked by ``answers``.

        Raises AgentRefused with the agent's ErrorCode, InvalidAnswer, ConnectionLost, and asyncio.TimeoutError after
        ``seconds``, if given.
        """
        if self._ended is not None or self._transport is None:
            raise self._ended or ConnectionLost(f"cannot ask the agent at {self._peer}: not connected")
        self._newest = number = self._newest + 1
        question = _Question(method, params.get("record"))
        self._asked[number] = question
        self._transport.write(protocol.encode(protocol.request(number, method, dict(params))))
        try:
            return await asyncio.wait_for(question.answer, seconds)
        finally:
            self._asked.pop(number, None)

    def tell(self, method: str, params: Mapping[str, Any]) -> None:
        """Send a notification. If the connection has ended, it is dropped."""
        if self.is_open:
            assert self._transport is not None
            self._transport.write(protocol.encode(protocol.notification(method, dict(params))))

    async def run(self, params: Mapping[str, Any], portion: Portion = Portion.WHOLE) -> dict[str, Any]:
        """Call ``task.run`` and return its result. A newer agent also starts a watch, which ``watch`` continues.

        The watch starts at the beginning and has this ``portion``. Raises as ``call``, and ClientNeedUpgrade if the
        agent would ignore the launcher.
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
        """Follow a task from ``offset`` on: yield chunks and gaps in order, and its TaskResult at the end.

        With the ``portion`` ENDS, the agent sends no more than the history keeps. An agent that is too old to skip
        output sends everything, as with NEWEST. Raises AgentRefused (RecordNotFound; RecordForgotten when the
        controller has acknowledged the result and the output is deleted) and ConnectionLost. A connection has one watch
        of a record at a time. After one that was closed before its end, the next needs a new connection.
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
        """Return a part of the output of a task so far, from ``offset`` on. Raises as ``call``."""
        answer = await self.call("task.get", {"record": record, "offset": offset})
        events = [_chunk(each) if "stream" in each else _gap(each) for each in answer["output"]]
        return TaskPage(events, answer["next"], answer["produced"], answer["started"])

    def close(self) -> None:
        """Close the connection, with all its watches."""
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
            hint="an agent accepts only the controller that installed it",
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
        except Exception as error:  # a bug of ours: callers get it, not the event loop
            self._end(error)

    def connection_lost(self, error: Exception | None) -> None:
        """End: the connection was lost. A transport that knows the reason passes an AgentError."""
        why = f"cannot reach the agent at {self._peer} any more: {error or 'it closed the connection'}"
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
            hint="check which program listens there; if it is the agent, upgrade or reinstall it",
        )

    def _take(self, message: Mapping[str, Any]) -> None:
        """Pass a message to its request or watch. Raises Misfit for an invalid message, or one without a receiver."""
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
        if number is None and "error" in message:  # an error of the connection, which ends
            refusal = answers.REFUSAL.check(message["error"], "error")
            lost = ConnectionLost(f"cannot continue with the agent at {self._peer}: {refusal['message']}")
            is_stranger = refusal["data"]["code"] == ClientAuthFailed.code
            self._end(self._not_accepted(refusal["message"]) if is_stranger else lost)
            return
        if type(number) is not int or not 0 < number <= self._newest:
            raise Misfit("it answers a request that was not sent")
        question = self._asked.get(number)
        if question is None:  # its caller no longer waits
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
        if watch is None or kind is None:  # the watch is closed, or the agent is newer and reports more
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
    """Return a result of the wire as a value."""
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
    """Return a checked notification as a value."""
    if method == "task.output":
        return _chunk(params)
    if method == "task.gap":
        return _gap(params)
    return task_result(params["result"])


class _Question:
    """A request that waits for its ``answer``. ``record`` is its record, if it has one."""

    def __init__(self, method: str, record: str | None) -> None:
        self.method = method
        self.record = record
        self.answer: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()

    def checked(self, message: Mapping[str, Any]) -> dict[str, Any] | AgentRefused:
        """Return the answer in a message. Raises Misfit."""
        if "error" in message:
            refusal = answers.REFUSAL.check(message["error"], "error")
            return AgentRefused(
                refusal["message"].strip() or "its agent gave no reason",
                code=refusal["data"]["code"] or codes.EXECUTION_EXCEPTION,
                epoch=refusal["data"]["epoch"],
            )
        return answers.checked(self.method, self.record, message["result"])

    def settle(self, answer: dict[str, Any] | Exception) -> None:
        """Set the answer, unless there is one."""
        if self.answer.done():
            return
        if isinstance(answer, Exception):
            self.answer.set_exception(answer)
        else:
            self.answer.set_result(answer)


class _Watch:
    """The queue of the events of a watch. The next event is at ``offset``."""

    def __init__(self, offset: int) -> None:
        self.events: deque[WatchEvent] = deque()
        self._offset = offset
        self._error: Exception | None = None
        self._waiting: asyncio.Future[None] | None = None

    def add(self, event: WatchEvent) -> None:
        """Add the next event. Bytes that came before are dropped. Raises Misfit if some are missing."""
        if self._error is not None:
            return
        if not isinstance(event, TaskResult):
            known = self._offset - event.offset
            if known < 0:
                raise Misfit(f"'offset' is {event.offset}, not {self._offset}")
            size = len(event.data) if isinstance(event, Chunk) else event.size
            if size <= known:
                return
            if isinstance(event, Chunk):
                event = Chunk(event.stream, self._offset, event.data[known:]) if known else event
            else:
                event = OutputGap(self._offset, event.size - known)
            self._offset += size - known
            if self._offset > answers.MOST_BYTES:
                raise Misfit("the output is larger than possible")
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
