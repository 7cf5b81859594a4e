"""The codec: bytes in, messages out."""

from __future__ import annotations

import json
import os
import socket
import subprocess
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from agentd.wire import protocol
from tests.support import interpreters

# Messages, byte for byte. A change here is a change of the protocol.
GOLDEN = [
    (
        protocol.request(1, "agent.hello", {"protocol": [1, 0], "client": "assist 0.1.0"}),
        b'{"jsonrpc":"2.0","id":1,"method":"agent.hello","params":{"protocol":[1,0],"client":"assist 0.1.0"}}\n',
    ),
    (
        protocol.response(7, {"record": "r-1", "state": "Running", "known": False}),
        b'{"jsonrpc":"2.0","id":7,"result":{"record":"r-1","state":"Running","known":false}}\n',
    ),
    (
        protocol.notification("task.output", {"record": "r-1", "offset": 0, "data": protocol.pack(b"\x00\xff\n")}),
        b'{"jsonrpc":"2.0","method":"task.output","params":{"record":"r-1","offset":0,"data":"AP8K"}}\n',
    ),
    (
        protocol.failure(None, protocol.PARSE_ERROR, "a line is not JSON"),
        b'{"jsonrpc":"2.0","id":null,"error":{"code":-32700,"message":"a line is not JSON"}}\n',
    ),
    (
        protocol.failure(8, protocol.REFUSED, "cannot find 'r-2'", "RecordNotFound"),
        b'{"jsonrpc":"2.0","id":8,"error":{"code":-32000,"message":"cannot find \'r-2\'",'
        b'"data":{"code":"RecordNotFound"}}}\n',
    ),
    (
        protocol.response(9, {"hostname": "zürich", "note": "line\nbreak\u2028"}),
        '{"jsonrpc":"2.0","id":9,"result":{"hostname":"zürich","note":"line\\nbreak\u2028"}}\n'.encode(),
    ),
]

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(st.characters(codec="utf-8")),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(st.characters(codec="utf-8")), inner, max_size=4)
    ),
    max_leaves=12,
)
MESSAGES = st.lists(st.dictionaries(st.text(st.characters(codec="utf-8")), JSON, max_size=4), max_size=6)


def decode(*pieces: bytes, limit: int = protocol.LINE_LIMIT) -> list[dict[str, Any]]:
    decoder = protocol.Decoder(limit)
    return [message for piece in pieces for message in decoder.feed(piece)]


@pytest.mark.parametrize(("message", "line"), GOLDEN)
def test_golden_bytes(message: dict[str, Any], line: bytes) -> None:
    assert protocol.encode(message) == line
    assert decode(line) == [message]


def test_a_stream_may_be_cut_anywhere() -> None:
    stream = b"".join(line for _, line in GOLDEN)
    expected = [message for message, _ in GOLDEN]
    for cut in range(len(stream) + 1):
        assert decode(stream[:cut], stream[cut:]) == expected
    assert decode(*(stream[at : at + 1] for at in range(len(stream)))) == expected


def test_a_message_is_decoded_when_its_line_ends() -> None:
    decoder = protocol.Decoder()
    assert decoder.feed(b'{"id":1}\n{"id":2}\n{"id"') == [{"id": 1}, {"id": 2}]
    assert decoder.feed(b":3}") == []
    assert decoder.feed(b"\n") == [{"id": 3}]


@pytest.mark.parametrize("line", [b"\n", b"  \n", b"\r\n", b"\t\n\n"])
def test_empty_lines_are_skipped(line: bytes) -> None:
    assert decode(line, b'{"id":1}\r\n', line) == [{"id": 1}]


def test_a_line_of_exactly_the_limit_passes() -> None:
    filled = b'{"a":"%s"}' % (b"x" * (64 - len(b'{"a":""}')))
    assert len(filled) == 64
    assert decode(filled + b"\n", limit=64) == [json.loads(filled)]
    assert decode(filled, b"\n", limit=64) == [json.loads(filled)]


@pytest.mark.parametrize(
    "pieces",
    [
        [b"x" * 65],
        [b"x" * 64, b"x"],
        [b"x" * 65 + b"\n"],
        [b"{}\n" + b"x" * 65],
        [b'{"a":"' + b"x" * 65 + b'"}\n{}\n'],
        [b" " * 65 + b"\n"],
    ],
)
def test_a_longer_line_is_an_error_as_soon_as_it_is_seen(pieces: list[bytes]) -> None:
    with pytest.raises(protocol.ProtocolError, match="longer than 64 bytes"):
        decode(*pieces, limit=64)


@pytest.mark.parametrize(
    "line",
    [
        b"hello",
        b"{",
        b"{} {}",
        b"[]",
        b"[{}]",
        b"null",
        b"1",
        b'"text"',
        b"\xff\xfe",
        b'{"a":"\xc3"}',
        b"{'a': 1}",
        b"\x00",
        b"[" * 5000,
        b'{"a":' * 5000,
        b'{"a":' + b"9" * 5000 + b"}",
    ],
    ids=lambda line: line[:12].decode("latin-1"),
)
def test_a_line_that_is_not_an_object_is_an_error(line: bytes) -> None:
    with pytest.raises(protocol.ProtocolError):
        decode(line + b"\n")


