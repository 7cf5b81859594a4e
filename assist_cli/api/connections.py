"""Connections of the API, and their limits before authentication.

A connection whose call has a wrong signature is closed. So a connection that stays open after an answer belongs to a
key. The others must send their request soon, and all of them together hold a limited number of bytes. When a limit is
reached, the connection that holds the most is refused first. A request that has arrived completely is always answered.
A message that is not a call is refused in the original's format, because SDKs read nothing else.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from assist_cli.api import forms
from assist_cli.api.app import BODY_BYTES, HEAD_BYTES, Application, head_too_large
from assist_cli.api.faults import Fault
from assist_cli.http.listener import STATUS_LINE, Crowd, HttpConfig, HttpConnection, RequestResponseCycle

HELD_BYTES = 16 << 20  # of all requests that are not answered yet
CONNECTIONS = 1024

log = logging.getLogger(__name__)


class ApiCrowd(Crowd["ApiConnection"]):
    """The connections of the API. ``refusal`` makes the answer to a message that is not a call."""

    def __init__(self, limit: int, refusal: Callable[[Fault], forms.Reply]) -> None:
        super().__init__(limit)
        self.refusal = refusal
        self._held = 0

    def hold(self, size: int) -> None:
        """Count ``size`` more bytes. Over the limit, refuse the connections that hold the most."""
        self._held += size
        while self._held > HELD_BYTES:
            loser = max((*self.strangers, *self.known), key=lambda each: each.held)
            self.leave(loser)
            loser.refuse()

    def prove(self, connection: ApiConnection) -> None:
        """Note that a connection has been answered."""
        if self.strangers.pop(connection, self) is None:
            self.known.add(connection)


class ApiConfig(HttpConfig):
    """Settings of the server, with its ``crowd``, and the time limit for the ``body`` of a request in seconds."""

    crowd: ApiCrowd
    body: float


class ApiConnection(HttpConnection):
    """One connection of the API."""

    config: ApiConfig
    held = 0  # bytes of a request that is not answered yet
    _body_deadline: asyncio.TimerHandle | None = None

    def data_received(self, data: bytes) -> None:
        if self.transport.is_closing():
            return
        more = min(len(data), HEAD_BYTES + BODY_BYTES - self.held)
        self.held += more
        self.config.crowd.hold(more)
        if not self.transport.is_closing():
            super().data_received(data)

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Application) -> None:  # type: ignore[override]
        task = self.loop.create_task(self._answer(cycle, app))
        task.add_done_callback(self.tasks.discard)
        self.tasks.add(task)

    async def _answer(self, cycle: RequestResponseCycle, app: Application) -> None:
        """Send the reply to a request."""
        try:
            reply = await app(cycle.scope, cycle.receive)  # type: ignore[arg-type]
        except Exception as error:
            log.error("a request failed by a bug", exc_info=error)
            reply = self.config.crowd.refusal(Fault("InternalError"))._replace(closes=True)
        if self.flow.write_paused and not cycle.disconnected:
            await self.flow.drain()
        if reply is None or cycle.disconnected:
            return
        if not cycle.keep_alive:
            reply = reply._replace(closes=True)
        self._write(reply, has_body=cycle.scope["method"] != "HEAD")
        cycle.response_started = cycle.response_complete = True
        cycle.message_event.set()
        cycle.on_response()

    def _write(self, reply: forms.Reply, *, has_body: bool = True) -> None:
        """Send a reply in one piece, which wakes the client one time."""
        lines = [b"%s: %s\r\n" % each for each in self.server_state.default_headers]
        body = reply.body if has_body else b""
        self.transport.write(b"".join([STATUS_LINE[reply.status], *lines, reply.headers, b"\r\n", body]))
        if reply.closes:
            self.transport.close()

    def on_response_complete(self) -> None:
        self._release()
        if not self.transport.is_closing():
            self.config.crowd.prove(self)
        super().on_response_complete()

    def connection_lost(self, exc: Exception | None) -> None:
        self._give_up_body()
        self._release()
        super().connection_lost(exc)

    def watch(self) -> None:
        """Set the time limit while a head or a body is expected."""
        super().watch()
        if not (self.is_answering and self.cycle.more_body):
            self._give_up_body()
        elif self._body_deadline is None:
            self._body_deadline = self.loop.call_later(self.config.body, self.reject, Fault("RequestTimeout"))

    def _give_up_body(self) -> None:
        if self._body_deadline is not None:
            self._body_deadline.cancel()
            self._body_deadline = None

    def send_400_response(self, msg: str) -> None:
        """Refuse a message that is not HTTP, or has a head that is too large."""
        if self.held > HEAD_BYTES:
            self.reject(head_too_large())
        else:
            self.reject(Fault("InvalidParameter.Request", "(it is not HTTP/1.1)"))

    def refuse(self) -> None:
        self.reject(Fault("Throttling"))

    def reject(self, fault: Fault) -> None:
        """Send the reason, and close."""
        self._release()
        if self.transport.is_closing():
            return
        if self.is_answering:
            self.cycle.disconnected = True  # the application stops answering
            self.cycle.message_event.set()
        self._write(self.config.crowd.refusal(fault)._replace(closes=True))

    def _release(self) -> None:
        self.config.crowd.hold(-self.held)
        self.held = 0
