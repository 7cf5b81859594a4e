"""Machines that enrol through the broker: circuits that they open, with TLS inside.

::

    assist.e.CONTROLLER.ENROLMENT.SESSION    machine -> controller; reply = next row
    assist.m.ENROLMENT.SESSION               controller -> machine

Both are subjects of the account ENROLL, which has no agents. The controller is the server of the TLS inside. It shows
a certificate with the role ``enroller``, and accepts only one of the enrolment that the subject names.
"""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import Callable, Sequence

from agentd.wire import circuit, nats
from agentd.wire.transport import TunnelTransport
from assist_cli.agents import broker_folder
from assist_cli.agents.broker_folder import BrokerAddress
from assist_cli.agents.nats import CircuitConnection, open_first
from assist_cli.errors import FileFailure
from assist_cli.model.timeouts import AgentTimeouts
from assist_cli.paths import Home

MOST_MACHINES = 200  # at a time; the others retry
MOST_LINE = 64 * 1024  # bytes of a line from a machine

Take = Callable[[str, asyncio.StreamReader, asyncio.StreamWriter], None]

log = logging.getLogger(__name__)


async def listen(home: Home, token: str, timeouts: AgentTimeouts, take: Take) -> None:
    """Accept machines until the connection to the broker is lost.

    ``take`` is called with the id of the enrolment that a machine has proven, and with the stream to the machine.
    Raises AgentError if no broker accepts ``token``, FileFailure.
    """
    context, controller = _context(home), broker_folder.settings(home).controller

    def make(address: BrokerAddress) -> EnrolmentConnection:
        return EnrolmentConnection(address, controller, timeouts, context, take)

    connection = await open_first(home, token, timeouts, make)
    try:
        await connection.ended.wait()
    finally:
        connection.close()


class EnrolmentConnection(CircuitConnection):
    """A connection to a broker, with a circuit from each machine that enrols."""

    def __init__(
        self,
        address: BrokerAddress,
        controller: str,
        timeouts: AgentTimeouts,
        context: ssl.SSLContext,
        take: Take,
    ) -> None:
        super().__init__(address, controller, timeouts.probe)
        self._prefix = f"assist.e.{controller}."
        self._context = context
        self._seconds = timeouts.connect
        self._take_machine = take

    def _subscriptions(self) -> Sequence[tuple[str, int]]:
        return ((f"{self._prefix}*.*", 1),)

    def _pass(self, message: nats.Message) -> None:
        name = message.subject[len(self._prefix) :]
        found = self._circuits.get(name)
        if message.status == nats.NO_RESPONDERS:
            if found is not None:
                found.lose(ConnectionResetError("the machine is gone"))
        elif found is not None:
            found.receive(message.payload)
        elif message.payload != circuit.CLOSED:
            self._accept(name, message.payload)

    def _accept(self, name: str, payload: bytes) -> None:
        """Open a circuit, or answer that there is none."""
        enrolment, _, session = name.partition(".")
        if not circuit.opens(payload) or not circuit.is_session(session) or len(self._circuits) >= MOST_MACHINES:
            self._send(self._nats.publish(f"assist.m.{name}", circuit.CLOSED))
            return
        self._probe_circuits(f"{enrolment}.")  # one of them may be of the same machine, which was killed
        made = self._made(name, f"assist.m.{name}", "machine", lambda: None)
        made.open(MachineHandshake(self._context, enrolment, self._seconds, self._take_machine))
        made.receive(payload)


class MachineHandshake(TunnelTransport):
    """The TLS handshake with a machine, which has ``seconds`` for it."""

    def __init__(self, context: ssl.SSLContext, enrolment: str, seconds: float, take: Take) -> None:
        super().__init__(context, server_side=True)
        self._enrolment = enrolment
        self._take_machine = take
        self._deadline = asyncio.get_running_loop().call_later(seconds, self.abort)

    def established(self) -> None:
        self._deadline.cancel()
        subject = self.tunnel.subject()
        if subject.get("organizationalUnitName") != "enrolment" or subject.get("commonName") != self._enrolment:
            log.warning("refused a machine: its certificate is not one of the enrolment %.40r", self._enrolment)
            self.abort()
            return
        reader = asyncio.StreamReader(MOST_LINE)
        self.open(asyncio.StreamReaderProtocol(reader, self._begin))

    def _begin(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._take_machine(self._enrolment, reader, writer)

    def failed(self, error: ssl.SSLError) -> None:
        log.debug("a machine of the enrolment %.40r: %s", self._enrolment, error)  # or the late end of a circuit
        self.abort()

    def connection_lost(self, error: Exception | None) -> None:
        self._deadline.cancel()
        super().connection_lost(error)


def _context(home: Home) -> ssl.SSLContext:
    """Return the context of the server. Raises FileFailure."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.verify_mode = ssl.CERT_REQUIRED
    context.num_tickets = 0  # no session is resumed
    try:
        context.load_verify_locations(home.authority)
        context.load_cert_chain(home.pki / "enroller.pem", home.pki / "enroller.key")
    except OSError as error:  # of the files, or of OpenSSL about their content
        raise FileFailure(
            f"cannot use the certificates in '{home.pki}': {error.strerror or error}",
            hint="restore the folder from a backup",
        ) from error
    return context
