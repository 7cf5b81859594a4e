"""The connection to a NATS broker, with the circuits of controllers in it.

Each circuit becomes a Connection like one of the TLS listener: the controller is authenticated by its certificate
inside. The broker passes on messages and is trusted with nothing else.
"""

import asyncio
import ssl

from agentd.listeners import TlsCaller, load_certificates
from agentd.wire import circuit
from agentd.wire.circuit_transport import CircuitTransport
from agentd.wire.nats import NO_RESPONDERS, Error, Info, Message, NatsProtocol, Ping, Pong
from agentd.wire.protocol import ProtocolError
from agentd.wire.transport import TunnelTransport

_HEAD_LIMIT = 16 * 1024  # bytes of the answer of a proxy
_UNANSWERED = 2  # pings
_IDLE = 5  # pings of a circuit without a message


class DialError(Exception):
    """A broker cannot be used. The text is the reason, for people."""


class DialTransport(TunnelTransport):
    """The transport of a DialConnection: TCP, the answer of a proxy to ``request`` if there is one, INFO, and TLS."""

    def __init__(self, context, host, request, connection):
        super(DialTransport, self).__init__(context, False, host.encode("ascii"))
        self._request = request
        self._connection = connection
        self._head = bytearray()
        self._clear = NatsProtocol()  # until TLS begins

    def connection_made(self, transport):
        self._below = transport
        if self._request:
            transport.write(self._request)

    def buffer_updated(self, nbytes):
        if self._clear is None:
            super(DialTransport, self).buffer_updated(nbytes)
            return
        try:
            self._begin(bytes(self.get_buffer(nbytes)[:nbytes]))
        except (DialError, ProtocolError) as error:
            self._connection.fail(str(error))
            self.abort()

    def _begin(self, data):
        """Process bytes in clear text. The INFO is not authenticated, so nothing of it is kept."""
        if self._request:
            self._head += data
            head, end, data = bytes(self._head).partition(b"\r\n\r\n")
            status = head.split(b"\r\n")[0]
            if len(head) > _HEAD_LIMIT or (end and not head.startswith(b"HTTP/1.")):
                raise DialError("the proxy does not answer as an HTTP proxy")
            if not end:
                return
            if status.split()[1:2] != [b"200"]:
                raise DialError("the proxy answered '%s'" % status[:100].decode("ascii", "replace"))
            self._request = None
        events = self._clear.feed(data)
        if events:
            if not isinstance(events[0], Info):
                raise DialError("it is not a NATS server")
            if events[1:] or not data.endswith(b"\r\n"):
                raise DialError("it sent more than its INFO before TLS")
            options = events[0].options
            if not (options.get("tls_required") or options.get("tls_available")):
                raise DialError("it does not offer TLS")
            _check(options)
            self._clear = None
            self._advance()

    def established(self):
        self.open(self._connection)

    def failed(self, error):
        self._connection.fail(getattr(error, "verify_message", None) or error.reason or str(error))
        self.abort()

    def connection_lost(self, error):
        if self._above is None:  # TLS was never established; the base drops a protocol that it has told
            self._connection.connection_lost(error)
        super(DialTransport, self).connection_lost(error)


