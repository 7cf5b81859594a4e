"""Connect to an agent that listens, by mutual TLS 1.3.

Both ends show a certificate of the home's authority. An agent is identified by the role and the instance id in its
certificate, not by its host name.

In TLS 1.3 a client has connected before the server has checked the client's certificate. So the agent's refusal arrives
on an open connection, and is raised in the first request.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import ipaddress
import socket
import ssl
from collections.abc import Awaitable, Mapping

from agentd.wire.transport import TunnelTransport
from agentd.wire.tunnel import subject_of
from assist_cli.agents import revoked
from assist_cli.agents.client import Client
from assist_cli.agents.route import Tls
from assist_cli.errors import AgentError, ClientAuthFailed, ClientNotOnline, ClientNotRunning
from assist_cli.model.timeouts import AgentTimeouts
from assist_cli.paths import Home, version_of

_NOT_YET_VALID, _EXPIRED = 9, 10  # X509_V_ERR_CERT_NOT_YET_VALID, X509_V_ERR_CERT_HAS_EXPIRED


async def connect(route: Tls, home: Home, timeouts: AgentTimeouts, instance: str | None = None) -> Client:
    """Connect to the agent at ``route``. It is not greeted yet. With ``instance``, accept only the one of that id.

    Raises ClientNotRunning if nothing listens there, ClientNotOnline if it is unreachable or does not answer in time,
    ClientAuthFailed if one of the two does not accept the other. A refusal by the agent may arrive at the first
    request.
    """
    handshake = begin(home, str(route))
    try:
        return await authenticated(handshake, _reach(route, handshake), home, timeouts, instance)
    except (OSError, asyncio.TimeoutError) as error:
        raise failure(str(route), error, timeouts.connect) from error


def begin(home: Home, address: str) -> Handshake:
    """Return a handshake with the agent at ``address``, for a stream of bytes. Raises ClientAuthFailed."""
    return Handshake(_context(home), address)


async def authenticated(
    handshake: Handshake, ready: Awaitable[None], home: Home, timeouts: AgentTimeouts, instance: str | None
) -> Client:
    """Authenticate the agent at the other end of a handshake, which is over when ``ready`` returns.

    Raises ClientAuthFailed, and the errors of the stream and of TLS: OSError, asyncio.TimeoutError (see ``failure``).
    """
    client = Client(handshake.peer)
    try:
        await asyncio.wait_for(ready, timeouts.connect)
        certificate = handshake.tunnel.certificate()
        client.proven = _proven(subject_of(certificate), handshake.peer, instance)
        client.not_after = certificate["notAfter"]
        revoked.refuse_certificate(home, client.proven, certificate, handshake.peer)
    except BaseException:
        handshake.abort()
        raise
    handshake.open(client)
    return client


async def _reach(route: Tls, handshake: Handshake) -> None:
    """Connect, and wait for the end of the handshake."""
    loop = asyncio.get_running_loop()
    *others, last = await _addresses(loop, route)
    for address in others:
        with contextlib.suppress(OSError):
            await loop.create_connection(lambda: handshake, address, route.port)
            break
    else:
        await loop.create_connection(lambda: handshake, last, route.port)
    await handshake.done


async def _addresses(loop: asyncio.AbstractEventLoop, route: Tls) -> list[str]:
    """Return the numeric addresses of a host, in the system's order; at least one. Raises OSError."""
    try:
        return [str(ipaddress.ip_address(route.host))]
    except ValueError:
        found = await loop.getaddrinfo(route.host, route.port, type=socket.SOCK_STREAM)
        return list(dict.fromkeys(str(address[0]) for *_, address in found))


def versions(host: str) -> set[int]:
    """Return the versions of IP (4, 6) in which a host name has addresses here."""
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except OSError:
        return set()
    return {6 if family == socket.AF_INET6 else 4 for family, *_ in found}


