"""The settings of an agent that dials out to the broker of the home, and its first connection."""

from __future__ import annotations

import asyncio
import re

from assist_cli.agents import nats
from assist_cli.deploy import pki
from assist_cli.deploy.broker import admission
from assist_cli.deploy.host_requests import Dial, DialProxy
from assist_cli.errors import ClientNotOnline, InvalidParameter
from assist_cli.model.secret import Secret
from assist_cli.operations.controller import Controller
from assist_cli.operations.fleet.connection import connect, prepare_broker

_PROXY = re.compile(r"http://(\[[0-9a-f:.]+\]|[a-z0-9_.-]+):[0-9]+")  # as the agent accepts it


def proxy(given: str | Secret) -> DialProxy:
    """Return the proxy in http://HOST:PORT or ``none``; a secret may be http://USER:PASSWORD@HOST:PORT.

    Raises InvalidParameter. No error quotes a password.
    """
    from urllib.parse import unquote, urlsplit

    text = given.reveal().strip() if isinstance(given, Secret) else given
    if text == "none":
        return DialProxy()
    try:
        found = urlsplit(text)
        host, port = found.hostname, found.port
    except ValueError:
        host = port = None
    shown = f"'{text}' as a proxy" if given is text and "@" not in text else "this proxy"
    plain = f"http://[{host}]:{port}" if host and ":" in host else f"http://{host}:{port}"
    if not host or not port or not _PROXY.fullmatch(plain) or found.scheme != "http" or found.path not in ("", "/"):
        raise InvalidParameter(f"cannot use {shown}: it is not http://HOST:PORT", hint="http://proxy.example.com:3128")
    if found.username is None:
        return DialProxy(plain)
    if given is text:
        raise InvalidParameter(
            "cannot use a proxy with a password on the command line: other users can see it",
            hint="put http://USER:PASSWORD@HOST:PORT into a file or a variable: --dial-proxy @FILE, "
            "--dial-proxy env:VARIABLE",
        )
    login = f"{unquote(found.username)}:{unquote(found.password or '')}"
    if ":" in unquote(found.username) or not login.isprintable():
        raise InvalidParameter(
            f"cannot use {shown}: its user or password has a character that no proxy can read",
            hint="give a user without a colon, and both in printable characters",
        )
    return DialProxy(plain, login)


def check(controller: Controller, listen: str | None) -> None:
    """Raise InvalidParameter for an agent that is also to listen, Conflict if this home has no broker of its own."""
    if listen:
        raise InvalidParameter("cannot make an agent both listen and dial out", hint="give --listen or --dial")
    admission.owned(controller.home)


def settings(controller: Controller, instance: str, proxy: DialProxy | None = None) -> Dial:
    """The brokers of this home, and a new token for the agent of an instance. Raises Conflict, FileFailure.

    Without a ``proxy`` that of the agent stays.
    """
    home = controller.home
    addresses = [str(each) for each in admission.owned(home).addresses]
    token = admission.agent_token(home, instance, controller.now())
    return Dial(addresses, pki.authority(home), token, proxy)


def check_broker(controller: Controller) -> None:
    """Check that a broker runs and accepts this controller. Raises AgentError, FileFailure."""
    prepare_broker(controller)
    asyncio.run(nats.check(controller.home, controller.timeouts.agent))


async def wait_for(controller: Controller, address: str) -> None:
    """Wait for an agent that was started to connect to the broker. Raises AgentError if it does not in time."""
    loop = asyncio.get_running_loop()
    end = loop.time() + controller.timeouts.install.start
    while True:
        try:
            (await connect(controller, address)).close()
            return
        except ClientNotOnline:
            if loop.time() > end:
                raise
        await asyncio.sleep(controller.timeouts.agent.retries[-2])
