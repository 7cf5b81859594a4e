"""Circuits as messages: the window, the acknowledgements, the end at any moment."""

from __future__ import annotations

import asyncio
import random
import ssl
import struct
from collections import deque

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agentd.wire import circuit
from agentd.wire.circuit import CLOSED, DATA_LIMIT, WINDOW, CircuitEnd
from agentd.wire.circuit_transport import CircuitTransport
from agentd.wire.protocol import ProtocolError
from agentd.wire.transport import TunnelTransport
from tests.support.certificates import Authority


def count(number: int) -> bytes:
    return b"A" + struct.pack(">Q", number)


def data(messages: list[bytes]) -> int:
    """The number of bytes of the stream in messages."""
    assert all(len(each) <= circuit.MESSAGE_LIMIT for each in messages)
    return sum(len(each) - 1 for each in messages if circuit.opens(each))


def test_a_session_has_13_letters_and_digits() -> None:
    made = {circuit.new_session() for _ in range(100)}
    assert len(made) == 100
    assert all(map(circuit.is_session, made))


@pytest.mark.parametrize("text", ["", "0" * 12, "0" * 14, "0" * 13 + "\n", "O" * 13, "u" * 13, "0" * 12 + "."])
def test_anything_else_is_not_a_session(text: str) -> None:
    assert not circuit.is_session(text)


def test_a_window_is_sent_and_no_more() -> None:
    end = CircuitEnd()
    end.send(bytes(3 * WINDOW))
    assert data(end.outgoing()) == WINDOW
    assert end.outgoing() == []
    assert end.is_full
    assert end.feed(count(1000)) == b""
    assert data(end.outgoing()) == 1000
    end.feed(count(WINDOW + 1000))
    assert data(end.outgoing()) == WINDOW
    assert not end.is_full


def test_bytes_are_acknowledged_by_quarters() -> None:
    end = CircuitEnd()
    quarter = WINDOW // 4
    assert end.feed(b"D" + bytes(quarter - 1)) == bytes(quarter - 1)
    end.take_in()
    assert end.outgoing() == []
    end.feed(b"Dx")
    assert end.outgoing() == []  # not taken in yet
    end.take_in()
    assert end.outgoing() == [count(quarter)]
    assert end.outgoing() == []


def test_a_probe_never_comes_before_the_data_that_opens_the_circuit() -> None:
    end = CircuitEnd()
    end.probe()
    assert end.outgoing() == []
    end.send(b"hello")
    end.probe()
    assert end.outgoing() == [b"Dhello"]
    end.probe()
    assert end.outgoing() == [count(0)]


def test_a_probe_repeats_the_count() -> None:
    end = CircuitEnd()
    end.send(b"hello")
    assert end.outgoing() == [b"Dhello"]
    end.probe()
    assert end.outgoing() == [count(0)]
    end.feed(b"D123")
    end.probe()
    assert end.outgoing() == [count(0)]
    end.take_in()
    end.probe()
    assert end.outgoing() == [count(3)]


def test_a_close_follows_the_data() -> None:
    end = CircuitEnd()
    end.send(bytes(WINDOW + 1))
    end.close()
    end.send(b"ignored")
    assert CLOSED not in end.outgoing()
    end.feed(count(1))
    assert end.outgoing() == [b"D\0", CLOSED]
    assert end.closed
    assert end.feed(b"Dmore") == b""
    assert end.outgoing() == []


def test_an_abort_drops_the_data() -> None:
    end = CircuitEnd()
    end.send(b"x")
    end.abort()
    end.abort()
    assert end.outgoing() == [CLOSED]
    assert end.closed


def test_the_other_end_closes() -> None:
    end = CircuitEnd()
    end.send(b"x")
    end.feed(CLOSED)
    assert end.closed
    end.close()
    end.abort()
    assert end.outgoing() == []


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"D",
        b"d1",
        b"X",
        b"CC",
        b"A",
        b"A1234567",
        b"A123456789",
        count(1),
        count(2**64 - 1),
        b"D" * (2 + DATA_LIMIT),
    ],
)
def test_anything_else_is_refused(payload: bytes) -> None:
    with pytest.raises(ProtocolError):
        CircuitEnd().feed(payload)


