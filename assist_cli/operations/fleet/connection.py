"""The way to one instance: a connection that is made when it is used, and made again when it was lost."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeVar

from assist_cli.agents import address
from assist_cli.agents.answers import Greeting
from assist_cli.agents.client import Client
from assist_cli.errors import ClientNotOnline, ClientNotRunning, ConnectionLost, ControllerReplaced
from assist_cli.model.instance import Instance
from assist_cli.operations.controller import Controller
from assist_cli.store import instances

T = TypeVar("T")

log = logging.getLogger(__name__)


class AgentConnection:
    """A connection to the agent of one instance. Close it, or use it as a context."""

    def __init__(self, controller: Controller, instance: Instance) -> None:
        self._controller = controller
        self._instance = instance
        self._client: Client | None = None

    @property
    def is_open(self) -> bool:
        """Whether there is a connection at this moment."""
        return self._client is not None and self._client.is_open

    def tell(self, method: str, params: Mapping[str, Any]) -> None:
        """Say something that needs no answer; nobody is told when there is no connection at this moment."""
        if self._client is not None:
            self._client.tell(method, params)

    async def client(self) -> Client:
        """A greeted connection. Raises AgentError when there is none to be had."""
        if self._client is None or not self._client.is_open:
            self._client = await self._connect()
            version = self._client.greeting.agent
            log.info("%s: reached at %s, agent %s", self._instance.name, self._instance.address, version)
            self._note_contact()
        return self._client

    def _note_contact(self) -> None:
        """Note that the agent has answered."""
        if self._client is not None:
            greeting = self._client.greeting
            self._controller.note_contact(self._instance.id, greeting.os.lower(), greeting.enrolment)

    async def once(self, work: Callable[[Client], Awaitable[T]]) -> T:
        """Do ``work`` on a connection. Raises AgentError."""
        found = await work(await self.client())
        self._note_contact()
        return found

    async def _connect(self) -> Client:
        if self._controller.connect is not None:
            return await self._controller.connect(self._instance.id)
        return await connect(self._controller, self._instance.address, self._instance.id)

    async def retry(self, work: Callable[[Client], Awaitable[T]]) -> T:
        """Do ``work`` on a connection, and do it again on a new one each time the connection is lost.

        It goes on until the work is done or the caller gives up (cancels). Other errors are the caller's.
        """
        pauses = self._controller.timeouts.agent.retries
        losses = 0
        while True:
            try:
                return await self.once(work)
            except (ConnectionLost, ClientNotRunning, ClientNotOnline) as error:
                losses += 1
                level = logging.WARNING if losses == len(pauses) else logging.INFO
                log.log(level, "%s: %s; trying again", self._instance.name, error)
                await asyncio.sleep(pauses[min(losses, len(pauses)) - 1])

    def close(self) -> None:
        if self._client is not None:
            self._client.close()

    def __enter__(self) -> AgentConnection:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


async def connect(controller: Controller, place: str, instance: str | None = None) -> Client:
    """A greeted connection to the agent at an address; the certificate for it is made or renewed when it is due.

    Raises as ``address.connect`` does, and FileFailure.
    """
    if place.startswith("tls:"):
        from assist_cli.deploy import pki

        pki.prepare(controller.home, controller.id, controller.now())
    try:
        return await address.connect(
            place,
            home=controller.home,
            controller=controller.id,
            timeouts=controller.timeouts.agent,
            instance=instance,
            epoch=controller.epoch,
        )
    except ControllerReplaced:
        controller.note_replaced()
        raise


async def greet(controller: Controller, place: str) -> Greeting:
    """Who the agent at an address says that it is. Raises as ``connect`` does."""
    client = await connect(controller, place)
    client.close()
    return client.greeting


def connection_to(controller: Controller, instance_id: str) -> AgentConnection:
    """A connection to the instance of this id, which is or was registered."""
    instance = instances.by_id(controller.database, instance_id)
    assert instance is not None, "records refer to instances that exist"
    return AgentConnection(controller, instance)
