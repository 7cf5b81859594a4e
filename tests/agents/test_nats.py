"""Connections through a broker: one is shared, and an absent agent is reported."""

from __future__ import annotations

import asyncio
import signal
import socket
import time
from collections.abc import Coroutine, Iterator
from pathlib import Path
from typing import Any

import pytest

from agentd.wire import circuit
from assist_cli.agents import broker_folder, nats
from assist_cli.agents.broker import connect as query
from assist_cli.agents.broker_folder import BrokerAddress
from assist_cli.agents.route import Nats, parse
from assist_cli.deploy import pki
from assist_cli.deploy.broker import admission
from assist_cli.deploy.host_requests import ActionScript
from assist_cli.errors import BrokerRefused, ClientAuthFailed, ClientNotOnline, ConnectionLost, InvalidParameter
from assist_cli.model.command import CommandType
from assist_cli.model.lifecycle import Heard
from assist_cli.operations.controller import open_controller, utc_now
from assist_cli.operations.fleet.unrecorded import UnrecordedTask
from assist_cli.operations.runs import follow
from tests.support import nats_place
from tests.support.certificates import free_port
from tests.support.nats_place import HomeBroker
from tests.support.nats_user import NatsUser
from tests.support.place import CONTROLLER, Place

GUARD = 30.0
POLL = 9  # bytes of a message that opens no circuit
ABSENT = "nats:i-01kbdk5g8w3m9v6yx2r4hq7cnf"


@pytest.fixture
def broker(place: Place) -> Iterator[HomeBroker]:
    with nats_place.running(place.home) as running:
        yield running


@pytest.fixture
def dialled(place: Place, broker: HomeBroker) -> Place:
    """An agent that is connected to the broker."""
    nats_place.equip(place, broker)
    place.agent.start()
    nats_place.wait_until_connected(place)
    return place


def within_reason(work: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(work, GUARD))


async def connections(broker: HomeBroker) -> int:
    """The connections of agents and controllers at the broker."""
    link = await query(broker.home, broker.address, broker_folder.token(broker.home, "monitor"), GUARD)
    try:
        answer = await link.request(f"$SYS.REQ.SERVER.{link.info['server_id']}.VARZ")
        return int(answer["data"]["connections"]) - 1
    finally:
        link.close()


def test_circuits_share_one_connection_that_ends_with_the_last(dialled: Place, broker: HomeBroker) -> None:
    async def work() -> None:
        before = await connections(broker)
        clients = await asyncio.gather(*(dialled.connect("nats") for _ in range(20)))
        assert await connections(broker) == before + 1
        assert nats.is_connected(dialled.home)
        for client in clients:
            client.close()
        assert not nats.is_connected(dialled.home)
        while await connections(broker) > before:
            await asyncio.sleep(0)
        (await dialled.connect("nats")).close()

    within_reason(work())


def test_further_circuits_wait_while_many_are_being_opened(place: Place, broker: HomeBroker, tmp_path: Path) -> None:
    """Here the agent reads and answers nothing."""
    pem = pki.agent_credentials(place.home, CONTROLLER, place.instance, utc_now(), dials=True)
    token = admission.agent_token(place.home, place.instance, utc_now())
    agent = NatsUser(broker.address.port, pem, token, tmp_path)
    agent.send(f"SUB assist.a.{place.instance}.> 1".encode())
    opened: list[bytes] = []  # the reply subjects of circuits

    def receive() -> None:
        heads = [line.split() for line in agent.received() if line.startswith(b"MSG assist.a.")]
        opened.extend(reply for _, _, _, reply, size in heads if int(size) > POLL)

    async def work() -> None:
        timeouts = place.timeouts.replace(connect=GUARD)
        attempts = [
            asyncio.create_task(nats.connect(Nats(place.instance), place.home, timeouts))
            for _ in range(nats.HANDSHAKES + 2)
        ]
        for known in (nats.HANDSHAKES, nats.HANDSHAKES + 1):
            while len(opened) < known:
                await asyncio.sleep(0)
                receive()
            for _ in range(20):
                await asyncio.sleep(0)
                receive()
            assert len(opened) == known
            agent.send(b"PUB %s 1" % opened[0], circuit.CLOSED)
            await asyncio.wait(attempts, return_when=asyncio.FIRST_COMPLETED)
        for each in attempts:
            each.cancel()
        await asyncio.gather(*attempts, return_exceptions=True)

    within_reason(work())
    agent.close()


