"""Answers of agents, field by field and over every transport: an odd value is refused, and harms only that agent."""

from __future__ import annotations

import asyncio
import contextlib
import copy
import json
import math
import ssl
import sys
from collections.abc import Awaitable, Callable, Iterator
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest

from agentd.wire import protocol
from assist_cli.agents import address
from assist_cli.agents.answers import (
    ANSWERS,
    NOTIFICATIONS,
    REFUSAL,
    FieldKind,
    ListOf,
    May,
    Misfit,
    Object,
    OrNull,
    greeting,
)
from assist_cli.agents.client import Chunk, Client
from assist_cli.deploy import pki
from assist_cli.errors import AgentError, AgentRefused, ClientNotOnline, ConnectionLost, InvalidAnswer
from assist_cli.model.timeouts import DEFAULTS
from assist_cli.paths import Home
from tests.support import hostile, sshd
from tests.support.place import CONTROLLER, free_port

WAYS = ["unix", "tls", pytest.param("ssh", marks=[pytest.mark.process, pytest.mark.long])]
RECORD = "r-record"
MISSING = object()
DEEP = json.loads("[" * 200 + "]" * 200)
ENORMOUS = "é" * 20_000

# No field of the table accepts one of these.
ODD: dict[str, object] = {
    "10^50": 10**50,
    "-10^50": -(10**50),
    "1e300": 1e300,
    "NaN": math.nan,
    "infinity": math.inf,
    "list": [1],
    "list of lists": [["a"]],
    "deep": DEEP,
    "deep object": {"a": DEEP},
    "empty object": {},
    "surrogate": "\ud800",
    "surrogate inside": "a\udfffb",
    "NUL": "a\0b",
    "enormous": ENORMOUS,
    "many": ["a"] * 20_000,
}
# Values that some fields accept and others do not; accepted values must be usable.
DOUBTFUL: dict[str, object] = {
    "missing": MISSING,
    "null": None,
    "true": True,
    "zero": 0,
    "-1": -1,
    "1.5": 1.5,
    "2^53": 2**53,
    "2^53+1": 2**53 + 1,
    "2^63": 2**63,
    "empty text": "",
    "number as text": "1",
    "lines": "a\nb",
    "Running": "Running",
    "ClientNotResponse": "ClientNotResponse",
    "stdin": "stdin",
    "empty list": [],
}


class Agent:
    """A hostile agent at one address; ``said`` is its answer to the next requests instead of the true one."""

    def __init__(self) -> None:
        self.said: list[bytes] | None = None
        self.address = ""

    def say(self, request: dict[str, Any]) -> list[bytes] | None:
        if self.said is None:
            return None
        return [each.replace(b'"ID"', json.dumps(request.get("id")).encode()) for each in self.said]


@pytest.fixture(params=WAYS)
def agent(request: pytest.FixtureRequest, isolation: Path, no_leaks: None) -> Iterator[Agent]:
    """A hostile agent, reached by each transport."""
    made, way, port = Agent(), request.param, free_port()
    path = isolation / "there" / "agentd.sock"
    path.parent.mkdir()
    with contextlib.ExitStack() as stack:
        tls = None
        if way == "tls":
            tls = (certified(isolation), port)
        stack.enter_context(hostile.listening(path, made.say, tls=tls))
        made.address = {"unix": f"unix:{path}", "tls": f"tls:127.0.0.1:{port}"}.get(way, "")
        if way == "ssh":
            server = stack.enter_context(sshd.serving(isolation / "sshd", agent=path.parent))
            root = str(Path(protocol.__file__).parents[2])
            start = f"import sys; sys.path.insert(0, {root!r}); from agentd.__main__ import main; sys.exit(main())"
            words = (sys.executable, "-I", "-S", "-c", start, "bridge", "--home", str(path.parent))
            sshd.launcher(path.parent / "agentd", *words)
            made.address = f"ssh:{server.place}"
        yield made


def certified(isolation: Path) -> ssl.SSLContext:
    """The certificate files of an agent with a valid certificate."""
    home, now = Home(isolation / "assist"), datetime.now(timezone.utc)
    pki.prepare(home, CONTROLLER, now)
    credentials = pki.agent_credentials(home, CONTROLLER, hostile.INSTANCE, now)
    for name, data in (("agent.pem", credentials.certificate), ("agent.key", credentials.key)):
        (isolation / name).write_bytes(data)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(isolation / "agent.pem", isolation / "agent.key")
    context.load_verify_locations(cadata=credentials.authority.decode())
    context.verify_mode = ssl.CERT_REQUIRED
    return context


