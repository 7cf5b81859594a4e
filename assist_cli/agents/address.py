"""The one way to connect to an agent, whatever its address (see ``route`` for the forms)."""

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
    """A connection to the agent at ``address``, greeted as ``controller``; with ``instance``, only to that one.

    An agent that was killed, or ends for being idle, may do so just when it is called: a connection that is lost at
    once is tried again. Raises InvalidParameter for what is no address, and AgentError: ClientNotRunning,
    ClientNotOnline, ClientAuthFailed (another agent answers there), ControllerReplaced, ClientNeedUpgrade,
    ConnectionLost.
    """
    way = route.parse(address)
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
                f"cannot use the agent at '{way}': it is {greeting.instance}, and {expected} is expected",
                hint="the agent's folder was replaced; register the instance again",
            )
    except BaseException:
        client.close()
        raise
    return client


async def _reach(way: route.Route, home: Home, timeouts: AgentTimeouts, instance: str | None) -> Client:
    """Each transport is imported when it is used."""
    if isinstance(way, route.Local):
        from assist_cli.agents import embedded

        return await embedded.connect(home, timeouts)
    if isinstance(way, route.Unix):
        from assist_cli.agents import unix

        return await unix.connect(way.path)
    if isinstance(way, route.Tls):
        from assist_cli.agents import tls

        return await tls.connect(way, home, timeouts, instance)
    from assist_cli.agents.ssh import bridge

    return await bridge.connect(way.destination, timeouts)
