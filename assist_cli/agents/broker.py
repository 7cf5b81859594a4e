"""A connection to a broker, for requests about the broker itself.

A broker greets in clear text, with ``INFO``; then TLS begins. Its certificate is verified against the home's authority
and the host name. This controller shows its own certificate, and then its token.
"""

from __future__ import annotations

import asyncio
import json
import secrets
import ssl
from collections.abc import Mapping
from datetime import datetime, timezone
from typing import Any

from agentd.wire import nats
from agentd.wire.protocol import ProtocolError
from assist_cli.agents.broker_folder import BrokerAddress
from assist_cli.errors import AgentError, BrokerRefused, ClientNotOnline, ClientNotRunning, InvalidAnswer
from assist_cli.paths import Home

_MOST_ANSWER = 8 * 1024 * 1024  # bytes of an answer about the broker, which its own limit does not apply to
_REPLIES = 1  # the number of the only subscription


class BrokerConnection(asyncio.Protocol):
    """A connection to one broker. Close it after use."""

    def __init__(self, address: BrokerAddress) -> None:
        self.address = address
        self.info: Mapping[str, Any] = {}
        self._nats = nats.NatsProtocol(_MOST_ANSWER)
        self._inbox = f"_INBOX.{secrets.token_hex(16)}"
        self._transport: asyncio.Transport | None = None
        self._greeted: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting: asyncio.Future[Any] | None = None  # for the answer to one request, or for a PONG
        self._failure: Exception | None = None
        self._requests = 0

    @property
    def is_open(self) -> bool:
        """True until the broker or this side ends the connection."""
        return self._failure is None

    @property
    def certificate_ends(self) -> datetime | None:
        """The expiry time of the broker's certificate, once TLS has begun."""
        found = self._transport.get_extra_info("peercert") if self._transport is not None else None
        return datetime.fromtimestamp(ssl.cert_time_to_seconds(found["notAfter"]), timezone.utc) if found else None

    async def log_in(self, context: ssl.SSLContext, token: str) -> None:
        """Begin TLS and log in. Raises OSError, ssl.SSLError, ProtocolError, and BrokerRefused for the token."""
        loop = asyncio.get_running_loop()
        await self._greeted
        assert self._transport is not None
        if not self.info.get("tls_required"):
            raise ProtocolError("it does not offer TLS")
        self._nats = nats.NatsProtocol(_MOST_ANSWER)  # what came in clear text after INFO counts for nothing
        self._transport = await loop.start_tls(
            self._transport, self, context, server_side=False, server_hostname=self.address.host
        )
        options = {"jwt": token, "name": "assist", "tls_required": True}
        await self._ask(self._nats.connect(options) + self._nats.ping())

    async def request(self, subject: str, payload: bytes = b"") -> dict[str, Any]:
        """Publish a request, and return the JSON document of the first answer.

        Raises ClientNotOnline if nobody answers, InvalidAnswer, and the errors of a lost connection.
        """
        if not self._requests:
            self._send(self._nats.subscribe(f"{self._inbox}.*", _REPLIES))
        self._requests += 1
        command = self._nats.publish(subject, payload, f"{self._inbox}.{self._requests}")
        answer = await self._ask(command)
        if answer.status == nats.NO_RESPONDERS:
            raise ClientNotOnline(
                f"cannot query the broker at '{self.address}': it does not answer '{subject}'",
                hint="check that it runs the configuration of this home: assist broker init --renew",
            )
        try:
            document = json.loads(answer.payload)
        except (ValueError, RecursionError):
            document = None
        if not isinstance(document, dict):
            raise InvalidAnswer(f"cannot use the answer of the broker at '{self.address}': it is not a JSON object")
        return document

    def close(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    async def _ask(self, command: bytes) -> Any:
        """Send a command, and return the event that answers it."""
        if self._failure is not None:
            raise self._failure
        self._waiting = asyncio.get_running_loop().create_future()
        self._send(command)
        try:
            return await self._waiting
        finally:
            self._waiting = None

    def _send(self, data: bytes) -> None:
        if self._transport is not None:
            self._transport.write(data)

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        try:
            for event in self._nats.feed(data):
                self._take(event)
        except ProtocolError as error:
            self._fail(error)
            self.close()

    def connection_lost(self, error: Exception | None) -> None:
        self._fail(error or ConnectionResetError("it closed the connection"))

    def _take(self, event: object) -> None:
        if isinstance(event, nats.Info):
            self.info = event.options
            if not self._greeted.done():
                self._greeted.set_result(None)
        elif isinstance(event, nats.Ping):
            self._send(self._nats.pong())
        elif isinstance(event, nats.Error):
            self._fail(_refusal(self.address, event.text))
        elif self._waiting is not None and not self._waiting.done():
            self._answer(event, self._waiting)

    def _answer(self, event: object, waiting: asyncio.Future[Any]) -> None:
        is_ours = isinstance(event, nats.Message) and event.subject == f"{self._inbox}.{self._requests}"
        if is_ours or (isinstance(event, nats.Pong) and not self._requests):
            waiting.set_result(event)

    def _fail(self, error: Exception) -> None:
        """Note the first error, and raise it where something waits."""
        self._failure = self._failure or error
        for future in (self._greeted, self._waiting):
            if future is not None and not future.done():
                future.set_exception(self._failure)
                future.exception()  # it may be that nothing waits for it any more


async def connect(home: Home, address: BrokerAddress, token: str, seconds: float) -> BrokerConnection:
    """Connect to a broker with this token. Raises ClientNotRunning, ClientNotOnline and BrokerRefused."""
    connection = BrokerConnection(address)
    await open_connection(connection, home, token, seconds)
    return connection


async def open_connection(connection: BrokerConnection, home: Home, token: str, seconds: float) -> None:
    """Connect to the broker of a connection and log in. Raises as ``connect``."""
    context = _context(home)
    address = connection.address

    async def log_in() -> None:
        loop = asyncio.get_running_loop()
        await loop.create_connection(lambda: connection, address.host, address.port)
        await connection.log_in(context, token)

    try:
        await asyncio.wait_for(log_in(), seconds)
    except BaseException as error:
        connection.close()
        if isinstance(error, (OSError, asyncio.TimeoutError, ProtocolError)):
            raise failure(address, error, seconds) from error
        raise


def _context(home: Home) -> ssl.SSLContext:
    """Return the context with this controller's certificate and authority. Raises BrokerRefused."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.verify_flags |= ssl.VERIFY_X509_STRICT
    try:
        context.load_verify_locations(home.authority)
        context.load_cert_chain(home.certificate, home.key)
    except OSError as error:  # of the files, or of OpenSSL about their content
        raise BrokerRefused(
            f"cannot use the certificates in '{home.pki}': {error.strerror or error}",
            hint="restore the folder from a backup",
        ) from error
    return context


def failure(address: BrokerAddress, error: Exception, seconds: float) -> AgentError:
    """Return the error for a connection that failed or was lost, after ``seconds``."""
    if isinstance(error, asyncio.TimeoutError):
        return ClientNotOnline(
            f"cannot reach the broker at '{address}': no answer in {seconds:.0f} s",
            hint="check whether its machine is up and its firewall allows this port",
        )
    if isinstance(error, ssl.SSLCertVerificationError):
        return BrokerRefused(
            f"cannot trust the broker at '{address}': {error.verify_message}",
            hint="check the address, and whether it has the files of this home; to write them again: assist broker "
            "init --renew",
        )
    if isinstance(error, ssl.SSLError):
        reason = (error.reason or str(error)).lower().replace("_", " ")
        return BrokerRefused(
            f"cannot use the broker at '{address}': it does not accept the certificate of this controller ({reason})",
            hint="copy the files of this home to it again: assist broker init --renew",
        )
    if isinstance(error, ConnectionRefusedError):
        return ClientNotRunning(
            f"cannot reach a broker at '{address}': nothing listens there",
            hint="start it there: systemctl start assist-broker; to try it here: assist broker up",
        )
    if isinstance(error, ProtocolError):
        return ClientNotOnline(
            f"cannot use what listens at '{address}': it is not a broker of this home ({error})",
            hint="another program has this port; check the address and the port",
        )
    return ClientNotOnline(
        f"cannot reach the broker at '{address}': {getattr(error, 'strerror', None) or error}",
        hint="check the name, and whether its machine is up",
    )


def _refusal(address: BrokerAddress, text: str) -> BrokerRefused:
    """Return the error for an error of the broker, such as 'Authorization Violation'."""
    return BrokerRefused(
        f"cannot use the broker at '{address}': it refuses the token of this controller ('{text}')",
        hint="if the token was revoked, or this home has joined: assist broker credentials NAME in the home that made "
        "the broker, then here: assist broker join FILE; else copy the files of this home to the broker again: "
        "assist broker init --renew",
    )