async def connect(agent: Agent, isolation: Path) -> Client:
    return await address.connect(
        agent.address, home=Home(isolation / "assist"), controller=CONTROLLER, timeouts=DEFAULTS.agent
    )


def within_reason(work: Awaitable[None]) -> None:
    async def timed() -> None:
        await asyncio.wait_for(work, 90)

    asyncio.run(timed())


# the table


def paths(kind: FieldKind) -> Iterator[tuple[str | int, ...]]:
    """Return the path of every value inside a value of this kind."""
    while isinstance(kind, May | OrNull):
        kind = kind.kind
    if isinstance(kind, ListOf):
        yield from ((0, *rest) for rest in paths(kind.kind))
    elif isinstance(kind, Object):
        for name, each in kind.fields.items():
            yield (name,)
            yield from ((name, *rest) for rest in paths(each))


def put(document: Any, path: tuple[str | int, ...], value: object) -> None:
    """Set the value at a path of a document, or remove it."""
    *before, last = path
    for step in before:
        document = document[step]
    if value is not MISSING:
        document[last] = value
    elif isinstance(last, str):
        del document[last]


def true_message(method: str) -> tuple[list[dict[str, Any]], dict[str, Any], list[dict[str, Any]], str]:
    """A true answer or notification, what comes before and after it, and the key of the fields."""
    is_answer = method not in NOTIFICATIONS
    asked = {"record": RECORD, "records": [RECORD]} if is_answer else {"record": RECORD, "watch": {}}
    said = hostile.honest({"id": "ID", "method": method if is_answer else "task.run", "params": asked})
    if is_answer:
        return [], said[0], [], "result"
    if method == "task.gap":
        said[1] = protocol.notification("task.gap", {"record": RECORD, "offset": 0, "bytes": 5})
    (position,) = (at for at, each in enumerate(said) if each.get("method") == method)
    return said[:position], said[position], said[position + 1 :], "params"


def cases() -> Iterator[tuple[str, tuple[str | int, ...], str, list[bytes], bool]]:
    """Every field of the table with every odd value: method, path, name of the value, message, surely refused."""
    for method, kind in {**ANSWERS, **NOTIFICATIONS}.items():
        before, message, after, key = true_message(method)
        for path in paths(kind):
            if path == ("record",) and method in NOTIFICATIONS:  # then it belongs to no request
                continue
            for name, value in {**ODD, **DOUBTFUL}.items():
                lie = copy.deepcopy(message)
                put(lie[key], path, value)
                yield method, path, name, [dumped(each) for each in [*before, lie, *after]], name in ODD
    for path in paths(REFUSAL):
        for name, value in {**ODD, **DOUBTFUL}.items():
            lie = protocol.failure("ID", -32000, "no", "RecordNotFound", epoch=7)
            put(lie["error"], path, value)
            yield "task.get", ("error", *path), name, [dumped(lie)], name in ODD


def dumped(message: dict[str, Any]) -> bytes:
    return json.dumps(message, separators=(",", ":")).encode() + b"\n"


async def asked(client: Client, method: str, record: str) -> object:
    """Return the answer to a request, or the output of the watch that the notification ``method`` belongs to."""
    if method not in NOTIFICATIONS:
        return await client.call(method, {"record": record})
    await client.run({"record": record})
    return [event async for event in client.watch(record)]


@pytest.mark.long
def test_every_odd_value_of_every_field_is_refused_or_usable(agent: Agent, isolation: Path) -> None:
    async def work() -> None:
        client = await connect(agent, isolation)
        for number, (method, path, name, said, is_odd) in enumerate(cases()):
            record = f"r-{number}"
            agent.said = [each.replace(f'"{RECORD}"'.encode(), f'"{record}"'.encode()) for each in said]
            try:
                heard: object = await asked(client, method, record)
            except InvalidAnswer as error:
                heard, fits = error.message, True
            except AgentRefused as error:
                heard, fits = error.message, path[0] == "error"
            else:
                fits = not is_odd
            assert fits, (method, path, name)
            text = json.dumps(heard, allow_nan=False, default=repr, ensure_ascii=False)
            assert len(text.encode()) < 6000, (method, path, name)
        assert client.is_open, "a field that does not fit ends no connection"
        agent.said = None
        assert (await client.call("agent.status", {}))["running"] == 0
        client.close()

    within_reason(work())


# lines that are not messages, or belong to no request