class DialConnection(asyncio.Protocol):
    """An agent at a broker. ``connected`` fails with a DialError if it was never; ``ended`` gets the reason.

    ``contexts`` are those of ``listeners.tls_contexts`` for the controllers inside. ``pause`` is the time between two
    pings, in seconds.
    """

    def __init__(self, server, contexts, jwt, pause):
        self.connected = server.loop.create_future()
        self.ended = server.loop.create_future()
        self._server = server
        self._contexts = contexts
        self._jwt = jwt
        self._pause = pause
        self._subject = "assist.a.%s." % server.instance
        self._nats = NatsProtocol()
        self._transport = None
        self._circuits = {}  # session → CircuitTransport
        self._blocked = False
        self._unanswered = 0
        self._timer = None
        self._why = None

    def close(self):
        """Close the connection, and before it the circuits: their controllers need not find out."""
        for each in list(self._circuits.values()):
            each.abort()
        if self._transport is not None:
            self._transport.close()

    def fail(self, why):
        """End the connection with this reason."""
        self._why = self._why or why
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport):
        self._transport = transport
        nats = self._nats
        words = [
            nats.connect({"jwt": self._jwt, "name": self._server.instance}),
            nats.subscribe(self._subject + ">", 1),
        ]
        self._write(b"".join(words) + nats.ping())

    def connection_lost(self, error):
        if self._timer is not None:
            self._timer.cancel()
        self._transport = None
        why = self._why or getattr(error, "strerror", None) or "it closed the connection"
        for each in list(self._circuits.values()):
            each.lose(ConnectionResetError(why))
        if not self.connected.done():
            self.connected.set_exception(DialError(why))
            self.connected.exception()  # nobody may wait for it any more
        if not self.ended.done():
            self.ended.set_result(why)

    def pause_writing(self):
        self._block(True)

    def resume_writing(self):
        self._block(False)

    def _block(self, blocked):
        self._blocked = blocked
        for each in list(self._circuits.values()):
            each.block(blocked)

    def _write(self, data):
        if self._transport is not None:
            self._transport.write(data)

    def data_received(self, data):
        self._unanswered = 0  # over a slow network, a PONG comes late, after other messages
        try:
            for event in self._nats.feed(data):
                self._take(event)
        except (DialError, ProtocolError) as error:
            self.fail(str(error))

    def _take(self, event):
        if isinstance(event, Message):
            self._pass(event)
        elif isinstance(event, Ping):
            self._write(self._nats.pong())
        elif isinstance(event, Pong):
            if not self.connected.done():
                self.connected.set_result(None)
                self._write(self._nats.publish("assist.up.%s" % self._server.instance, b'{"v":1}'))
                self._tick()
        elif isinstance(event, Info):
            _check(event.options)
        elif isinstance(event, Error):
            if "Permissions Violation" in event.text:  # the connection stays open
                self._server.refuse("broker", "the broker refused a message: %s" % event.text)
            else:
                self._why = event.text

    def _tick(self):
        """Ping the broker, and end circuits that are idle."""
        if self._unanswered == _UNANSWERED:
            self.fail("it did not answer %d pings" % _UNANSWERED)
            return
        self._unanswered += 1
        self._write(self._nats.ping())
        last = self._server.loop.time() - _IDLE * self._pause
        for each in list(self._circuits.values()):
            if each.heard < last:
                each.abort()
        self._timer = self._server.loop.call_later(self._pause, self._tick)

    # circuits

    def _pass(self, message):
        """Pass a message to its circuit, which may be a new one."""
        session = message.subject[len(self._subject) :]
        found = self._circuits.get(session)
        if message.status == NO_RESPONDERS:
            if found is not None:
                found.lose(ConnectionResetError("the controller is gone"))
        elif found is not None:
            found.receive(message.payload)
        elif circuit.is_session(session) and message.payload != circuit.CLOSED:
            self._greet(session, message)

    def _greet(self, session, message):
        """Open a circuit, or answer that there is none."""
        reply = message.reply or ""
        words = reply.split(".")
        is_ours = words[:2] == ["assist", "c"] and words[3:] == [self._server.instance, session]
        if not is_ours or not words[2].replace("-", "").replace("_", "").isalnum():
            self._server.refuse("reply", "refused a circuit with the address '%s' of its controller" % reply[:200])
        elif circuit.opens(message.payload):
            self._open(session, reply, words[2]).receive(message.payload)
        else:
            self._write(self._nats.publish(reply, circuit.CLOSED))

    def _open(self, session, reply, controller):
        def publish(payload):
            self._write(self._nats.publish(reply, payload, self._subject + session))

        def ended(_):
            del self._circuits[session]

        made = CircuitTransport(publish, ended, "controller %s" % controller)
        made.block(self._blocked)
        self._circuits[session] = made
        made.open(TlsCaller(self._server, self._contexts))
        return made


def _check(options):
    """Check that the messages of circuits are not too large for the server. Raises DialError."""
    limit = options.get("max_payload")
    if type(limit) is int and limit < circuit.MESSAGE_LIMIT:
        raise DialError("it allows only %d bytes in a message: raise its max_payload" % limit)


def outer_context(pki):
    """Return the SSLContext that checks a broker, with the agent's certificates in ``pki``. Raises ConfigError."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    load_certificates(context, context, pki, "broker-ca.pem")
    return context
