"""The connections that a server lends: as many as there are places, the others in turn."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from assist_cli.agents.client import Client
from assist_cli.errors import ClientNotOnline
from assist_cli.model.instance import Instance
from assist_cli.model.timeouts import DEFAULTS, AgentTimeouts
from assist_cli.operations.controller import Controller
from assist_cli.operations.fleet.pool import ConnectionPool, Places, SharedConnection
from assist_cli.store import instances

DIALLED = "i-01kbdk5g8w3m9v6yx2r4hq7cne"


def connections(controller: Controller, *names: str) -> Callable[[str], SharedConnection]:
    with controller.database.transaction() as transaction:
        for name in names:
            made = Instance(id=f"i-{name}", name=name, address=f"nats:i-{name}", created=controller.now())
            instances.register(transaction, made)
    return lambda name: SharedConnection(controller, f"i-{name}")


def test_one_more_than_the_places_waits_until_one_is_free(controller: Controller) -> None:
    make = connections(controller, "a", "b", "c")

    async def work() -> None:
        places = Places(2)
        a = await places.take("a", make("a"))
        await places.take("b", make("b"))
        third = asyncio.create_task(places.take("c", make("c")))
        again = asyncio.create_task(places.take("a", make("a")))  # in use already: it needs no other place
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert again.done()
        assert not third.done()
        assert again.result() is a
        places.leave("a")
        await asyncio.sleep(0)
        assert not third.done()
        places.leave("a")
        await third
        assert places.find("a") is None  # its connection was closed to make room

    asyncio.run(work())


def test_a_pool_that_keeps_none_idle_shares_a_connection_until_its_last_user_leaves(controller: Controller) -> None:
    make = connections(controller, "a")

    async def work() -> None:
        places = Places(2, keeps_idle=False)
        a = await places.take("a", make("a"))
        assert await places.take("a", make("a")) is a
        places.leave("a")
        assert places.find("a") is a
        places.leave("a")
        assert places.find("a") is None

    asyncio.run(work())


def test_an_idle_connection_is_used_again_and_the_least_recently_used_one_is_closed(controller: Controller) -> None:
    make = connections(controller, "a", "b", "c")

    async def work() -> None:
        places = Places(2)
        lent = {}
        for name in ("a", "b", "a"):
            lent[name] = await places.take(name, make(name))
            places.leave(name)
        await places.take("c", make("c"))
        assert places.find("a") is lent["a"]
        assert places.find("b") is None

    asyncio.run(work())


def test_those_with_an_idle_connection_go_first(controller: Controller) -> None:
    make = connections(controller, "a", "b", "c", "d")

    async def work() -> None:
        places = Places(2)
        before = {}
        for name in ("a", "b"):
            before[name] = await places.take(name, make(name))
        for name in ("a", "b"):
            places.leave(name)
        turns = {name: asyncio.create_task(places.take(name, make(name))) for name in ("c", "d", "a", "b")}
        await asyncio.wait([turns["a"], turns["b"]])
        assert {name: turns[name].result() for name in ("a", "b")} == before
        assert not turns["c"].done()
        assert not turns["d"].done()
        places.leave("a")
        places.leave("b")
        await asyncio.gather(turns["c"], turns["d"])

    asyncio.run(asyncio.wait_for(work(), 10))


def test_an_instance_that_dials_out_now_loses_its_place_among_those_that_listen(controller: Controller) -> None:
    async def work() -> None:
        pool = ConnectionPool(controller)
        async with pool.connection(DIALLED) as before:
            pass
        async with pool.connection(DIALLED) as same:
            assert same is before
            with controller.database.transaction() as transaction:
                instances.register(transaction, listening._replace(address=f"nats:{DIALLED}"))
            with pytest.raises(ClientNotOnline, match="has no broker"):
                await same.client()
        async with pool.connection(DIALLED) as after:
            assert (before.is_brokered, after.is_brokered) == (False, True)
        pool.close()

    listening = Instance(id=DIALLED, name="a", address="tls:127.0.0.1:1", created=controller.now())
    with controller.database.transaction() as transaction:
        instances.register(transaction, listening)
    asyncio.run(asyncio.wait_for(work(), 10))


def test_a_connection_that_backs_off_is_tried_when_its_agent_has_connected(controller: Controller) -> None:
    connections(controller, "a")
    attempts = []

    async def connect(instance_id: str) -> Client:
        attempts.append(instance_id)
        raise ClientNotOnline(f"cannot reach it at attempt {len(attempts)}", hint="wait")

    async def work() -> None:
        pool = ConnectionPool(controller.replace(connect=connect, timeouts=slow))
        async with pool.connection("i-a") as lent:
            for number in (1, 1, 2):
                if number == 2:
                    pool.end_back_off("i-a")
                with pytest.raises(ClientNotOnline, match=f"attempt {number}"):
                    await lent.client()
        pool.end_back_off("i-b")  # without a connection there is nothing to do

    slow = DEFAULTS.replace(agent=AgentTimeouts(backoff=60, longest_backoff=60))
    asyncio.run(work())


def test_two_that_wait_for_the_same_instance_share_one_place(controller: Controller) -> None:
    make = connections(controller, "a", "b", "c")

    async def work() -> None:
        places = Places(1)
        await places.take("a", make("a"))
        waiting = [asyncio.create_task(places.take(name, make(name))) for name in ("b", "b", "c")]
        places.leave("a")
        first, second = await asyncio.gather(*waiting[:2])
        assert first is second
        assert not waiting[2].done()
        places.leave("b")
        places.leave("b")
        await waiting[2]

    asyncio.run(work())
