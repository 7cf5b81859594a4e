"""The listener of the API: its address, TLS, and time limits for slow clients.

Plain HTTP is for this machine only. For a network it needs a certificate, or ``--insecure`` for a trusted network: a
signature protects a call from changes and replays, but anybody on the network can read it.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import platform
import re
import socket
from collections.abc import AsyncIterator, Collection, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import uvicorn

from assist_cli import codes
from assist_cli.api.app import HEAD_BYTES, AsgiApplication
from assist_cli.api.connections import CONNECTIONS, ApiConfig, ApiConnection, Crowd
from assist_cli.api.gateway import Gateway
from assist_cli.api.rates import Rates
from assist_cli.deploy import pki
from assist_cli.errors import Conflict, FileFailure, InvalidParameter, UsageError
from assist_cli.model import endpoint
from assist_cli.operations.controller import Controller, Controllers
from assist_cli.operations.fleet import concurrency
from assist_cli.operations.server.background import Background, background
from assist_cli.paths import region
from assist_cli.store.nonces import Nonces

READERS = 2  # threads for read-only calls; more of them would compete for the interpreter
WAITERS = 16  # threads for calls that wait for the disk, or for agents
LOG = "uvicorn.error"  # all messages of uvicorn
BACKLOG = 2048  # connections that wait for accept(); uvicorn accepts this many in one step

_LABEL = "[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?"
_NAME = re.compile(rf"(\*\.)?{_LABEL}(\.{_LABEL})*", re.ASCII)

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class ApiEndpoint:
    """The address of the API. ``certificate`` and ``key`` are PEM files; without them it is plain HTTP.

    ``names`` are further host names that clients use, such as that of a proxy.
    """

    host: str
    port: int
    certificate: Path | None = None
    key: Path | None = None
    names: tuple[str, ...] = ()

    @property
    def is_loopback(self) -> bool:
        return endpoint.is_loopback(self.host)

    def url(self, port: int) -> str:
        """Return the URL for clients."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'https' if self.certificate else 'http'}://{host}:{port}"


def place(
    address: str, certificate: Path | None, key: Path | None, *, insecure: bool, names: Sequence[str] = ()
) -> ApiEndpoint:
    """Return the endpoint of the options. Raises UsageError and InvalidParameter, also for plain HTTP on a network."""
    host, port = endpoint.parse(address, "--api 127.0.0.1:8320")
    if (certificate is None) != (key is None):
        raise UsageError("cannot use one of --api-cert and --api-key without the other", hint="give both files")
    for name in names:
        if not _NAME.fullmatch(name) or len(name) > 253:
            raise InvalidParameter(
                f"cannot use {name!r} for --api-name: it is not the name of a host",
                hint="give only the host name, without https:// and port: assist.example.com",
                code=codes.INVALID_ADDRESS,
            )
    found = ApiEndpoint(host, port, certificate, key, tuple(name.lower() for name in names))
    if certificate is None and not found.is_loopback and not insecure:
        raise InvalidParameter(
            f"cannot serve plain HTTP at {address!r}: others on the network could read scripts and output",
            hint="give --api-cert and --api-key; or --insecure, if the network is trusted",
            code=codes.PLAIN_HTTP_REFUSED,
        )
    return found


@contextlib.asynccontextmanager
async def service(place: ApiEndpoint, controller: Controller) -> AsyncIterator[None]:
    """The API as a service of the server (operations.server), in its event loop until the block ends.

    Raises Conflict if it cannot listen, FileFailure for a certificate, DatabaseFailure.
    """
    async with background(controller) as after, _serving(controller, place, after) as url:
        log.info("the API is at %s", url)
        yield


@contextlib.asynccontextmanager
async def _serving(controller: Controller, place: ApiEndpoint, background: Background) -> AsyncIterator[str]:
    """Serve, and yield the URL."""
    home, timeouts = controller.home, controller.timeouts
    logging.getLogger(LOG).setLevel(logging.ERROR)  # invalid requests of strangers are not logged
    with contextlib.ExitStack() as stack:
        nonces = Nonces(home.nonces)
        stack.callback(nonces.close)
        controllers = Controllers(home, timeouts)
        stack.callback(controllers.close)
        readers = stack.enter_context(ThreadPoolExecutor(READERS, thread_name_prefix="reader"))
        waiters = stack.enter_context(ThreadPoolExecutor(WAITERS, thread_name_prefix="waiter"))
        gateway = Gateway(controllers, region(), nonces, background, Rates())
        half = concurrency.connections() // 2  # the other half is for agents
        config = ApiConfig(
            AsgiApplication(gateway, readers, waiters, _names(place), timeouts.api.body),
            http=ApiConnection,
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,  # a URL has the script in it
            proxy_headers=False,
            server_header=False,
            ssl_certfile=place.certificate,
            ssl_keyfile=place.key,
            h11_max_incomplete_event_size=HEAD_BYTES,
            timeout_keep_alive=timeouts.api.idle,
            timeout_graceful_shutdown=timeouts.api.leave,
            backlog=min(BACKLOG, half // 2 + 1),  # enough descriptors for one step of accept()
        )
        config.head = timeouts.api.head
        config.crowd = Crowd(min(CONNECTIONS, half), gateway.refuse_connection)
        try:
            config.load()
        except OSError as error:
            why = error.strerror or str(error)
            raise FileFailure(
                f"cannot use the certificate '{place.certificate}' with the key '{place.key}': {why}",
                hint="both are PEM files, and they belong together",
            ) from error
        listener = stack.enter_context(_listener(place))
        server = _Server(config)
        task = asyncio.get_running_loop().create_task(server.serve([listener]))
        try:
            yield place.url(listener.getsockname()[1])
        finally:
            server.should_exit = True
            await task


@contextlib.contextmanager
def _listener(place: ApiEndpoint) -> Iterator[socket.socket]:
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
                hint="take another port",
                code=codes.PORT_IN_USE,
            ) from error
        yield listener


def _names(place: ApiEndpoint) -> Collection[str]:
    """Return the host names, besides addresses, by which a client may call this server."""
    if place.certificate is not None:
        return {*place.names, *(name.lower() for name in pki.names_of(place.certificate))}
    return {*place.names, "localhost", *(() if place.is_loopback else (platform.node().lower(),))}


class _Server(uvicorn.Server):
    """A server that leaves signals to its caller."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield
