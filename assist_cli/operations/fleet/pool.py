"""A connection pool: one shared connection to each instance."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections import OrderedDict
from collections.abc import AsyncIterator

from assist_cli.agents.client import Client
from assist_cli.errors import AgentError
from assist_cli.model.instance import Instance
from assist_cli.operations.controller import Controller
from assist_cli.operations.fleet import concurrency
from assist_cli.operations.fleet.connection import AgentConnection
from assist_cli.store import instances

MOST_BROKERED = 900  # of 1000 circuits of an event loop (see agents.nats); the others are for other requests


class SharedConnection(AgentConnection):
    """A connection with many concurrent users. After a failure it backs off, and meanwhile raises the same error."""

    users = 0

    @property
    def is_brokered(self) -> bool:
        """True if it goes through the broker, which allows a limited number."""
        return self._instance.address.startswith("nats:")

    def __init__(self, controller: Controller, instance_id: str) -> None:
        super().__init__(controller, _instance(controller, instance_id))
        self._lock = asyncio.Lock()
        self._failures = 0
        self._retry_at = 0.0
        self._error: AgentError | None = None

    def end_back_off(self) -> None:
        """Allow the next attempt now: the agent has answered another process since the last failure."""
        self._retry_at = 0.0

    async def client(self) -> Client:
        if self.is_open:
            return await super().client()
        loop = asyncio.get_running_loop()
        async with self._lock:
            if self._error is not None and loop.time() < self._retry_at:
                raise self._error
            self._instance = _instance(self._controller, self._instance.id)  # its address may have changed
            try:
                client = await super().client()
            except AgentError as error:
                timeouts = self._controller.timeouts.agent
                pause = min(timeouts.backoff * 2**self._failures, timeouts.longest_backoff)
                self._retry_at = loop.time() + pause * random.uniform(0.5, 1)
                self._failures, self._error = min(self._failures + 1, 10), error
                raise
            self._failures, self._error = 0, None
            return client


class ConnectionPool:
    """The connections of a server, at most as many as the system allows."""

    def __init__(self, controller: Controller) -> None:
        self._controller = controller
        self._most = concurrency.connections()
        self._connections: OrderedDict[str, SharedConnection] = OrderedDict()

    @contextlib.asynccontextmanager
    async def connection(self, instance_id: str) -> AsyncIterator[SharedConnection]:
        """Lend the connection to an instance."""
        connection = self._connections.get(instance_id)
        if connection is None:
            connection = SharedConnection(self._controller, instance_id)
            self._make_room(connection)
            self._connections[instance_id] = connection
        self._connections.move_to_end(instance_id)
        connection.users += 1
        try:
            yield connection
        finally:
            connection.users -= 1

    def close(self) -> None:
        for connection in self._connections.values():
            connection.close()

    def _make_room(self, for_one: SharedConnection) -> None:
        """Close the least recently used idle connection if the pool is full, or its part for circuits."""
        circuits = for_one.is_brokered and self._circuits() >= MOST_BROKERED
        if len(self._connections) < self._most and not circuits:
            return
        for instance_id, connection in self._connections.items():
            if not connection.users and (connection.is_brokered or not circuits):
                connection.close()
                del self._connections[instance_id]
                return

    def _circuits(self) -> int:
        return sum(each.is_brokered for each in self._connections.values())


def _instance(controller: Controller, instance_id: str) -> Instance:
    found = instances.by_id(controller.database, instance_id)
    assert found is not None, "records refer to instances that exist"
    return found
