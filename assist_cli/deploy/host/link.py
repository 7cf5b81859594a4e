"""A circuit to the controller, with TLS inside, in a connection to a broker."""

import json
import os
import socket
import ssl
import tempfile
from typing import Any, Dict

from agentd.disk import patiently
from agentd.wire import circuit, nats
from agentd.wire.circuit import CircuitEnd
from agentd.wire.nats import NatsProtocol
from agentd.wire.tunnel import Tunnel, TunnelState
from assist_cli.deploy.host.client import ControllerUnreachable, Rejected
from assist_cli.deploy.host.proxy import connect

MOST_LINE = 4 * 1024 * 1024  # bytes of a line from the controller: an agent is in it

Words = Dict[str, Any]


class Link:
    """A circuit to the controller, in a connection to one broker; raises the errors that ``enrol`` retries."""

    def __init__(self, settings: Words, host: str, port: int) -> None:
        session = circuit.new_session()
        name = "%s.%s" % (settings["enrolment"], session)
        self._to = "assist.e.%s.%s" % (settings["controller"], name)
        self._from = "assist.m.%s" % name
        self._seconds, self._poll = settings["silence_seconds"], settings["poll_seconds"]
        self._nats = NatsProtocol()
        self._end = CircuitEnd()
        self._plain = bytearray()
        self._greeted = False
        self._socket = connect(settings, host, port)
        try:
            self._socket.settimeout(settings["connect_seconds"])
            self._begin(settings, host)
            self._tunnel = Tunnel(_inner(settings), False)
            self._tunnel.shake_hands()
            self._flush()
            while self._tunnel.state is TunnelState.HANDSHAKE:
                self._pump()
            if self._tunnel.subject().get("organizationalUnitName") != "enroller":
                raise Rejected("what answers there is not the controller")
            self._socket.settimeout(self._seconds)
        except BaseException:
            self._socket.close()
            raise

    def _begin(self, settings: Words, host: str) -> None:
        """Log in to the broker. Its INFO comes before TLS."""
        while not self._greeted:
            self._take(self._read_socket())
        self._greeted, self._nats = False, NatsProtocol()
        self._socket = _outer(settings).wrap_socket(self._socket, server_hostname=host)
        words = self._nats.connect({"jwt": settings["jwt"], "name": settings["enrolment"]})
        self._socket.sendall(words + self._nats.subscribe(self._from, 1))

    def close(self) -> None:
        try:
            self._end.abort()
            self._publish()
            self._socket.close()
        except OSError:
            pass

    def send(self, words: Words) -> None:
        """Send a line."""
        self._tunnel.write(json.dumps(words).encode("ascii") + b"\n")
        self._flush()

    def receive(self) -> Words:
        """Return the next line."""
        while b"\n" not in self._plain:
            if len(self._plain) > MOST_LINE:
                raise ControllerUnreachable("the controller sent too long a line")
            self._pump()
        line, _, self._plain = self._plain.partition(b"\n")
        try:
            words = json.loads(line.decode("utf-8", "replace"))
        except ValueError:
            words = None
        if not isinstance(words, dict):
            raise ControllerUnreachable("the controller sent a line that is not JSON")
        return words

    def idle(self) -> None:
        """Answer the broker while a program runs."""
        self._socket.settimeout(self._poll)
        try:
            data = self._read_socket()
        except socket.timeout:
            return
        finally:
            self._socket.settimeout(self._seconds)
        self._take(data)

    def _pump(self) -> None:
        """Receive once, and send what follows from it. What came before the end is not lost by it."""
        if self._end.closed:
            raise ControllerUnreachable("the controller closed the connection")
        self._take(self._read_socket())

    def _read_socket(self) -> bytes:
        data = self._socket.recv(65536)
        if not data:
            raise ControllerUnreachable("the broker closed the connection")
        return data

    def _take(self, data: bytes) -> None:
        for event in self._nats.feed(data):
            if isinstance(event, nats.Info):
                self._greeted = True
            elif isinstance(event, nats.Ping):
                self._socket.sendall(self._nats.pong())
            elif isinstance(event, nats.Error):
                raise Rejected("the broker answered '%s'" % event.text)
            elif isinstance(event, nats.Message):
                if event.status == nats.NO_RESPONDERS:
                    raise ControllerUnreachable("the controller does not answer: its 'assist serve' is not connected")
                self._pass(self._end.feed(event.payload))

    def _pass(self, data: bytes) -> None:
        """Pass bytes of the circuit through TLS."""
        self._end.take_in()
        self._tunnel.feed(data)
        if self._tunnel.state is TunnelState.HANDSHAKE:
            self._tunnel.shake_hands()
        while self._tunnel.state is TunnelState.OPEN:
            plain = self._tunnel.read()
            if not plain:
                break
            self._plain += plain
        self._flush()

    def _flush(self) -> None:
        self._end.send(self._tunnel.outgoing())
        self._publish()

    def _publish(self) -> None:
        for message in self._end.outgoing():
            self._socket.sendall(self._nats.publish(self._to, message, self._from))


def _outer(settings: Words) -> ssl.SSLContext:
    """Return the context for a broker: its certificate has the host name, and ours is the one of the enrolment."""
    context = _inner(settings)
    context.check_hostname = True
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


def _inner(settings: Words) -> ssl.SSLContext:
    """Return the context for the controller, which is known by the authority and by its role."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_REQUIRED
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.load_verify_locations(cadata=settings["authority"])
    descriptor, path = tempfile.mkstemp()  # 0600; the ssl module reads a key from a file only
    try:
        with os.fdopen(descriptor, "w") as file:
            file.write(settings["certificate"] + settings["key"])
        patiently(context.load_cert_chain, path)
    finally:
        patiently(os.unlink, path)
    return context
