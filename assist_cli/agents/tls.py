"""Reaching an agent that listens, by mutual TLS 1.3.

Both ends show a certificate of the home's authority. An agent is not known by its host name, which says nothing about
who it is, but by its role and the instance id in its certificate.

The layer between the socket and the Client is our own, over the TLS of the standard library without a socket
(``SSLContext.wrap_bio``): asyncio's keeps a buffer of 256 KiB for each connection, which is 250 MiB for a thousand.

In TLS 1.3 a client is done before the server has looked at the client's certificate. So the agent's refusal comes when
the connection seems to be made, and is told to whoever waits for an answer.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import ipaddress
import socket
import ssl
from collections.abc import Mapping
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from assist_cli.agents.client import Client
from assist_cli.agents.route import Tls
from assist_cli.errors import AgentError, ClientAuthFailed, ClientNotOnline, ClientNotRunning
from assist_cli.paths import Home

CONNECT_SECONDS = 10.0
CHUNK = 64 * 1024

_BUFFER = memoryview(bytearray(CHUNK))  # for all connections: what comes is taken out of it at once

_NOT_YET_VALID, _EXPIRED = 9, 10  # X509_V_ERR_CERT_NOT_YET_VALID, X509_V_ERR_CERT_HAS_EXPIRED


async def connect(route: Tls, home: Home, instance: str | None = None) -> Client:
    """A connection to the agent at ``route``, not greeted yet; with ``instance``, only to the one of that id.

    Raises ClientNotRunning when nothing listens there, ClientNotOnline when there is no way or no answer in
    CONNECT_SECONDS, ClientAuthFailed when one of the two does not accept the other. A refusal by the agent may come
    with the first request.
    """
    context = _context(home)
    client = Client(str(route))
    tunnel = Tunnel(context, client, str(route))
    try:
        await asyncio.wait_for(_shake_hands(tunnel, route), CONNECT_SECONDS)
        subject, client.certificate_ends = tunnel.certificate()
        client.proven = _proven(subject, route, instance)
    except BaseException as error:
        tunnel.abort()
        if isinstance(error, (OSError, asyncio.TimeoutError)):
            raise _failure(route, error) from error
        raise
    tunnel.open()
    return client


async def _shake_hands(tunnel: Tunnel, route: Tls) -> None:
    loop = asyncio.get_running_loop()
    *others, last = await _addresses(loop, route)
    for address in others:
        with contextlib.suppress(OSError):
            await loop.create_connection(lambda: tunnel, address, route.port)
            break
    else:
        await loop.create_connection(lambda: tunnel, last, route.port)
    await tunnel.handshake


async def _addresses(loop: asyncio.AbstractEventLoop, route: Tls) -> list[str]:
    """The numeric addresses of a host, in the system's order; at least one. Raises OSError."""
    try:
        return [str(ipaddress.ip_address(route.host))]
    except ValueError:
        found = await loop.getaddrinfo(route.host, route.port, type=socket.SOCK_STREAM)
        return list(dict.fromkeys(str(address[0]) for *_, address in found))


class Tunnel(asyncio.BufferedProtocol, asyncio.Transport):
    """TLS between two that know nothing of it: the protocol of a TCP transport, and the transport of a Client.

    ``handshake`` ends when the other end has proved who it is. Nothing reaches the Client before ``open``.
    """

    def __init__(self, context: ssl.SSLContext, client: Client, peer: str) -> None:
        super().__init__()
        self.handshake: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing)
        self._client = client
        self._peer = peer
        self._below: asyncio.Transport | None = None
        self._error: Exception | None = None
        self._opened = False
        self._over = False  # the TCP connection has ended
        self._closed = False  # it is we who ended it
        self._paused = True

    def certificate(self) -> tuple[dict[str, str], datetime]:
        """The agent's: its subject, by the names that the ssl module has for the parts, and its end."""
        found: Any = self._tls.getpeercert()
        subject = dict(pair for part in found["subject"] for pair in part)
        return subject, datetime.fromtimestamp(ssl.cert_time_to_seconds(found["notAfter"]), timezone.utc)

    def open(self) -> None:
        """Let the Client talk."""
        self._opened = True
        self._client.connection_made(self)
        if self._over:
            self._end()
        else:
            self.resume_reading()

    # what the TCP transport calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._below = transport
        self._advance()

    def get_buffer(self, sizehint: int) -> memoryview:
        return _BUFFER

    def buffer_updated(self, nbytes: int) -> None:
        self._incoming.write(_BUFFER[:nbytes])
        self._advance()

    def connection_lost(self, error: Exception | None) -> None:
        self._over = True
        self._error = self._error or error
        if not self.handshake.done():
            self.handshake.set_exception(self._error or ConnectionResetError("it closed the connection"))
        if self._opened:
            self._end()

    # what the Client calls

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return default if self._below is None else self._below.get_extra_info(name, default)

    def write(self, data: bytes | bytearray | memoryview) -> None:
        if not self.is_closing():
            self._tls.write(data)
            self._flush()

    def pause_reading(self) -> None:
        self._paused = True
        if self._below is not None:
            self._below.pause_reading()

    def resume_reading(self) -> None:
        if self._paused and self._below is not None:
            self._paused = False
            self._below.resume_reading()
            asyncio.get_running_loop().call_soon(self._advance)  # what came before the pause

    def is_closing(self) -> bool:
        return self._below is None or self._below.is_closing()

    def close(self) -> None:
        if not self.is_closing():
            assert self._below is not None
            self._closed = True
            with contextlib.suppress(ssl.SSLError):  # it says goodbye and does not wait for the answer
                self._tls.unwrap()
            self._flush()
            self._below.close()

    def abort(self) -> None:
        self._closed = True
        if self._below is not None:
            self._below.abort()

    # TLS

    def _end(self) -> None:
        """Tell the Client that it is over, after all that came before: the last of it may say why."""
        self._paused = False
        self._advance()
        self._client.connection_lost(self._error)

    def _advance(self) -> None:
        """Do what can be done with the bytes that have come."""
        if self._closed:
            return
        try:
            if not self.handshake.done():
                self._tls.do_handshake()
                self.handshake.set_result(None)
            while not self._paused and not self._closed:
                data = self._tls.read(CHUNK)
                if not data:
                    self.close()
                    return
                self._client.data_received(data)
        except ssl.SSLWantReadError:
            pass
        except ssl.SSLError as error:
            self._error = error if not self.handshake.done() else _refusal(self._peer, error)
            self._flush()  # our alert tells the other end why
            self.abort()
            return
        if self._opened or not self.handshake.done():
            self._flush()  # else our last word of the handshake leaves with the greeting that is about to be said

    def _flush(self) -> None:
        if self._below is not None and self._outgoing.pending:
            self._below.write(self._outgoing.read())


