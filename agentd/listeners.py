"""The listeners: the unix socket of this machine, and TCP with mutual TLS 1.3. There is no plain TCP.

Over the unix socket the system says who calls. Over TLS the certificate says it: signed by this agent's own CA, made
for the role ``controller``, and its common name is the controller's id.
"""

import os
import socket
import ssl

from agentd import config, platform
from agentd.connection import Connection, Peer
from agentd.wire.tunnel import Tunnel

local_socket = platform.load("local_socket")

_BACKLOG = 128


async def open_all(server):
    """Listen everywhere. Returns the listeners; each has ``close``. Raises ConfigError, OSError."""
    opened = [await _open_local(server)]
    if server.settings.listen:
        opened.append(await _open_tls(server))
    return [listener for listener in opened if listener is not None]


def _open_local(server):
    """Listen on the agent's socket, where the system has such."""
    return local_socket.listen(server.loop, server.settings.socket, lambda: Connection(server, _local_peer), _BACKLOG)


def _local_peer(transport):
    """The user at the other end; None when it may not speak to this agent."""
    uid = local_socket.caller(transport)
    return None if uid is None else Peer(uid=uid)


async def _open_tls(server):
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
