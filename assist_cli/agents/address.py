"""Addresses of agents, and the one way to connect to any of them.

``local`` is the embedded agent of this machine, ``unix:PATH`` the agent behind a unix socket.
"""

from __future__ import annotations

from pathlib import Path

from assist_cli import __version__
from assist_cli.agents import embedded, unix
from assist_cli.agents.client import Client
from assist_cli.errors import ClientAuthFailed, InvalidParameter
from assist_cli.paths import Home

LOCAL = "local"


async def connect(address: str, *, home: Home, controller: str, instance: str | None = None) -> Client:
    """A connection to the agent at ``address``, greeted as ``controller``; with ``instance``, only to that one.

    Raises InvalidParameter for what is no address, and AgentError: ClientNotRunning, ClientNotOnline, ClientAuthFailed
    (another agent answers there), ClientNeedUpgrade, ConnectionLost.
    """
    scheme, _, rest = address.partition(":")
    if address == LOCAL:
        client = await embedded.connect(home)
    elif scheme == "unix" and rest:
        client = await unix.connect(Path(rest))
    else:
        raise InvalidParameter(
            f"cannot use the address '{address}'", hint="an address is local or unix:PATH", code="InvalidAddress"
        )
    try:
        greeting = await client.greet(controller, __version__)
        if instance is not None and greeting.instance != instance:
            raise ClientAuthFailed(
                f"cannot use the agent at '{address}': it is {greeting.instance}, and {instance} is expected",
                hint="the agent's folder was replaced; register the instance again",
            )
    except BaseException:
        client.close()
        raise
    return client