class Handshake(TunnelTransport):
    """A TLS handshake on a stream of bytes, which makes it a Client. ``done`` ends when the agent is authenticated."""

    def __init__(self, context: ssl.SSLContext, peer: str) -> None:
        super().__init__(context, server_side=False)
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.peer = peer
        self._error: Exception | None = None
        self._lost = False

    def established(self) -> None:
        if not self.done.done():  # else it was too late
            self.done.set_result(None)

    def failed(self, error: ssl.SSLError) -> None:
        self._error = _refusal(self.peer, error) if self.done.done() else error
        self.abort()

    def open(self, protocol: asyncio.Protocol) -> None:
        super().open(protocol)
        if self._lost:
            super().connection_lost(self._error)

    def connection_lost(self, error: Exception | None) -> None:
        self._lost = True
        self._error = self._error or error
        if not self.done.done():
            self.done.set_exception(self._error or ConnectionResetError("it closed the connection"))
        super().connection_lost(self._error)


def _proven(subject: Mapping[str, str], address: str, instance: str | None) -> str:
    """Return the instance id in the verified certificate of the agent. Raises ClientAuthFailed for another one."""
    name = subject.get("commonName", "")
    if subject.get("organizationalUnitName") != "agent" or not name:
        raise ClientAuthFailed(
            f"cannot use the agent at '{address}': its certificate is not one of an agent",
            hint="another program of this fleet answers there; check the address and the port",
        )
    if instance is not None and name != instance:
        raise ClientAuthFailed(
            f"cannot use the agent at '{address}': it is {name}, not {instance}",
            hint="another instance has this address now; register it again, or correct the address",
        )
    return name


def _context(home: Home) -> ssl.SSLContext:
    """Return the context with this controller's certificate and authority. Raises ClientAuthFailed."""
    try:
        return _load(home, version_of(home.authority), version_of(home.certificate))
    except OSError as error:  # of the files, or of OpenSSL about their content
        raise ClientAuthFailed(
            f"cannot use the certificates in '{home.pki}': {error.strerror or error}",
            hint="restore the folder from a backup; without one, install every agent again",
        ) from error


@functools.lru_cache(maxsize=4)
def _load(home: Home, *versions: tuple[int, int, int] | None) -> ssl.SSLContext:
    """Return the context for all connections; other ``versions`` of its files make a new one."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.check_hostname = False  # the instance id is checked instead
    context.verify_mode = ssl.CERT_REQUIRED
    context.verify_flags |= ssl.VERIFY_X509_STRICT
    context.load_verify_locations(home.authority)
    context.load_cert_chain(home.certificate, home.key)
    return context


def failure(address: str, error: Exception, seconds: float) -> AgentError:
    """Return the error for a failed connection, after ``seconds``."""
    if isinstance(error, asyncio.TimeoutError):
        return ClientNotOnline(
            f"cannot reach the agent at '{address}': no answer in {seconds:.0f} s",
            hint="check whether the machine is up and its firewall allows this port",
        )
    if isinstance(error, ssl.SSLCertVerificationError):
        return ClientAuthFailed(
            f"cannot trust the agent at '{address}': {error.verify_message}", hint=_verification_hint(error.verify_code)
        )
    if isinstance(error, ssl.SSLError):
        return _refusal(address, error)
    if isinstance(error, ConnectionRefusedError):
        return ClientNotRunning(
            f"cannot reach an agent at '{address}': nothing listens there",
            hint="start it there: systemctl start assist-agentd; without systemd /var/lib/assist-agentd/agentd guard; "
            "on Windows the task 'Assist agent'",
        )
    return ClientNotOnline(
        f"cannot reach the agent at '{address}': {getattr(error, 'strerror', None) or error}",
        hint="check the name, and whether the machine is up",
    )


def _verification_hint(code: int) -> str:
    if code == _EXPIRED:
        return "renew it: assist instance upgrade NAME --rotate"
    if code == _NOT_YET_VALID:
        return "the clock of this machine is behind, or that of the one that made the certificate is ahead"
    return "another controller installed it; use the ASSIST_HOME of that one, or install it again from here"


def _refusal(peer: str, error: ssl.SSLError) -> ClientAuthFailed:
    reason = (error.reason or str(error)).lower().replace("_", " ")
    if "alert" in reason:
        return ClientAuthFailed(
            f"cannot use the agent at '{peer}': it does not accept the certificate of this controller ({reason})",
            hint="another controller installed it, or one of the two clocks is wrong",
        )
    return ClientAuthFailed(
        f"cannot use what listens at '{peer}': it does not speak TLS 1.3 as an agent does ({reason})",
        hint="another program has this port; check the address and the port",
    )
