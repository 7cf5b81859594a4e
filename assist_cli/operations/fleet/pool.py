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
    """A connection with many concurrent users. After a failure it backs off, and meanwhile raises the same error.

    ``is_brokered`` is True if its instance had an address of the broker when this was made.
    """

    users = 0

    def __init__(self, controller: Controller, instance_id: str) -> None:
        super().__init__(controller, _instance(controller, instance_id))
        self.is_brokered = self._instance.address.startswith("nats:")
        self._lock = asyncio.Lock()
        self._failures = 0
        self._retry_at = 0.0
        self._error: AgentError | None = None

    @property
    def has_moved(self) -> bool:
        """True if it goes through the broker now and did not before, or the other way round."""
        return self._instance.address.startswith("nats:") is not self.is_brokered

    def end_back_off(self) -> None:
        """Allow the next attempt now: the agent has answered another process, or has connected to the broker."""
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


class Places:
    """The connections of one kind: those in use, at most ``limit``, and idle ones as long as there is room for them.

    Those in use and idle ones are together at most ``limit``. So an idle one never keeps an instance waiting: a circuit
    stays open until it is closed here, and with 1000 of them open an event loop opens no other. Unless it
    ``keeps_idle`` ones, each is closed by the last user that leaves it.
    """

    def __init__(self, limit: int, *, keeps_idle: bool = True) -> None:
        self._limit = limit
        self._keeps_idle = keeps_idle
        self._free = asyncio.Semaphore(limit)
        self._used: dict[str, SharedConnection] = {}
        self._idle: OrderedDict[str, SharedConnection] = OrderedDict()  # the least recently used one first

    def find(self, instance_id: str) -> SharedConnection | None:
        return self._used.get(instance_id) or self._idle.get(instance_id)

    async def take(self, instance_id: str, made: SharedConnection) -> SharedConnection:
        """Use the connection to an instance, ``made`` if there is none. Wait while too many are in use."""
        if self.find(instance_id) is None:
            await asyncio.sleep(0)  # the idle ones go first: a run on all would close each just before its turn
        if instance_id not in self._used:
            await self._free.acquire()
            if instance_id in self._used:  # another task was first
                self._free.release()
            else:
                self._used[instance_id] = self._idle.pop(instance_id, made)
                if len(self._used) + len(self._idle) > self._limit:
                    self._idle.popitem(last=False)[1].close()
        connection = self._used[instance_id]
        connection.users += 1
        return connection

    def leave(self, instance_id: str) -> None:
        connection = self._used[instance_id]
        connection.users -= 1
        if not connection.users:
            del self._used[instance_id]
            if connection.has_moved or not self._keeps_idle:
                connection.close()
            else:
                self._idle[instance_id] = connection
            self._free.release()

    def close(self) -> None:
        for connection in (*self._used.values(), *self._idle.values()):
            connection.close()


class ConnectionPool:
    """The connections of a server: through the broker, and direct ones, as many as the system allows.

    Unless it ``keeps_idle`` ones, only users at the same time share a connection.
    """

    def __init__(self, controller: Controller, *, keeps_idle: bool = True) -> None:
        self._controller = controller
        self._brokered = Places(MOST_BROKERED, keeps_idle=keeps_idle)
        self._direct = Places(concurrency.connections(), keeps_idle=keeps_idle)

    @contextlib.asynccontextmanager
    async def connection(self, instance_id: str) -> AsyncIterator[SharedConnection]:
        """Lend the connection to an instance. Wait in turn while as many as possible are in use."""
        found = self._brokered.find(instance_id) or self._direct.find(instance_id)
        connection = found or SharedConnection(self._controller, instance_id)
        places = self._brokered if connection.is_brokered else self._direct
        lent = await places.take(instance_id, connection)
        try:
            yield lent
        finally:
            places.leave(instance_id)

    def end_back_off(self, instance_id: str) -> None:
        """Allow the next attempt to connect to an instance now: it may be back."""
        for places in (self._brokered, self._direct):
            found = places.find(instance_id)
            if found is not None:
                found.end_back_off()

    def close(self) -> None:
        self._brokered.close()
        self._direct.close()


def _instance(controller: Controller, instance_id: str) -> Instance:
    found = instances.by_id(controller.database, instance_id)
    assert found is not None, "records refer to instances that exist"
    return found
