"""The ways in: the unix socket of this machine, and TCP with mutual TLS 1.3. There is no plain TCP.

Over the unix socket the system says who calls. Over TLS the certificate says it: signed by this agent's own CA, made
for the role ``controller``, and its common name is the controller's id.
"""

import os
import socket
import ssl
import struct

from agentd import config, protocol
from agentd.connection import Connection, Peer
from agentd.tunnel import Tunnel

_BACKLOG = 128


async def open_unix(server):
    """Listen on the agent's socket; the one of an agent that is gone is replaced. Raises OSError."""
    path = server.settings.socket
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    with protocol.reachable(path) as name:
        try:
            os.unlink(name)
        except FileNotFoundError:
            pass
        listener.bind(name)  # under the agent's umask nobody else may use it, from its first moment
        os.chmod(name, 0o600)
    listener.listen(_BACKLOG)
    listener.setblocking(False)
    return await server.loop.create_unix_server(lambda: Connection(server, _unix_peer), sock=listener)


def _unix_peer(transport):
    """The user at the other end; None when it may not speak to this agent."""
    end = transport.get_extra_info("socket")
    if hasattr(socket, "SO_PEERCRED"):
        _, uid, _ = struct.unpack("3i", end.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i")))
    else:
        uid = struct.unpack_from("=II", end.getsockopt(0, 1, 76))[1]  # LOCAL_PEERCRED of macOS and the BSDs
    return Peer(uid=uid) if uid in (0, os.geteuid()) else None


async def open_tls(server):
    """Listen on ``settings.listen`` (ADDRESS:PORT, a numeric address). Raises ConfigError, OSError."""
    address, port = _address(server.settings.listen)
    context = _context(server.settings.pki)
    return await server.loop.create_server(lambda: _tunnel(server, context), address, port, backlog=_BACKLOG)


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
    raise config.ConfigError("cannot listen on '%s': it has to be %s" % (text, wanted))


def _context(folder):
    """What a caller must prove. Raises ConfigError."""
    if not getattr(ssl, "HAS_TLSv1_3", False) or not hasattr(ssl, "TLSVersion"):
        raise config.ConfigError("cannot listen: this Python has no TLS 1.3; reach this agent by SSH")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.verify_mode = ssl.CERT_REQUIRED
    context.options |= ssl.OP_NO_TICKET
    if hasattr(context, "num_tickets"):  # Python 3.8
        context.num_tickets = 0  # nobody resumes a session, and tickets are a third of a handshake's work
    try:
        context.load_verify_locations(os.path.join(folder, "ca.pem"))
        context.load_cert_chain(os.path.join(folder, "agent.pem"), os.path.join(folder, "agent.key"))
    except OSError as error:
        text = "cannot listen: the certificates in %s cannot be used: %s"
        raise config.ConfigError(text % (folder, error.strerror or error)) from None
    return context


def _tunnel(server, context):
    """What becomes of one TCP connection."""

    def identify(tunnel):
        """The controller that the certificate names; None when it is not made for that role."""
        subject = tunnel.subject()
        if subject.get("organizationalUnitName") == "controller" and subject.get("commonName"):
            return Peer(controller=subject["commonName"])
        server.log("refused a certificate without the role controller: %s" % subject)
        return None

    return Tunnel(server, context, lambda: Connection(server, identify))
