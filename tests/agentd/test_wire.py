"""Any bytes on a connection: they neither end the agent nor make it grow, and they are answered."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agentd import methods
from agentd.wire import protocol
from tests.agentd.conftest import EVERY_PYTHON, MakeAgent
from tests.support import variants
from tests.support.agent import Agent, Client, Closed, Refused, resident_bytes

pytestmark = pytest.mark.skipif(os.name == "nt", reason="there is no unix socket")

each_python = pytest.mark.parametrize("python", EVERY_PYTHON, indirect=True)

MIB = 1 << 20


def still_serves(agent: Agent) -> None:
    with agent.connect() as client:
        assert client.complete("echo fine").stdout == b"fine\n"
    assert "Traceback" not in agent.log_text()
    assert "a bug" not in agent.log_text()


# lines

GARBAGE = {
    "not JSON": b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
    "a TLS hello": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + os.urandom(200) + b"\n",
    "not UTF-8": b'{"jsonrpc":"2.0","id":1,"method":"\xff\xfe"}\n',
    "not an object": b"[1,2,3]\n",
    "a number": b"5\n",
    "deep": b"[" * 100_000 + b"\n",
    "deep objects": b'{"a":' * 50_000 + b"1" + b"}" * 50_000 + b"\n",
    "half": b'{"jsonrpc":"2.0","id":1,\n',
    "two on a line": b'{"id":1}{"id":2}\n',
    "huge number": b'{"id":' + b"9" * 100_000 + b"}\n",
    "too long": b'{"a":"' + b"x" * protocol.LINE_LIMIT + b'"}\n',
    "too long without end": b"x" * (protocol.LINE_LIMIT + 1),
    "NUL": b"\0" * 1000 + b"\n",
}
NO_OBJECTS = ("not an object", "a number")


@each_python
@pytest.mark.parametrize("kind", variants.every(3, GARBAGE))
def test_garbage_closes_its_connection_and_no_other(agent: Agent, kind: str) -> None:
    """With an error without an id, since the caller is unknown, and a line in the log."""
    other, rude = agent.connect(), agent.connect()
    try:
        rude.write(GARBAGE[kind])
    except Closed:
        pass  # it has not even read all of it
    else:
        refusal = rude.refusal(None)
        expected = protocol.INVALID_REQUEST if kind in NO_OBJECTS else protocol.PARSE_ERROR
        assert refusal is None or refusal.number == expected
        with pytest.raises(Closed):
            rude.listen()
    assert "violates the protocol" in agent.log_text()
    assert other.call("agent.status")["uptime"] > 0
    still_serves(agent)


def test_a_line_of_exactly_the_limit_is_accepted(client: Client) -> None:
    message = protocol.request(1, "agent.status", {"unknown": ""})
    room = protocol.LINE_LIMIT - len(protocol.encode(message)) + 1
    message["params"]["unknown"] = "x" * room
    line = protocol.encode(message)
    assert len(line) == protocol.LINE_LIMIT + 1  # the end of the line does not count
    client.write(line)
    assert client.answer(1)["uptime"] > 0


def test_empty_lines_are_ignored(client: Client) -> None:
    client.write(b"\n \r\n\n")
    assert client.call("agent.status")["uptime"] > 0


@pytest.mark.parametrize(
    "message",
    [
        {"id": 1},
        {"id": 1, "method": 5},
        {"id": 1, "method": None},
        {"id": [], "method": "agent.status"},
        {"id": {}, "method": "agent.status"},
        {"id": 1.5, "method": "agent.status"},
        {"id": True, "method": "agent.status"},
        {"jsonrpc": "2.0", "id": 1, "result": {}},
        {"jsonrpc": "1.0", "id": 1, "method": "agent.status"},
        {"jsonrpc": 2.0, "id": 1, "method": "agent.status"},
        {"jsonrpc": None, "id": 1, "method": "agent.status"},
    ],
)
def test_a_message_that_is_not_a_request_gets_an_error(client: Client, message: dict[str, Any]) -> None:
    client.write(protocol.encode(message))
    refusal = client.refusal(None)
    assert refusal is not None
    assert refusal.number == protocol.INVALID_REQUEST
    assert client.call("agent.status")["uptime"] > 0


@pytest.mark.parametrize("name", ["", "agent", "agent.Hello", "task.run ", "__init__", "x" * 10_000, "\ud800"])
def test_an_unknown_method_is_refused(client: Client, name: str) -> None:
    client.write(json.dumps({"jsonrpc": "2.0", "id": 7, "method": name}).encode() + b"\n")
    refusal = client.refusal(7)
    assert refusal is not None
    assert refusal.number == protocol.METHOD_NOT_FOUND
    assert len(refusal.message) < 200


def test_a_notification_is_never_answered(client: Client) -> None:
    """Neither a good one, nor one with bad params or an unknown method."""
    for name, params in (("agent.status", {}), ("task.get", {"record": 5}), ("task.get", None), ("no.such", {})):
        client.write(protocol.encode(protocol.notification(name, params)))
    assert client.call("agent.status")["uptime"] > 0
    assert None not in client.answers()


def test_requests_share_a_connection_and_overtake_each_other(client: Client) -> None:
    """A slow answer does not delay a quick one, and each answer has the id of its request."""
    numbers = [client.send("task.run", **client.order("sleep 0.1", f"r-{turn}")) for turn in range(10)]
    status = client.send("agent.status")
    assert client.answer(status)["uptime"] > 0
    for turn, number in reversed(list(enumerate(numbers))):
        assert client.answer(number)["record"] == f"r-{turn}"
    for turn in range(10):
        client.finish(f"r-{turn}")


# params

GOOD: dict[str, dict[str, Any]] = {
    "agent.hello": {"protocol": [1, 0], "client": "tests", "controller": "another", "epoch": 1},
    "agent.status": {},
    "task.run": {
        "record": "r-fuzz",
        "invocation": "t-1",
        "command": None,
        "type": "RunShellScript",
        "content": protocol.pack(b"true"),
        "directory": None,
        "timeout": 60,
        "username": None,
        "environment": {},
        "secrets": [],
        "keep_script": False,
        "launcher": None,
        "ending": "",
        "watch": None,
    },
    "task.watch": {"record": "r-fuzz", "offset": 0, "budget": None, "newest": False},
    "task.get": {"record": "r-fuzz", "offset": 0},
    "task.stop": {"record": "r-fuzz"},
    "task.list": {"cursor": ""},
    "task.forget": {"records": ["r-fuzz"]},
    "file.put": {
        "record": "r-fuzz-file",
        "invocation": "f-1",
        "name": "",  # no file is ever created
        "directory": "/",
        "content": "",
        "sha256": "",
        "mode": "0644",
        "owner": None,
        "group": None,
        "overwrite": False,
    },
}

WRONG = [
    *(("task.run", {name: value}) for name in ("record", "type", "content") for value in (None, 5, [], {}, True)),
    *(("task.run", {"timeout": value}) for value in (0, -1, 86401, "60", 1.5, None, True, 10**40)),
    *(("task.run", {"environment": value}) for value in ([], "x", {"A": 1}, {"A=B": "x"}, {"": "x"}, {"A": "\0"})),
    ("task.run", {"environment": {"A": "\ud800"}}),
    *(("task.run", {"launcher": value}) for value in ({}, "x", [], [1], [None], ["\ud800"])),
    *(("task.run", {"ending": value}) for value in (1, None, "/x", ".py/../x", "\0")),
    *(("task.run", {"secrets": value}) for value in ({}, "x", [1], [""], [None], ["\ud800"])),
    *(("task.run", {"content": value}) for value in ("*", "YQ", "ä")),
    *(("task.run", {"watch": value}) for value in (5, "x", [], True, {"offset": -1}, {"offset": "0"}, {"budget": -1})),
    *(("task.run", {name: "\ud800"}) for name in ("directory", "username", "invocation", "command", "record")),
    *(("task.run", {name: "a\0b"}) for name in ("directory", "username", "invocation", "type")),
    *(("task.get", {"offset": value}) for value in (-1, "0", None, 1.0, False)),
    *(("task.watch", {"budget": value}) for value in (-1, "0", 1.0, True)),
    *(("task.watch", {"newest": value}) for value in (None, 0, "true", [])),
    *(("task.forget", {"records": value}) for value in (None, "r", {}, ["r"] * 1001)),
    *(("file.put", {name: 5}) for name in ("name", "directory", "content", "sha256", "mode", "owner", "overwrite")),
    *(("file.put", {name: "\ud800"}) for name in ("name", "directory", "owner", "group", "mode")),
]


@each_python
def test_wrong_params_are_named(agent: Agent, client: Client) -> None:
    """Each by its name, and nothing has started."""
    for name, wrong in WRONG:
        number = 10_000 + len(str(wrong))
        client.write(json.dumps(protocol.request(number, name, {**GOOD[name], **wrong})).encode() + b"\n")
        refusal = client.refusal(number)
        assert refusal is not None, (name, wrong)
        # invalid ids, and offsets before all output, are detected later
        late = "record" in wrong or -1 in wrong.values()
        assert refusal.number == protocol.INVALID_PARAMS or late, (name, wrong, str(refusal))
    for params in ([], "x", 5, None):
        with pytest.raises(Refused) as refused:
            client.write(protocol.encode({"jsonrpc": "2.0", "id": 5, "method": "agent.status", "params": params}))
            client.answer(5)
        assert refused.value.number == protocol.INVALID_PARAMS
    assert client.call("task.list")["tasks"] == []
    still_serves(agent)


def test_the_good_params_are_those_of_the_table() -> None:
    """This proves that the fuzzing below covers all params."""
    assert {name: set(method.fields) for name, method in methods.METHODS.items()} == {
        name: set(params) for name, params in GOOD.items()
    }


# fuzz


@pytest.fixture
def fuzzed(make_agent: MakeAgent) -> Iterator[Agent]:
    """An agent that has answered some requests already, and must be no larger at the end."""
    agent = make_agent().start()
    client = agent.connect()
    for _ in range(20):
        client.complete("true")
        client.call("task.list")
    client.close()
    before = resident_bytes(agent.pid)
    yield agent
    assert resident_bytes(agent.pid) - before < 8 * MIB
    still_serves(agent)


ANY = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20) | st.just("r-fuzz"),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=6,
)


@st.composite
def calls(draw: st.DrawFn) -> tuple[str, Any]:
    """A method with its params, some of them replaced, added or missing; sometimes something else."""
    name = draw(st.sampled_from(sorted(GOOD)))
    if draw(st.integers(0, 9)) == 0:
        return name, draw(ANY)
    params = dict(GOOD[name])
    for field in draw(st.lists(st.sampled_from([*params, "unknown"]), max_size=3)) if params else []:
        if draw(st.booleans()):
            params[field] = draw(ANY)
        else:
            params.pop(field, None)
    return name, params


FUZZ = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)


def fuzz_methods(agent: Agent, wanted: list[tuple[str, Any]]) -> None:
    with agent.connect() as client:
        client.outputs = _Everything()
        for number, (name, params) in enumerate(wanted):
            line = json.dumps({"jsonrpc": "2.0", "id": number, "method": name, "params": params}).encode() + b"\n"
            client.write(line)
        for number in range(len(wanted)):
            client.refusal(number)  # answered, with a result or an error


class _Everything(dict):  # type: ignore[type-arg]
    """Accepts every notification and keeps none."""

    def __missing__(self, record: str) -> _Everything:
        return self

    def add(self, method: str, params: Any) -> None:
        pass


@each_python
@FUZZ
@given(wanted=st.lists(calls(), min_size=1, max_size=12))
def test_any_params_are_answered(fuzzed: Agent, wanted: list[tuple[str, Any]]) -> None:
    fuzz_methods(fuzzed, wanted)


@each_python
@FUZZ
@given(data=st.lists(st.binary(max_size=200) | st.sampled_from([b"\n", b"{", b'"', b"}\n", b"[[", b'{"id":1}\n'])))
def test_any_bytes_are_answered_or_close_the_connection(fuzzed: Agent, data: list[bytes]) -> None:
    with fuzzed.connect() as client:
        try:
            client.write(b"".join(data) + b"\n")
            client.write(protocol.encode(protocol.request("last", "agent.status", {})))
            client.answer("last")  # type: ignore[arg-type]
        except (Closed, KeyError):
            return


@pytest.mark.soak
@pytest.mark.timeout(3600)
def test_thousands_of_any_params(fuzzed: Agent) -> None:
    @settings(FUZZ, max_examples=5000)
    @given(wanted=st.lists(calls(), min_size=1, max_size=12))
    def fuzz(wanted: list[tuple[str, Any]]) -> None:
        fuzz_methods(fuzzed, wanted)

    fuzz()
