"""The connection to one instance: opened on use, and reopened after a loss."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from types import MappingProxyType
from typing import Any, TypeVar

from assist_cli.agents import address
from assist_cli.agents.answers import Greeting
from assist_cli.agents.client import Client
from assist_cli.errors import ClientNotOnline, ClientNotRunning, ConnectionLost, ControllerReplaced
from assist_cli.model.instance import Facts, Instance
from assist_cli.operations.controller import Controller
from assist_cli.store import instances

T = TypeVar("T")

log = logging.getLogger(__name__)

_UNSEEN = (
    "it has never answered: run its file there, or start its agent if it was installed in another way; check its "
    "address, and let its firewall accept the port"
)


class AgentConnection:
    """A connection to the agent of one instance. Close it, or use it as a context manager."""

    def __init__(self, controller: Controller, instance: Instance) -> None:
        self._controller = controller
        self._instance = instance
        self._client: Client | None = None

    @property
    def is_open(self) -> bool:
        """True if the connection is open now."""
        return self._client is not None and self._client.is_open

    def tell(self, method: str, params: Mapping[str, Any]) -> None:
        """Send a message that needs no answer. Does nothing if the connection is not open."""
        if self._client is not None:
            self._client.tell(method, params)

    async def client(self) -> Client:
        """Return the open connection, or connect and exchange greetings. Raises AgentError."""
        if self._client is None or not self._client.is_open:
            self._client = await self._connect()
            version = self._client.greeting.agent
            log.info("%s: connected at %s, agent %s", self._instance.name, self._instance.address, version)
            self._note_contact(self._client.greeting.facts)
        return self._client

    def _note_contact(self, facts: Facts = MappingProxyType({})) -> None:
        """Note the time of this answer of the agent. Only a greeting has ``facts``."""
        if self._client is not None:
            greeting = self._client.greeting
            self._controller.note_contact(self._instance.id, greeting.os.lower(), greeting.enrolment, facts)

    async def once(self, work: Callable[[Client], Awaitable[T]]) -> T:
        """Run ``work`` on the connection, without retry. Raises AgentError."""
        found = await work(await self.client())
        self._note_contact()
        return found

    async def _connect(self) -> Client:
        if self._controller.connect is not None:
            return await self._controller.connect(self._instance.id)
        return await connect_to(self._controller, self._instance)

    async def retry(self, work: Callable[[Client], Awaitable[T]], *, restarts: bool = False) -> T:
        """Run ``work`` on the connection. Retry on a new connection after each loss, with back-off.

        Retries until the work is done or the caller cancels. Several losses in a row are logged as a warning, except
        of an agent that ``restarts``. Raises all other errors.
        """
        pauses = self._controller.timeouts.agent.retries
        losses = 0
        while True:
            try:
                return await self.once(work)
            except (ConnectionLost, ClientNotRunning, ClientNotOnline) as error:
                losses += 1
                level = logging.WARNING if losses == len(pauses) and not restarts else logging.INFO
                log.log(level, "%s: %s; retrying", self._instance.name, error)
                await asyncio.sleep(pauses[min(losses, len(pauses)) - 1])

    def close(self) -> None:
        if self._client is not None:
            self._client.close()

    def __enter__(self) -> AgentConnection:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


async def connect_to(controller: Controller, instance: Instance) -> Client:
    """Connect to the agent of an instance. Raises as ``connect``."""
    try:
        return await connect(controller, instance.address, instance.id)
    except (ClientNotRunning, ClientNotOnline) as error:
        if instance.heard is None and instance.address.startswith("tls:"):
            error.hint = _UNSEEN
        raise


async def connect(controller: Controller, target: str, instance: str | None = None) -> Client:
    """Connect to the agent at the address ``target`` and exchange greetings. Create or renew the certificate if due.

    With the id of an ``instance``, accept only its agent. Raises FileFailure, and the errors of ``address.connect``.
    """
    name = controller.id
    if target.startswith("tls:"):
        from assist_cli.deploy import pki

        pki.prepare(controller.home, name, controller.now())
    elif target.startswith("nats:"):
        from assist_cli.agents import nats

        if not nats.is_connected(controller.home):  # else the broker has accepted what is used now, or gets it
            prepare_broker(controller)
    try:
        return await address.connect(
            target,
            home=controller.home,
            controller=name,
            timeouts=controller.timeouts.agent,
            instance=instance,
            epoch=controller.epoch,
        )
    except ControllerReplaced as error:
        controller.refusals.append(error.epoch)
        raise


def prepare_broker(controller: Controller) -> None:
    """Create or renew the certificate and the tokens of this controller. Raises FileFailure."""
    from assist_cli.deploy import pki
    from assist_cli.deploy.broker import admission

    pki.prepare(controller.home, controller.id, controller.now())
    admission.prepare(controller.home, controller.now())


async def greet(controller: Controller, target: str) -> Greeting:
    """Return the greeting of the agent at an address: its id and system. Raises the errors of ``connect``."""
    client = await connect(controller, target)
    client.close()
    if target != address.LOCAL:
        from assist_cli.agents import revoked

        revoked.refuse_closed(controller.home, client.greeting.instance, target)
    return client.greeting


def connection_to(controller: Controller, instance_id: str) -> AgentConnection:
    """A connection to the instance with this id, which is or was registered."""
    instance = instances.by_id(controller.database, instance_id)
    assert instance is not None, "records refer to instances that exist"
    return AgentConnection(controller, instance)
