"""Connect to an agent by its address (see ``route`` for the forms)."""

from __future__ import annotations

import contextlib

from assist_cli import __version__
from assist_cli.agents import route
from assist_cli.agents.client import Client
from assist_cli.errors import ClientAuthFailed, ConnectionLost
from assist_cli.model.timeouts import AgentTimeouts
from assist_cli.paths import Home

LOCAL = "local"
ATTEMPTS = 3


async def connect(
    address: str,
    *,
    home: Home,
    controller: str,
    timeouts: AgentTimeouts,
    instance: str | None = None,
    epoch: int = 0,
) -> Client:
    """Connect to the agent at ``address``, and greet it as ``controller``; with ``instance``, accept only that one.

    The connection is retried if it is lost before the greeting: an agent may be killed, or end because it was idle,
    just as it is called. Raises InvalidParameter for an invalid address, and AgentError: ClientNotRunning,
    ClientNotOnline, ClientAuthFailed (another agent answers there), ControllerReplaced, ClientNeedUpgrade,
    ConnectionLost.
    """
    way = route.parse(address)
    if instance is not None and not isinstance(way, route.Local):
        from assist_cli.agents import revoked  # which most runs do not need

        revoked.refuse_closed(home, instance, address)
    for _ in range(ATTEMPTS - 1):
        with contextlib.suppress(ConnectionLost):
            return await _greeted(way, home, controller, timeouts, instance, epoch)
    return await _greeted(way, home, controller, timeouts, instance, epoch)


async def _greeted(
    way: route.Route, home: Home, controller: str, timeouts: AgentTimeouts, instance: str | None, epoch: int
) -> Client:
    client = await _reach(way, home, timeouts, instance)
    try:
        greeting = await client.greet(controller, __version__, timeouts.greeting, epoch=epoch)
        expected = instance or client.proven or greeting.instance
        if greeting.instance != expected:
            raise ClientAuthFailed(
                f"cannot use the agent at '{way}': it is {greeting.instance}, not {expected}",
                hint=_replaced_hint(way, home),
            )
    except BaseException:
        client.close()
        raise
    return client


def _replaced_hint(way: route.Route, home: Home) -> str:
    if isinstance(way, route.Local) or (isinstance(way, route.Unix) and way.path == home.agent / "agentd.sock"):
        return "the agent of this machine is a new one; a run on it registers it again: assist run -- true"
    return "the agent was installed again: assist instance remove NAME, then add it again"


async def _reach(way: route.Route, home: Home, timeouts: AgentTimeouts, instance: str | None) -> Client:
    """Connect. Each transport is imported only when it is used."""
    if isinstance(way, route.Local):
        from assist_cli.agents import embedded

        return await embedded.connect(home, timeouts)
    if isinstance(way, route.Unix):
        from assist_cli.agents import unix

        return await unix.connect(way.path)
    if isinstance(way, route.Tls):
        from assist_cli.agents import tls

        return await tls.connect(way, home, timeouts, instance)
    if isinstance(way, route.Nats):
        from assist_cli.agents import nats

        return await nats.connect(way, home, timeouts)
    from assist_cli.agents.ssh import bridge

    return await bridge.connect(way.destination, timeouts)