@given(MESSAGES, st.data())
def test_encoding_and_decoding_return_the_message(messages: list[dict[str, Any]], data: st.DataObject) -> None:
    stream = b"".join(map(protocol.encode, messages))
    cuts = data.draw(st.lists(st.integers(0, len(stream)), max_size=8).map(sorted))
    pieces = [stream[start:end] for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True)]
    assert decode(*pieces) == messages


@given(MESSAGES)
def test_a_message_is_one_line(messages: list[dict[str, Any]]) -> None:
    for message in messages:
        line = protocol.encode(message)
        assert line.endswith(b"\n")
        assert line.count(b"\n") == 1


@given(st.lists(st.binary(max_size=200), max_size=8))
@example([b'{"a":NaN}\n'])
@example([b'{"a":Infinity}\n'])
@example([b'{"a":"\\ud800"}\n'])
@example([b"\xef\xbb\xbf{}\n"])
def test_bytes_of_any_kind_are_messages_or_a_protocol_error(pieces: list[bytes]) -> None:
    try:
        messages = decode(*pieces, limit=300)
    except protocol.ProtocolError:
        return
    assert all(isinstance(message, dict) for message in messages)


@given(st.binary(max_size=300))
def test_an_error_of_a_peer_can_be_answered(garbage: bytes) -> None:
    """The text of an error fits into a message of ours, whatever the line was."""
    try:
        decode(garbage + b"\n")
    except protocol.ProtocolError as error:
        answer = protocol.encode(protocol.failure(None, protocol.PARSE_ERROR, str(error)))
        assert decode(answer)[0]["error"]["code"] == protocol.PARSE_ERROR


@pytest.mark.usefixtures("starts_processes")
@pytest.mark.parametrize("version", interpreters.VERSIONS)
def test_the_same_bytes_under_old_pythons(version: str) -> None:
    """Golden messages go in as JSON and come out as lines; the deep one must not crash an old parser."""
    program = """
import json, sys
sys.path.insert(0, sys.argv[1])
from agentd.wire import protocol
for message in json.load(sys.stdin):
    line = protocol.encode(message)
    assert protocol.Decoder().feed(line) == [message]
    sys.stdout.buffer.write(line)
try:
    protocol.Decoder().feed(b"[" * 100000 + b"\\n")
except protocol.ProtocolError:
    sys.stdout.buffer.write(b"refused\\n")
"""
    done = subprocess.run(
        [interpreters.need(version), "-I", "-S", "-c", program, Path(__file__).parents[2]],
        input=json.dumps([message for message, _ in GOLDEN]).encode(),
        stdout=subprocess.PIPE,
        check=True,
    )
    assert done.stdout == b"".join(line for _, line in GOLDEN) + b"refused\n"


def test_half_a_character_is_replaced_on_the_way_out() -> None:
    """A file name may hold bytes that are not UTF-8. Python shows them as surrogates, which UTF-8 cannot encode."""
    assert protocol.encode({"name": "a\udcffb"}) == b'{"name":"a?b"}\n'


@given(st.binary(max_size=200))
def test_bytes_travel_as_text(data: bytes) -> None:
    text = protocol.pack(data)
    assert text.isascii()
    assert protocol.unpack(text) == data


@pytest.mark.parametrize("text", ["A", "AB=", "A B=", "ä===", "AAA=AAA=", None, 7, b"AAAA", ["AAAA"]])
def test_text_that_is_not_base64_is_a_value_error(text: object) -> None:
    with pytest.raises(ValueError, match=r"."):
        protocol.unpack(text)


def test_a_page_of_bytes_fits_into_a_line() -> None:
    page = protocol.notification("task.output", {"record": "r" * 64, "data": protocol.pack(bytes(protocol.PAGE_LIMIT))})
    assert len(protocol.encode(page)) < protocol.LINE_LIMIT / 2


@pytest.mark.skipif(os.name != "posix", reason="unix sockets")
@pytest.mark.parametrize("length", [20, protocol.SOCKET_PATH_LIMIT, protocol.SOCKET_PATH_LIMIT + 1, 240])
def test_a_socket_of_any_path_can_be_reached(tmp_path: Path, length: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / ("x" * max(1, min(200, length - len(str(tmp_path)) - len("//agentd.sock"))))
    folder.mkdir()
    path = folder / "agentd.sock"
    if length == 20:
        path = Path("agentd.sock")  # a relative one
    with socket.socket(socket.AF_UNIX) as sock, socket.socket(socket.AF_UNIX) as visitor:
        with protocol.reachable(str(path)) as name:
            sock.bind(name)
            sock.listen()
        with protocol.reachable(str(path)) as name:
            visitor.connect(name)
            assert len(os.fsencode(name)) <= protocol.SOCKET_PATH_LIMIT
        visitor.sendall(b"{}\n")
        accepted, _ = sock.accept()
        with accepted:
            assert decode(accepted.recv(16)) == [{}]
    assert path.is_socket()
    assert not Path(name).exists() or length <= protocol.SOCKET_PATH_LIMIT, "the short way is gone afterwards"
