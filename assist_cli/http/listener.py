"""An HTTP server in the event loop of ``assist serve``: its socket, its connections, and its shutdown.

An idle server does not wake up: the ticks of uvicorn, ten a second, are replaced by an event.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import functools
import logging
import socket
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from email.utils import formatdate
from typing import Any, Generic, TypeVar

import uvicorn
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle

from assist_cli import codes
from assist_cli.errors import Conflict, FileFailure
from assist_cli.http.endpoint import HttpEndpoint

__all__ = ["STATUS_LINE", "HttpConfig", "HttpConnection", "RequestResponseCycle", "serving"]

LOG = "uvicorn.error"  # all messages of uvicorn
BACKLOG = 2048  # connections that wait for accept(); uvicorn accepts this many in one step


Connection = TypeVar("Connection", bound="HttpConnection")


class Crowd(Generic[Connection]):
    """The connections of one server, at most ``limit``. Those that are ``known`` are never refused."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.known: set[Connection] = set()
        self.strangers: dict[Connection, None] = {}  # the oldest first

    def enter(self, connection: Connection) -> None:
        """Add a new connection. Over the limit, refuse one.

        Refused is the oldest one that waits for its client, of the address with the most of them; else the new one.
        """
        self.strangers[connection] = None
        if len(self.known) + len(self.strangers) > self.limit:
            waiting = [each for each in self.strangers if each.waits_for_client]
            crowded = Counter(each.address for each in waiting).most_common(1)[0][0]
            loser = next(each for each in waiting if each.address == crowded)
            del self.strangers[loser]
            loser.refuse()

    def leave(self, connection: Connection) -> None:
        """Remove a connection."""
        self.strangers.pop(connection, None)
        self.known.discard(connection)


class HttpConfig(uvicorn.Config):
    """Settings of a server, with its ``crowd``, and the limits for the head of a request: seconds, and bytes."""

    crowd: Crowd[Any]
    head: float
    head_bytes: int


class HttpConnection(HttpToolsProtocol):
    """One connection. The head of each request must arrive in a limited time, however many bytes the client sends."""

    config: HttpConfig
    _deadline: asyncio.TimerHandle | None = None
    _is_in_head = False
    _head_size = 0  # bytes of a head that is not complete

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.watch()
        self.config.crowd.enter(self)

    def data_received(self, data: bytes) -> None:
        self.server_state.default_headers = [(b"date", _date(int(time.time())))]
        before = self._head_size if self._is_in_head else 0
        super().data_received(data)
        if self._is_in_head:
            self._head_size = before + len(data)
            if self._head_size > self.config.head_bytes and not self.transport.is_closing():
                self.send_400_response("The head of the request is too large.")
        self.watch()

    def on_message_begin(self) -> None:
        self._is_in_head = True
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """Begin to answer a request. One without the header Host is invalid (RFC 9112, section 3.2)."""
        self._is_in_head = False
        if self.parser.get_http_version() == "1.1" and not any(name == b"host" for name, _ in self.headers):
            raise ValueError("a request without the header Host")
        super().on_headers_complete()

    def on_response_complete(self) -> None:
        self.give_up_watching()
        super().on_response_complete()

    def connection_lost(self, exc: Exception | None) -> None:
        self.give_up_watching()
        self.config.crowd.leave(self)
        super().connection_lost(exc)

    def refuse(self) -> None:
        """Close it, to make room for another one."""
        self.transport.abort()

    @property
    def address(self) -> str:
        """The address of the client."""
        return self.client[0] if self.client else ""

    @property
    def is_answering(self) -> bool:
        """Return True from the head of a request to the end of its answer."""
        cycle: RequestResponseCycle | None = self.cycle  # None before the first request
        return cycle is not None and not cycle.response_complete

    @property
    def waits_for_client(self) -> bool:
        """Return True until a whole request has arrived, and while the client does not read its answer."""
        return not self.is_answering or self.cycle.more_body or self.flow.write_paused

    def watch(self) -> None:
        """Set the time limit while a head is expected."""
        if self.is_answering:
            self.give_up_watching()
        elif self._deadline is None:
            self._deadline = self.loop.call_later(self.config.head, self.transport.close)

    def give_up_watching(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None


@functools.lru_cache(maxsize=1)
def _date(second: int) -> bytes:
    return formatdate(second, usegmt=True).encode()


class HttpServer(uvicorn.Server):
    """A server that leaves signals to its caller, and ends after ``stop``."""

    def __init__(self, config: HttpConfig) -> None:
        super().__init__(config)
        self._ending = asyncio.Event()

    def stop(self) -> None:
        self.should_exit = True
        self._ending.set()

    async def main_loop(self) -> None:
        await self.on_tick(0)
        await self._ending.wait()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


@contextlib.asynccontextmanager
async def serving(place: HttpEndpoint, config: HttpConfig) -> AsyncIterator[int]:
    """Serve until the end of the block, and yield the port.

    Raises Conflict if it cannot listen, FileFailure for a certificate.
    """
    logging.getLogger(LOG).setLevel(logging.ERROR)  # invalid requests of strangers are not logged
    try:
        config.load()
    except OSError as error:
        why = error.strerror or str(error)
        raise FileFailure(
            f"cannot use the certificate '{place.certificate}' with the key '{place.key}': {why}",
            hint="both are PEM files, and they belong together",
        ) from error
    with _socket(place) as listener:
        server = HttpServer(config)
        task = asyncio.get_running_loop().create_task(server.serve([listener]))
        try:
            yield listener.getsockname()[1]
        finally:
            server.stop()
            await task


@contextlib.contextmanager
def _socket(place: HttpEndpoint) -> Iterator[socket.socket]:
    """Listen for calls. The socket states TCP: only then does asyncio send an answer without waiting for an ACK."""
    family = socket.AF_INET6 if ":" in place.host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        try:
            listener.bind((place.host, place.port))
            listener.listen()
        except OSError as error:
            raise Conflict(
                f"cannot listen at {place.host}:{place.port}: {error.strerror}",
                hint="take an address of this machine" if error.errno == errno.EADDRNOTAVAIL else "take another port",
                code=codes.PORT_IN_USE,
            ) from error
        yield listener