ENDS: dict[str, bytes] = {
    "not JSON": b"hello\n",
    "invalid UTF-8": b'{"jsonrpc":"2.0","id":"ID","result":"\xff"}\n',
    "a list": b"[]\n",
    "a batch": b'[{"jsonrpc":"2.0","id":"ID","result":{}}]\n',
    "no version": b'{"id":"ID","result":{}}\n',
    "another version": b'{"jsonrpc":2.0,"id":"ID","result":{}}\n',
    "neither result nor error": b'{"jsonrpc":"2.0","id":"ID"}\n',
    "both": b'{"jsonrpc":"2.0","id":"ID","result":{},"error":{}}\n',
    "never asked for": b'{"jsonrpc":"2.0","id":99999,"result":{}}\n',
    "id of text": b'{"jsonrpc":"2.0","id":"1","result":{}}\n',
    "id of true": b'{"jsonrpc":"2.0","id":true,"result":{}}\n',
    "id of a list": b'{"jsonrpc":"2.0","id":[1],"result":{}}\n',
    "id of null": b'{"jsonrpc":"2.0","id":null,"result":{}}\n',
    "error about nobody, odd": b'{"jsonrpc":"2.0","id":null,"error":{"code":null,"message":[]}}\n',
    "deep": b'{"jsonrpc":"2.0","id":"ID","result":' + b"[" * 300_000 + b"\n",
    "a number of 100,000 digits": b'{"jsonrpc":"2.0","id":"ID","result":{"state":' + b"9" * 100_000 + b"}}\n",
    "a line without end": b"x" * (2 * 1024 * 1024),
    "a notification of nobody": b'{"jsonrpc":"2.0","method":"task.output","params":{}}\n',
    "a notification without params": b'{"jsonrpc":"2.0","method":"task.output"}\n',
    "a notification of a list": b'{"jsonrpc":"2.0","method":"task.output","params":{"record":["r-record"]}}\n',
    "a method of a list": b'{"jsonrpc":"2.0","method":["task.output"],"params":{"record":"r-record"}}\n',
}
HARMLESS: dict[str, bytes] = {
    "a notification of an unknown record": b'{"jsonrpc":"2.0","method":"task.output","params":{"record":"r-2"}}\n',
    "an unknown notification": b'{"jsonrpc":"2.0","method":"task.news","params":{"record":"r-record"}}\n',
    "empty lines": b"\n" * 1000,
}
TRUE = b'{"jsonrpc":"2.0","id":"ID","result":{"record":"r-record","state":"Running"}}\n'


def test_a_line_that_is_not_a_message_closes_the_connection_with_a_reason(agent: Agent, isolation: Path) -> None:
    async def work() -> None:
        for name, data in ENDS.items():
            client = await connect(agent, isolation)
            agent.said = [data]
            with pytest.raises(AgentError) as caught:
                await client.call("task.stop", {"record": RECORD})
            assert isinstance(caught.value, InvalidAnswer), name
            assert not client.is_open, name
            agent.said = None

    within_reason(work())


def test_messages_for_nobody_are_skipped(agent: Agent, isolation: Path) -> None:
    async def work() -> None:
        client = await connect(agent, isolation)
        for name, data in HARMLESS.items():
            agent.said = [data, TRUE, TRUE]  # and it answers twice
            assert (await client.call("task.stop", {"record": RECORD}))["state"] == "Running", name
        agent.said = [b'{"jsonrpc":"2.0","id":"ID","result":{"state":"No","record":"r-record","state":"Running"}}\n']
        assert (await client.call("task.stop", {"record": RECORD}))["state"] == "Running", "the last of two"
        client.close()

    within_reason(work())


def test_a_wrong_record_and_wrong_offsets_are_refused(agent: Agent, isolation: Path) -> None:
    async def work() -> None:
        client = await connect(agent, isolation)
        agent.said = [TRUE.replace(b"r-record", b"r-2")]
        with pytest.raises(InvalidAnswer, match="'record'"):
            await client.call("task.stop", {"record": RECORD})
        run, output, _ = map(
            dumped, hostile.honest({"id": "ID", "method": "task.run", "params": {"record": RECORD, "watch": {}}})
        )
        gap = dumped(protocol.notification("task.gap", {"record": RECORD, "offset": 0, "bytes": 2**53}))
        more = gap.replace(b'"offset":0', b'"offset":%d' % 2**53)
        for said in ([run, output.replace(b'"offset":0', b'"offset":1')], [run, gap, more]):
            agent.said = said
            await client.run({"record": RECORD})
            with pytest.raises(InvalidAnswer, match="task"):
                async with contextlib.aclosing(client.watch(RECORD)) as events:
                    async for _ in events:
                        pass
        client.close()

    within_reason(work())