def test_an_absent_agent_is_reported_immediately(dialled: Place) -> None:
    async def work() -> None:
        client = await dialled.connect("nats")
        begin = time.monotonic()
        with pytest.raises(ClientNotOnline, match="it is not connected to the broker"):
            await nats.connect(Nats(ABSENT[5:]), dialled.home, dialled.timeouts)
        assert time.monotonic() - begin < dialled.timeouts.connect / 2
        await client.call("agent.status", {})
        client.close()

    within_reason(work())


def test_another_agent_behind_the_address_is_refused(place: Place, broker: HomeBroker) -> None:
    """A broker may send messages to another agent: the certificate inside is the proof."""
    nats_place.equip(place, broker)
    place.put(pki.agent_credentials(place.home, CONTROLLER, ABSENT[5:], utc_now(), dials=True))
    place.agent.start()
    nats_place.wait_until_connected(place)

    async def work() -> None:
        with pytest.raises(ClientAuthFailed, match=f"it is {ABSENT[5:]}, not {place.instance}"):
            await place.connect("nats")
        assert not nats.is_connected(place.home)

    within_reason(work())


def test_a_frozen_agent_costs_the_time_for_a_connection(dialled: Place) -> None:
    async def work() -> None:
        with pytest.raises(ClientNotOnline, match=r"no answer through the broker in 1 s"):
            await nats.connect(Nats(dialled.instance), dialled.home, dialled.timeouts.replace(connect=1.0))
        assert not nats.is_connected(dialled.home)

    process = dialled.agent.process
    assert process is not None
    process.send_signal(signal.SIGSTOP)
    try:
        within_reason(work())
    finally:
        process.send_signal(signal.SIGCONT)


def test_brokers_are_tried_in_turn_and_named(dialled: Place, broker: HomeBroker) -> None:
    settings = broker_folder.settings(dialled.home)
    closed = broker_folder.parse(f"tls://127.0.0.1:{free_port()}")
    broker_folder.write(dialled.home, settings.replace(addresses=(closed, *settings.addresses)))

    async def work() -> None:
        (await dialled.connect("nats")).close()
        broker.kill()
        with pytest.raises(ClientNotOnline) as caught:
            await dialled.connect("nats")
        assert f"'{closed}': nothing listens there" in str(caught.value)
        assert f"'{broker.address}': nothing listens there" in str(caught.value)

    within_reason(work())


@pytest.mark.long
def test_a_broker_that_does_not_answer_delays_the_next_one_by_a_moment(dialled: Place, broker: HomeBroker) -> None:
    settings = broker_folder.settings(dialled.home)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        first = BrokerAddress("127.0.0.1", silent.getsockname()[1])
        broker_folder.write(dialled.home, settings.replace(addresses=(first, *settings.addresses)))
        dialled.timeouts = dialled.timeouts.replace(head_start=0.2, connect=GUARD)

        async def work() -> None:
            begin = time.monotonic()
            (await dialled.connect("nats")).close()
            assert time.monotonic() - begin < GUARD / 3
            assert not nats.is_connected(dialled.home)

        within_reason(work())


def test_a_lost_broker_ends_all_circuits_with_its_name(dialled: Place, broker: HomeBroker) -> None:
    async def work() -> None:
        clients = [await dialled.connect("nats") for _ in range(3)]
        broker.kill()
        for client in clients:
            with pytest.raises(ConnectionLost, match=str(broker.address)):
                await client.call("agent.status", {})
                await client.call("agent.status", {})
        assert not nats.is_connected(dialled.home)

    within_reason(work())


