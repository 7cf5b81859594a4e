"""The socket for callers on this machine (POSIX). The system authenticates the caller."""

import os
import socket
import struct

from agentd.wire import protocol

AVAILABLE = True


async def listen(loop, path, make_connection, backlog):
    """Listen at ``path``. The socket of an agent that has ended is replaced. Raises OSError."""
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    with protocol.reachable(path) as name:
        try:
            os.unlink(name)
        except FileNotFoundError:
            pass
        listener.bind(name)  # the agent's umask keeps others out from the start
        os.chmod(name, 0o600)
    listener.listen(backlog)
    listener.setblocking(False)
    return await loop.create_unix_server(make_connection, sock=listener)


def caller(transport):
    """Return the uid at the other end; None if it has no access to this agent."""
    end = transport.get_extra_info("socket")
    if hasattr(socket, "SO_PEERCRED"):
        _, uid, _ = struct.unpack("3i", end.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i")))
    else:
        uid = struct.unpack_from("=II", end.getsockopt(0, 1, 76))[1]  # LOCAL_PEERCRED on macOS and BSD
    return uid if uid in (0, os.geteuid()) else None
