"""Reaching an agent of this machine through its unix socket."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from pathlib import Path

from agentd.wire import protocol
from assist_cli.agents.client import Client
from assist_cli.errors import ClientAuthFailed, ClientNotRunning


async def connect(path: Path) -> Client:
    """A connection to the agent that listens at ``path``, not greeted yet.

    Raises ClientNotRunning when nobody listens there, ClientAuthFailed when the socket belongs to another user.
    """
    loop = asyncio.get_running_loop()
    try:
        with protocol.reachable(str(path)) as name:
            _, client = await loop.create_unix_connection(lambda: Client(str(path)), name)
    except PermissionError as error:
        raise ClientAuthFailed(
            f"cannot talk to the agent at '{path}': {error.strerror}", hint="an agent serves its own user, and root"
        ) from error
    except OSError as error:
        hint = "start it: agentd serve --home DIR"
        if path.is_dir():
            hint = f"that is a folder; the socket of an agent is in it: unix:{path / 'agentd.sock'}"
        raise ClientNotRunning(f"cannot reach an agent at '{path}': {error.strerror}", hint=hint) from error
    return client


def is_served(path: Path) -> bool:
    """Whether somebody listens at ``path`` at this moment."""
    with socket.socket(socket.AF_UNIX) as probe, contextlib.suppress(OSError), protocol.reachable(str(path)) as name:
        probe.connect(name)
        return True
    return False
