"""The NATS protocol as bytes: events however they are cut, commands, and refusals of anything else."""

from __future__ import annotations

import contextlib
import json

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from agentd.wire import nats
from agentd.wire.nats import Error, Info, Message, NatsProtocol, Ok, Ping, Pong
from agentd.wire.protocol import ProtocolError

OPTIONS = {"server_id": "N1", "version": "2.9.10", "headers": True, "max_payload": 1048576, "tls_required": True}

STREAM = (
    b"INFO " + json.dumps(OPTIONS).encode() + b"\r\n"
    b"+OK\r\nPING\r\nPONG\r\n"
    b"MSG assist.a.i-1.s 1 5\r\nhello\r\n"
    b"MSG assist.a.i-1.s 1 assist.c.c.i-1.s 4\r\n\r\n\r\n\r\n"
    b"HMSG assist.a.i-1.s 1 16 16\r\nNATS/1.0 503\r\n\r\n\r\n"
    b"HMSG assist.a.i-1.s 1 reply 21 24\r\nNATS/1.0\r\nName: b\r\n\r\nabc\r\n"
    b"MSG empty 1 0\r\n\r\n"
    b"-ERR 'Authorization Violation'\r\n"
)
EVENTS = [
    Info(OPTIONS),
    Ok(),
    Ping(),
    Pong(),
    Message("assist.a.i-1.s", None, b"hello", 0),
    Message("assist.a.i-1.s", "assist.c.c.i-1.s", b"\r\n\r\n", 0),
    Message("assist.a.i-1.s", None, b"", nats.NO_RESPONDERS),
    Message("assist.a.i-1.s", "reply", b"abc", 0),
    Message("empty", None, b"", 0),
    Error("Authorization Violation"),
]


def test_events_come_in_order() -> None:
    found = NatsProtocol().feed(STREAM)
    assert found == EVENTS
    assert [type(event) for event in found] == [type(event) for event in EVENTS]


def test_a_cut_at_any_byte_changes_nothing() -> None:
    for at in range(len(STREAM)):
        end = NatsProtocol()
        assert end.feed(STREAM[:at]) + end.feed(STREAM[at:]) == EVENTS, at


@given(sizes=st.lists(st.integers(1, 9), min_size=1))
def test_small_pieces_change_nothing(sizes: list[int]) -> None:
    end, found, at, number = NatsProtocol(), [], 0, 0
    while at < len(STREAM):
        size = sizes[number % len(sizes)]
        found += end.feed(STREAM[at : at + size])
        at, number = at + size, number + 1
    assert found == EVENTS


@given(payload=st.binary(max_size=300), reply=st.booleans(), cut=st.integers(0, 400))
def test_any_payload_arrives(payload: bytes, reply: bool, cut: int) -> None:
    head = b"MSG a.b 1 " + (b"c.d " if reply else b"") + b"%d\r\n" % len(payload)
    data = head + payload + b"\r\nPING\r\n"
    end = NatsProtocol()
    assert end.feed(data[:cut]) + end.feed(data[cut:]) == [Message("a.b", "c.d" if reply else None, payload, 0), Ping()]


@pytest.mark.parametrize(
    "data",
    [
        b"HELLO\r\n",
        b"\r\n",
        b"HTTP/1.1 400 Bad Request\r\n",
        b"\x16\x03\x01\x02\x00\r\n",
        b"INFO\r\n",
        b"INFO []\r\n",
        b"INFO {\r\n",
        b"INFO " + b"[" * 50_000 + b"\r\n",
        b"INFO " + b"x" * nats.INFO_LIMIT + b"\r\n",
        b"INFO " + b"x" * nats.INFO_LIMIT,
        b"PING" + b" " * nats.LINE_LIMIT,
        b"x" * (nats.LINE_LIMIT + 1),
        b"MSG a 1\r\n",
        b"MSG a 1 b c 1\r\n",
        b"MSG a 1 -1\r\n",
        b"MSG a 1 +1\r\n",
        b"MSG a 1 1e3\r\n",
        "MSG a 1 ²\r\n".encode(),
        b"MSG a 1 %d\r\n" % (nats.PAYLOAD_LIMIT + 1),
        b"MSG a 1 " + b"9" * 1000 + b"\r\n",
        b"MSG a 1 2\r\nabc\r\n",
        b"MSG a 1 2\r\na\r\n\r\n",
        b"HMSG a 1 9 5\r\n",
        b"HMSG a 1 %d %d\r\n" % (nats.LINE_LIMIT + 1, nats.LINE_LIMIT + 1),
        b"HMSG a 1 12 12\r\nNATS/1.0 503\r\n",
        b"HMSG a 1 14 14\r\nHTTP/1.0 503\r\n\r\n",
        b"HMSG a 1 16 16\r\nNATS/1.0 abc\r\n\r\n\r\n",
    ],
)
def test_anything_else_is_refused(data: bytes) -> None:
    with pytest.raises(ProtocolError):
        NatsProtocol().feed(data)


@given(data=st.binary(max_size=200))
@example(b"MSG \xff 1 1\r\n\xff\r\n")
def test_any_bytes_give_events_or_a_refusal(data: bytes) -> None:
    with contextlib.suppress(ProtocolError):
        NatsProtocol().feed(data)


def test_a_message_of_the_limit_is_accepted_and_kept_once() -> None:
    payload = bytes(nats.PAYLOAD_LIMIT)
    (found,) = NatsProtocol().feed(b"MSG a 1 %d\r\n" % len(payload) + payload + b"\r\n")
    assert found.payload == payload


def test_commands() -> None:
    end = NatsProtocol()
    words = end.connect({"jwt": "ey.J.x", "name": "é"})
    assert words.startswith(b"CONNECT ")
    assert words.endswith(b"\r\n")
    assert words.isascii()
    options = json.loads(words[8:])
    assert (options["jwt"], options["name"]) == ("ey.J.x", "é")
    assert (options["headers"], options["no_responders"], options["verbose"]) == (True, True, False)
    assert end.subscribe("assist.a.i-1.>", 1) == b"SUB assist.a.i-1.> 1\r\n"
    assert end.unsubscribe(1) == b"UNSUB 1\r\n"
    assert end.publish("a.b", b"x\r\ny") == b"PUB a.b 4\r\nx\r\ny\r\n"
    assert end.publish("a.b", b"", "c.d") == b"PUB a.b c.d 0\r\n\r\n"
    assert (end.ping(), end.pong()) == (b"PING\r\n", b"PONG\r\n")


@pytest.mark.parametrize("subject", ["", "a b", "a\r\nPUB x 0", "a\t", " a", "a\n", "x" * 5000])
def test_a_subject_cannot_hold_a_command(subject: str) -> None:
    end = NatsProtocol()
    for attempt in (
        lambda: end.publish(subject, b""),
        lambda: end.publish("a", b"", subject),
        lambda: end.subscribe(subject, 1),
    ):
        with pytest.raises(ProtocolError):
            attempt()


def test_the_limit_of_the_server_holds() -> None:
    end = NatsProtocol()
    with pytest.raises(ProtocolError):
        end.publish("a", bytes(nats.PAYLOAD_LIMIT + 1))
    end.feed(b'INFO {"max_payload": 10}\r\n')
    assert end.publish("a", bytes(10))
    with pytest.raises(ProtocolError):
        end.publish("a", bytes(11))
    end.feed(b'INFO {"max_payload": 1000000000}\r\n')
    with pytest.raises(ProtocolError):
        end.publish("a", bytes(nats.PAYLOAD_LIMIT + 1))