def _proven(subject: Mapping[str, str], route: Tls, instance: str | None) -> str:
    """The instance id in the agent's certificate, which is good; is it also the right one? Raises ClientAuthFailed."""
    name = subject.get("commonName", "")
    if subject.get("organizationalUnitName") != "agent" or not name:
        raise ClientAuthFailed(
            f"cannot use the agent at '{route}': its certificate is not made for an agent",
            hint="another program of this fleet answers there; look at the address and the port",
        )
    if instance is not None and name != instance:
        raise ClientAuthFailed(
            f"cannot use the agent at '{route}': it is {name}, and {instance} is expected",
            hint="another instance has this address now; register it again, or correct the address",
        )
    return name


def _context(home: Home) -> ssl.SSLContext:
    """What this controller shows and whom it trusts. Raises ClientAuthFailed."""
    try:
        stamps = tuple((home.pki / name).stat().st_mtime_ns for name in ("ca.pem", "controller.pem"))
        return _load(home.pki, stamps)
    except OSError as error:  # of the files, and of what OpenSSL says about them
        raise ClientAuthFailed(
            f"cannot use the certificates in '{home.pki}': {error.strerror or error}",
            hint="bring the folder back from a copy; without it every agent has to be installed again",
        ) from error


@functools.lru_cache(maxsize=4)
def _load(folder: Path, stamps: tuple[int, ...]) -> ssl.SSLContext:
    """One context for all connections; ``stamps`` make it a new one when the files are."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.check_hostname = False  # the instance id is checked instead
    context.verify_mode = ssl.CERT_REQUIRED
    context.verify_flags |= ssl.VERIFY_X509_STRICT
    context.load_verify_locations(folder / "ca.pem")
    context.load_cert_chain(folder / "controller.pem", folder / "controller.key")
    return context


def _failure(route: Tls, error: Exception) -> AgentError:
    """What a connection that was not made means."""
    if isinstance(error, asyncio.TimeoutError):
        return ClientNotOnline(
            f"cannot reach the agent at '{route}': no answer in {CONNECT_SECONDS:.0f} s",
            hint="is the machine up, and does its firewall let this port through?",
        )
    if isinstance(error, ssl.SSLCertVerificationError):
        return ClientAuthFailed(
            f"cannot trust the agent at '{route}': {error.verify_message}", hint=_verification_hint(error.verify_code)
        )
    if isinstance(error, ssl.SSLError):
        return _refusal(str(route), error)
    if isinstance(error, ConnectionRefusedError):
        return ClientNotRunning(
            f"cannot reach an agent at '{route}': nothing listens there",
            hint="start it there, as with: systemctl start assist-agentd",
        )
    return ClientNotOnline(
        f"cannot reach the agent at '{route}': {getattr(error, 'strerror', None) or error}",
        hint="is the name right, and is the machine up?",
    )


def _verification_hint(code: int) -> str:
    if code == _EXPIRED:
        return "renew it: assist instance upgrade NAME --rotate"
    if code == _NOT_YET_VALID:
        return "the clock of this machine is behind, or that of the one that made the certificate is ahead"
    return "it was installed by another controller; use that one's ASSIST_HOME, or install it again from here"


def _refusal(peer: str, error: ssl.SSLError) -> ClientAuthFailed:
    reason = (error.reason or str(error)).lower().replace("_", " ")
    if "alert" in reason:
        return ClientAuthFailed(
            f"cannot use the agent at '{peer}': it does not accept the certificate of this controller ({reason})",
            hint="it was installed by another controller, or one of the two clocks is wrong",
        )
    return ClientAuthFailed(
        f"cannot use what listens at '{peer}': it does not speak TLS 1.3 as an agent does ({reason})",
        hint="another program has this port; look at the address and the port",
    )