def test_bytes_that_come_twice_are_read_one_time(agent: Agent, isolation: Path) -> None:
    request = {"id": "ID", "method": "task.run", "params": {"record": RECORD, "watch": {}}}
    run, output, end = map(dumped, hostile.honest(request))
    longer = output.replace(protocol.pack(b"good\n").encode(), protocol.pack(b"good\nmore").encode())

    async def work() -> None:
        client = await connect(agent, isolation)
        agent.said = [run, output, output, longer, output, end]
        await client.run({"record": RECORD})
        events = [event async for event in client.watch(RECORD)]
        assert b"".join(event.data for event in events if isinstance(event, Chunk)) == b"good\nmore"
        client.close()

    within_reason(work())


def test_an_ended_watch_is_not_mixed_with_the_next(agent: Agent, isolation: Path) -> None:
    async def work() -> None:
        client = await connect(agent, isolation)
        async with contextlib.aclosing(client.watch(RECORD)) as events:
            await anext(events)
        with pytest.raises(ConnectionLost):
            await anext(client.watch(RECORD))
        assert not client.is_open

    within_reason(work())


def test_an_incomplete_line_waits_for_its_end(agent: Agent, isolation: Path) -> None:
    async def work() -> None:
        client = await connect(agent, isolation)
        agent.said = [TRUE[:40]]
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(client.call("task.stop", {"record": RECORD}), 0.2)
        client.close()
        with pytest.raises(ConnectionLost):
            await client.call("task.stop", {"record": RECORD})

    within_reason(work())


def test_an_odd_hello_is_refused(agent: Agent, isolation: Path) -> None:
    greeting = hostile.honest({"id": "ID", "method": "agent.hello", "params": {}})[0]

    async def greet(path: tuple[str | int, ...], value: object) -> None:
        lie = copy.deepcopy(greeting)
        put(lie["result"], path, value)
        agent.said = [dumped(lie)]
        with pytest.raises(ClientNotOnline, match="does not fit"):
            await connect(agent, isolation)

    async def work() -> None:
        await greet(("protocol",), [1])
        await greet(("instance",), MISSING)
        await greet(("instance",), "../../etc")
        agent.said = [dumped(protocol.failure("ID", -32000, "no", "ClientNotResponse"))]
        with pytest.raises(ClientNotOnline, match="only a controller"):
            await connect(agent, isolation)

    within_reason(work())


def test_the_facts_of_a_greeting() -> None:
    """An older agent reports fewer. Empty ones are not known."""
    older = {
        "protocol": [1, 0], "agent": "0.1.0", "instance": "i-1", "boot": "", "hostname": "web1", "os": "Linux",
        "arch": "x86_64", "python": "3.6.8",
    }  # fmt: skip
    facts = {"os": "debian", "version": "", "kernel": "6.1.0", "cpus": 4, "memory": None, "addresses": ["10.0.0.5"]}
    known = {"arch": "x86_64", "python": "3.6.8", "hostname": "web1"}

    def reported(answer: dict[str, Any]) -> dict[str, Any]:
        return dict(greeting(ANSWERS["agent.hello"].check(answer)).facts)

    assert reported(older) == known
    expected = {"os": "debian", "kernel": "6.1.0", "cpus": 4, "addresses": ["10.0.0.5"], **known}
    assert reported({**older, "facts": facts}) == expected
    for odd in ({"os": "a\n"}, {"cpus": -1}, {"memory": "1"}, {"addresses": ["a"] * 65}, {"version": "x" * 65}):
        with pytest.raises(Misfit, match="'facts"):
            reported({**older, "facts": {**facts, **odd}})


def test_the_table_is_strict_about_kinds() -> None:
    """Not visible above, since JSON has one kind of text and of number."""
    status = hostile.honest({"id": 1, "method": "agent.status", "params": {}})[0]["result"]
    check: Callable[[object], dict[str, Any]] = ANSWERS["agent.status"].check
    assert check({**status, "more": 1}).keys() == ANSWERS["agent.status"].fields.keys()
    for name in ("running", "spool"):
        with pytest.raises(Misfit, match=f"'{name}' is not a whole number"):
            check({**status, name: True})
    assert check({**status, "running": 2**31 - 1})["running"] == 2**31 - 1
    with pytest.raises(Misfit):
        check({**status, "running": 2**31})
