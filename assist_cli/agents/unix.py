"""Connect to an agent of this machine through its unix socket."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from pathlib import Path

from agentd.wire import protocol
from assist_cli.agents.client import Client
from assist_cli.errors import ClientAuthFailed, ClientNotRunning


async def connect(path: Path) -> Client:
    """Connect to the agent that listens at ``path``. It is not greeted yet.

    Raises ClientNotRunning if nothing listens there, ClientAuthFailed if the socket belongs to another user.
    """
    loop = asyncio.get_running_loop()
    try:
        with protocol.reachable(str(path)) as name:
            _, client = await loop.create_unix_connection(lambda: Client(str(path)), name)
    except PermissionError as error:
        raise ClientAuthFailed(
            f"cannot talk to the agent at '{path}': {error.strerror}",
            hint="an agent accepts only its own user, and root",
        ) from error
    except OSError as error:
        hint = "start it: agentd serve --home DIR"
        if path.is_dir():
            hint = f"this is a folder; give the socket of the agent: unix:{path / 'agentd.sock'}"
        raise ClientNotRunning(f"cannot reach an agent at '{path}': {error.strerror}", hint=hint) from error
    return client


def is_served(path: Path) -> bool:
    """Return True if an agent listens at ``path`` now."""
    with socket.socket(socket.AF_UNIX) as probe, contextlib.suppress(OSError), protocol.reachable(str(path)) as name:
        probe.connect(name)
        return True
    return False