@pytest.mark.long
def test_a_broker_that_stands_still_is_noticed_at_the_next_connection(dialled: Place, broker: HomeBroker) -> None:
    """Long before the next two probes."""
    timeouts = dialled.timeouts.replace(probe=GUARD, connect=0.5, answer=0.5)

    async def work() -> None:
        client = await dialled.connect("nats")
        with broker.frozen():
            asking = asyncio.ensure_future(client.call("agent.status", {}))
            with pytest.raises(ClientNotOnline, match=r"no answer through the broker"):
                await nats.connect(Nats(dialled.instance), dialled.home, timeouts)
            with pytest.raises(ConnectionLost, match="it does not answer any more"):
                await asking

    dialled.timeouts = timeouts.replace(connect=5)
    within_reason(work())


def test_hints_name_the_agent_that_connects(dialled: Place, broker: HomeBroker) -> None:
    async def work() -> None:
        heard: asyncio.Queue[str] = asyncio.Queue()
        hearing = asyncio.ensure_future(nats.hear(dialled.home, dialled.timeouts, heard.put_nowait))
        client = await dialled.connect("nats")  # so that the subscription is known to the broker
        dialled.agent.kill()
        await asyncio.to_thread(dialled.agent.start)
        assert await heard.get() == dialled.instance
        while client.is_open:  # the agent does not know its circuit any more
            await asyncio.sleep(0.01)
        hearing.cancel()
        await asyncio.wait([hearing])
        assert not nats.is_connected(dialled.home)

    within_reason(work())


def test_an_agent_that_ends_in_its_own_removal_is_noticed_before_the_next_probe(dialled: Place) -> None:
    dialled.timeouts = dialled.timeouts.replace(probe=GUARD * 2)

    async def work() -> None:
        client = await dialled.connect("nats")
        with open_controller(dialled.home) as controller:
            task = UnrecordedTask(controller, ActionScript(CommandType.SHELL, b"exec sleep 60\n"))
            await task.deliver(client)
            following = asyncio.ensure_future(task.follow(client))
            dialled.agent.kill()
            with pytest.raises(ConnectionLost, match="it is not connected to the broker"):
                await following

    within_reason(work())
    dialled.agent.start()  # finds the task again, and the fixture stops it


def test_a_controller_that_the_broker_refuses_is_told_so(dialled: Place, broker: HomeBroker) -> None:
    (dialled.home.broker / "controller.jwt").write_text("e30.e30.x\n")

    async def work() -> None:
        with pytest.raises(BrokerRefused, match=r"cannot use the broker at .*Authorization Violation") as caught:
            await dialled.connect("nats")
        assert follow.heard(caught.value).heard is Heard.AWAY, "it says nothing about the agent: records may wait"

    within_reason(work())


class Written(asyncio.Transport):
    """A transport that keeps each write."""

    def __init__(self) -> None:
        super().__init__()
        self.pieces: list[bytes] = []

    def write(self, data: Any) -> None:
        self.pieces.append(bytes(data))

    def abort(self) -> None:
        pass


def test_the_messages_of_one_turn_of_the_loop_are_one_write() -> None:
    async def work() -> None:
        wire = Written()
        connection = nats.CircuitConnection(BrokerAddress("127.0.0.1", 1), CONTROLLER, 30)
        connection.connection_made(wire)
        circuits = [connection.circuit(f"i-{number}", lambda: None) for number in range(3)]
        for each in circuits:
            each.write(b"hello")
        assert wire.pieces == []
        await asyncio.sleep(0)
        (piece,) = wire.pieces
        assert piece.count(b"Dhello") == 3
        for each in circuits:
            each.abort()
        connection.close()  # what was written before is sent
        assert wire.pieces[1].count(b"\r\nC\r\n") == 3
        await asyncio.sleep(0)
        assert len(wire.pieces) == 2

    within_reason(work())


def test_addresses() -> None:
    assert str(parse(ABSENT)) == ABSENT
    for wrong in ("nats:", "nats:web1", "nats:i-1", f"{ABSENT}x", "nats:r-01kbdk5g8w3m9v6yx2r4hq7cnf"):
        with pytest.raises(InvalidParameter, match="is not the id of an instance"):
            parse(wrong)
