"""The listeners: the unix socket of this machine, and TCP with mutual TLS 1.3. Plain TCP is not offered.

On the unix socket the system authenticates the caller. With TLS the certificate does: it is signed by this agent's own
CA, has the role ``controller``, and its common name is the controller's id.
"""

import os
import socket
import ssl

from agentd import config, disk, platform
from agentd.connection import Connection, Peer, make_room
from agentd.wire.transport import TunnelTransport
from agentd.wire.tunnel import TunnelState

local_socket = platform.load("local_socket")

_BACKLOG = 128
_HANDSHAKE_SECONDS = 10


async def open_all(server):
    """Open all listeners and return them; each has ``close``. Raises ConfigError, OSError."""
    opened = [await _open_local(server)]
    if server.settings.listen:
        opened.append(await _open_tls(server))
    return [listener for listener in opened if listener is not None]


def _open_local(server):
    """Listen on the agent's unix socket, if the system has one."""

    def connection():
        return Connection(server, server.local, _local_peer)

    return local_socket.listen(server.loop, server.settings.socket, connection, _BACKLOG)


def _local_peer(transport):
    """Return the user at the other end; None if it has no access to this agent."""
    uid = local_socket.caller(transport)
    return None if uid is None else Peer(uid=uid)


async def _open_tls(server):
    """Listen on ``settings.listen`` (ADDRESS:PORT, a numeric address). Raises ConfigError, OSError."""
    address, port = _address(server.settings.listen)
    contexts = tls_contexts(server.settings.pki)
    return await server.loop.create_server(lambda: TlsCaller(server, contexts), address, port, backlog=_BACKLOG)


def _address(text):
    address, _, port = text.rpartition(":")
    address = address.strip("[]")
    for family in (socket.AF_INET, socket.AF_INET6):
        try:
            socket.inet_pton(family, address)
        except OSError:
            continue
        if port.isdigit() and 0 < int(port) < 65536:
            return address, int(port)
    wanted = "a numeric address and a port, like 0.0.0.0:7433"
    raise config.ConfigError("cannot listen on '%s': it must be %s" % (text, wanted))


def has_tls():
    """Return True if this Python has TLS 1.3."""
    return getattr(ssl, "HAS_TLSv1_3", False) and hasattr(ssl, "TLSVersion")


def tls_contexts(folder):
    """Return the two contexts of a Tunnel that requires a controller's certificate: its own, and its verifier.

    Raises ConfigError.
    """
    if not has_tls():
        raise config.ConfigError("cannot listen: this Python has no TLS 1.3; reach this agent by SSH")
    both = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    for context in both:
        context.minimum_version = ssl.TLSVersion.TLSv1_3
        context.verify_mode = ssl.CERT_REQUIRED
        context.options |= ssl.OP_NO_TICKET
        if hasattr(context, "num_tickets"):  # Python 3.8
            context.num_tickets = 0  # no session is resumed, and tickets take a third of a handshake's time
    load_certificates(*both, folder, "ca.pem")
    return both


def load_certificates(own, verifier, folder, authority):
    """Load the agent's certificate and key into one context, the file of the authority into another or the same one.

    Raises ConfigError.
    """
    names = authority, "agent.pem", "agent.key"
    ours = [os.path.join(folder, name) for name in names]
    try:
        disk.patiently(verifier.load_verify_locations, ours[0])
        disk.patiently(own.load_cert_chain, *ours[1:])
    except OSError as error:
        text = "cannot use %s, %s and %s in %s: %s"
        raise config.ConfigError(text % (*names, folder, error.strerror or error)) from None


class TlsCaller(TunnelTransport):
    """A caller over TCP or over a circuit until it has a Connection.

    It counts as a stranger and has a deadline. A refused caller gets an alert, and the rest of its time to close: data
    that it still sends would make the system discard the alert.
    """

    def __init__(self, server, contexts):
        context, verifier = contexts
        super(TlsCaller, self).__init__(context, server_side=True, verifier=verifier)
        self._server = server
        self._deadline = None

    def connection_made(self, transport):
        sock = transport.get_extra_info("socket")
        if sock is not None:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        super(TlsCaller, self).connection_made(transport)
        make_room(self._server, self._server.remote, self, self._address())
        self._deadline = self._server.loop.call_later(_HANDSHAKE_SECONDS, self._give_up)

    def established(self):
        self._dismiss()
        self.open(Connection(self._server, self._server.remote, self._identify))

    def failed(self, error):
        why = error.reason or getattr(error, "verify_message", None) or str(error)
        self._server.refuse("tls", "refused %s: %s" % (self._address() or "a caller", why))
        if self._above is None and self._below.can_write_eof():
            self._below.write_eof()
        else:
            self.abort()

    def connection_lost(self, error):
        self._dismiss()
        super(TlsCaller, self).connection_lost(error)

    def _dismiss(self):
        """Stop counting the caller, and cancel its deadline."""
        if self._deadline is not None:
            self._deadline.cancel()
        self._server.remote.leave(self)
        self._server.note_end()

    def _address(self):
        name = self.get_extra_info("peername")
        return name[0] if name else None

    def _give_up(self):
        if self.tunnel.state is TunnelState.HANDSHAKE:
            self._server.refuse("slow", "closed a connection: the handshake took too long")
        self.abort()

    def _identify(self, _):
        """Return the controller in the certificate; None if the certificate has another role."""
        subject = self.tunnel.subject()
        if subject.get("organizationalUnitName") == "controller" and subject.get("commonName"):
            return Peer(controller=subject["commonName"])
        self._server.refuse("role", "refused a certificate without the role controller: %s" % subject)
        return None