def test_a_count_does_not_go_back() -> None:
    end = CircuitEnd()
    end.send(b"12345")
    end.outgoing()
    end.feed(count(4))
    end.feed(count(4))
    with pytest.raises(ProtocolError):
        end.feed(count(3))


def test_more_than_the_window_is_refused() -> None:
    end = CircuitEnd()
    for _ in range(WINDOW // DATA_LIMIT):
        end.feed(b"D" + bytes(DATA_LIMIT))
    with pytest.raises(ProtocolError):
        end.feed(b"Dx")


@settings(max_examples=40)
@given(
    writes=st.lists(st.integers(1, 100_000), max_size=12),
    seed=st.integers(0, 2**32),
    closes=st.booleans(),
)
def test_streams_arrive_whole_whenever_messages_do(writes: list[int], seed: int, closes: bool) -> None:
    """Messages wait in the broker, readers pause: each stream arrives in order, and never over the window."""
    chance = random.Random(seed)
    ends = (CircuitEnd(), CircuitEnd())
    ways: tuple[deque[bytes], deque[bytes]] = (deque(), deque())
    sent, got = [bytearray(), bytearray()], [bytearray(), bytearray()]
    left = [list(writes), list(reversed(writes))]

    def flush(number: int) -> None:
        ways[number].extend(ends[number].outgoing())

    while any(left) or any(ways):
        number = chance.randrange(2)
        if left[number] and chance.random() < 0.5:
            block = chance.randbytes(left[number].pop())
            sent[number] += block
            ends[number].send(block)
        elif ways[1 - number]:
            got[number] += ends[number].feed(ways[1 - number].popleft())
            if chance.random() < 0.7 or not any(ways):
                ends[number].take_in()
        for each in (0, 1):
            if not any(ways):
                ends[each].take_in()
            flush(each)
    assert got == [sent[1], sent[0]]
    if closes:
        ends[0].close()
        flush(0)
        assert ends[1].feed(ways[0].popleft()) == b""
        assert ends[1].closed


# with TLS inside


class Side(TunnelTransport):
    """One end of TLS in a circuit, which keeps what it gets. ``error`` is the reason of its end."""

    def __init__(self, context: ssl.SSLContext, server_side: bool) -> None:
        super().__init__(context, server_side)
        self.got = bytearray()
        self.ready = asyncio.get_running_loop().create_future()
        self.over = asyncio.get_running_loop().create_future()
        self.error: Exception | None = None

    def established(self) -> None:
        self.open(Receiver(self))
        self.ready.set_result(None)

    def failed(self, error: ssl.SSLError) -> None:
        self.error = error
        self.abort()

    def connection_lost(self, error: Exception | None) -> None:
        self.error = self.error or error
        super().connection_lost(error)
        self.over.set_result(None)


class Receiver(asyncio.Protocol):
    def __init__(self, side: Side) -> None:
        self._side = side

    def data_received(self, data: bytes) -> None:
        self._side.got += data


class Wires:
    """A controller and an agent, joined by two circuits. ``change`` may lose, alter or repeat a message."""

    def __init__(self, authority: Authority) -> None:
        self.change = lambda message: [message]
        client = authority.context(authority.issue("tests"))
        server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        server.minimum_version = ssl.TLSVersion.TLSv1_3
        own = authority.issue("i-1", "agent")
        server.load_cert_chain(own.certificate, own.key)
        self.sides = (Side(client, False), Side(server, True))
        self.ended: list[CircuitTransport] = []
        self.circuits = tuple(
            CircuitTransport(lambda message, other=1 - number: self.carry(other, message), self.ended.append, "other")
            for number in (0, 1)
        )
        for number in (1, 0):
            self.circuits[number].open(self.sides[number])

    def carry(self, number: int, message: bytes) -> None:
        for each in self.change(message):
            asyncio.get_running_loop().call_soon(self.circuits[number].receive, each)

    async def connected(self) -> None:
        await asyncio.gather(*(side.ready for side in self.sides))

    async def over(self) -> None:
        await asyncio.gather(*(side.over for side in self.sides))


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


def test_tls_runs_inside_and_a_close_ends_both(authority: Authority) -> None:
    async def work() -> None:
        wires = Wires(authority)
        await wires.connected()
        block = random.Random(1).randbytes(500_000)
        for side in wires.sides:
            side.write(block)
        wires.sides[0].write(b"last")
        while len(wires.sides[1].got) < len(block) + 4 or len(wires.sides[0].got) < len(block):
            await asyncio.sleep(0)
        assert wires.sides[1].got == block + b"last"
        assert wires.sides[0].got == block
        wires.sides[0].close()
        await wires.over()
        assert set(wires.ended) == set(wires.circuits)
        assert [side.error for side in wires.sides] == [None, None]

    asyncio.run(asyncio.wait_for(work(), 30))


def test_a_reader_that_pauses_stops_the_writer(authority: Authority) -> None:
    async def work() -> None:
        wires = Wires(authority)
        await wires.connected()
        reader, writer = wires.sides
        reader.pause_reading()
        carried = 0

        def change(message: bytes) -> list[bytes]:
            nonlocal carried
            carried += len(message)
            return [message]

        wires.change = change
        writer.write(bytes(1_000_000))
        for _ in range(100):
            await asyncio.sleep(0)
        assert carried <= WINDOW + 100
        assert reader.got == b""
        reader.resume_reading()
        while len(reader.got) < 1_000_000:
            await asyncio.sleep(0)
        reader.abort()
        await wires.over()

    asyncio.run(asyncio.wait_for(work(), 30))


DAMAGE = {
    "lost": lambda message: [],
    "repeated": lambda message: [message, message],
    "altered": lambda message: [message[:-1] + bytes([message[-1] ^ 1])],
    "cut": lambda message: [message[: len(message) // 2]],
    "another": lambda message: [b"D" + bytes(100)],
}


@pytest.mark.parametrize("kind", DAMAGE)
@pytest.mark.parametrize("before", [0, 3])
def test_damage_ends_the_circuit_and_no_wrong_byte_arrives(authority: Authority, kind: str, before: int) -> None:
    """One message is damaged, after ``before`` others."""

    async def work() -> None:
        wires = Wires(authority)
        await wires.connected()
        seen = 0

        def change(message: bytes) -> list[bytes]:
            nonlocal seen
            if not circuit.opens(message):
                return [message]
            seen += 1
            return DAMAGE[kind](message) if seen == before + 1 else [message]

        await asyncio.sleep(0)
        wires.change = change
        blocks = [bytes([number]) * 20_000 for number in range(10)]
        for block in blocks:
            wires.sides[0].write(block)
            await asyncio.sleep(0)
        await wires.over()
        assert b"".join(blocks).startswith(wires.sides[1].got)
        assert len(wires.sides[1].got) <= 20_000 * before + 20_000
        assert isinstance(wires.sides[1].error, ssl.SSLError)

    asyncio.run(asyncio.wait_for(work(), 30))


@pytest.mark.parametrize("how", ["close", "abort", "lose"])
def test_an_end_at_any_moment_ends_both_once(authority: Authority, how: str) -> None:
    async def work(after: int) -> None:
        wires = Wires(authority)
        for _ in range(after):
            for side in wires.sides:
                if side.ready.done() and not side.is_closing():
                    side.write(bytes(10_000))
            await asyncio.sleep(0)
        if how == "lose":
            for each in wires.circuits:
                each.lose(ConnectionResetError("the broker is gone"))
        else:
            getattr(wires.sides[after % 2], how)()
        await wires.over()
        assert len(wires.ended) == len(set(wires.ended)) == 2

    for after in (0, 1, 2, 3, 5, 8):
        asyncio.run(asyncio.wait_for(work(after), 30))


def test_a_circuit_that_was_lost_before_it_is_opened_reports_that_to_its_protocol() -> None:
    class Lost(asyncio.BufferedProtocol):
        def __init__(self) -> None:
            self.reason = asyncio.get_running_loop().create_future()

        def connection_lost(self, error: Exception | None) -> None:
            self.reason.set_result(error)

    async def open_late() -> object:
        transport = CircuitTransport(lambda _: None, lambda _: None, "other")
        transport.lose(ConnectionResetError("the broker is gone"))
        protocol = Lost()
        transport.open(protocol)
        return await protocol.reason

    assert str(asyncio.run(open_late())) == "the broker is gone"
