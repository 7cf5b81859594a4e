"""Epochs: of several copies of a controller an agent serves the one that took over last, whatever happens to it."""

from __future__ import annotations

import json
import os
import resource
import signal
from pathlib import Path
from typing import Any

import pytest

from agentd import epochs
from agentd.wire import protocol
from tests.agentd.conftest import EVERY_PYTHON, MakeAgent
from tests.support import variants
from tests.support.agent import Agent, Client, Closed, Refused, eventually, kill_and_wait

pytestmark = [pytest.mark.skipif(os.name == "nt", reason="signals and limits are those of a Unix")]
on_every_python = pytest.mark.parametrize("python", EVERY_PYTHON, indirect=True)

HOME = "home"  # the controller; the one that ends the agent after a test has another name


def ask(agent: Agent, epoch: Any, controller: str = HOME) -> tuple[Client, int]:
    """A connection, and the number of its greeting, which waits for an answer."""
    client = agent.connect(controller, hello=False)
    words = {"protocol": list(protocol.VERSION), "controller": controller}
    return client, client.send("agent.hello", **words, **({} if epoch is None else {"epoch": epoch}))


def greet(agent: Agent, epoch: Any, controller: str = HOME) -> Client:
    """A greeted connection. Raises Refused."""
    client, number = ask(agent, epoch, controller)
    client.agent = client.answer(number)
    return client


def refused(agent: Agent, epoch: Any, controller: str = HOME) -> Refused:
    with pytest.raises(Refused) as refusal:
        greet(agent, epoch, controller)
    return refusal.value


def on_disk(agent: Agent) -> Any:
    return json.loads((agent.home / "epochs.json").read_text())


@on_every_python
def test_a_lower_epoch_is_refused_and_an_equal_one_is_served(agent: Agent) -> None:
    assert "epochs" in greet(agent, 5).agent["features"]
    refusal = refused(agent, 4)
    assert refusal.code == "ControllerReplaced"
    assert refusal.data["epoch"] == 5
    assert "another server has taken over from this controller" in str(refusal)
    assert greet(agent, 5).complete("echo served").stdout == b"served\n"
    greet(agent, 6)
    assert refused(agent, 5).code == "ControllerReplaced"
    assert on_disk(agent) == {HOME: 6}
    assert (agent.home / "epochs.json").stat().st_mode & 0o777 == 0o600


def test_an_older_controller_sends_none_which_counts_as_zero(agent: Agent) -> None:
    greet(agent, None)
    greet(agent, 0)
    assert not (agent.home / "epochs.json").exists()
    greet(agent, 1)
    assert refused(agent, None).code == "ControllerReplaced"


def test_a_controller_has_its_own_epoch(agent: Agent) -> None:
    greet(agent, 5, "one")
    greet(agent, 0, "another")
    greet(agent, 9, "another")
    greet(agent, 5, "one")
    assert refused(agent, 8, "another").code == "ControllerReplaced"
    assert on_disk(agent) == {"one": 5, "another": 9}


def test_connections_of_a_lower_epoch_are_closed_and_their_tasks_continue(agent: Agent) -> None:
    old, other, late = greet(agent, 1), greet(agent, 0, "another"), agent.connect(hello=False)
    record = old.run("echo begun; sleep 60")
    new = greet(agent, 2)
    with pytest.raises(Closed):
        old.call("agent.status")
    assert other.call("agent.status")["running"] == 1
    assert late.refusal(late.send("agent.hello", protocol=[1, 0], controller=HOME, epoch=1)) is not None
    assert new.call("task.get", record=record)["state"] == "Running"
    assert new.call("task.run", **new.order("echo twice", record))["known"]
    new.call("task.stop", record=record)
    assert new.finish(record).stdout == b"begun\n"


@on_every_python
@pytest.mark.parametrize("end", ["restart", "kill -9"])
def test_it_is_kept_by_the_next_agent(agent: Agent, end: str) -> None:
    greet(agent, 5)
    agent.kill() if end == "kill -9" else agent.stop()
    agent.start()
    assert refused(agent, 4).code == "ControllerReplaced"
    greet(agent, 5)


@on_every_python
def test_a_slow_disk_delays_its_greeting_and_nobody_else(agent: Agent) -> None:
    """The child that is to write is stopped. An answer before it has written would be a promise that is not kept."""
    served = greet(agent, 1)
    child = agent.idle()
    os.kill(child, signal.SIGSTOP)
    try:
        first, number = ask(agent, 7)
        second, another = ask(agent, 7)
        lower, third = ask(agent, 6)
        assert served.call("agent.status")["running"] == 0  # not replaced yet
        greet(agent, 1)
        assert not {number, another, third} & (first.answers() | second.answers() | lower.answers())
        assert on_disk(agent) == {HOME: 1}
    finally:
        os.kill(child, signal.SIGCONT)
    first.answer(number)
    second.answer(another)
    refusal = lower.refusal(third)
    assert refusal is not None
    assert refusal.code == "ControllerReplaced"
    with pytest.raises(Closed):
        served.call("agent.status")


def test_a_child_that_dies_promises_nothing(agent: Agent) -> None:
    greet(agent, 1)
    child = agent.idle()
    os.kill(child, signal.SIGSTOP)
    client, number = ask(agent, 7)
    served = greet(agent, 1)  # by now the child has its order
    kill_and_wait(child)
    refusal = client.refusal(number)
    assert refusal is not None
    assert refusal.code == "ClientNotOnline"
    assert "cannot write the epoch of the controller" in str(refusal)
    assert served.call("agent.status")["running"] == 0
    greet(agent, 7)


def test_a_child_of_a_killed_agent_does_not_undo_a_later_epoch(agent: Agent) -> None:
    greet(agent, 1)
    child = agent.idle()
    os.kill(child, signal.SIGSTOP)
    ask(agent, 7)
    greet(agent, 1)
    agent.kill()
    os.kill(child, signal.SIGCONT)
    agent.start()
    greet(agent, 8)
    assert on_disk(agent) == {HOME: 8}
    eventually(lambda: not Path(f"/proc/{child}").exists() or child == agent.idle())
    assert on_disk(agent) == {HOME: 8}


def test_a_child_keeps_the_lock_of_the_agent_until_it_has_written(isolation: Path) -> None:
    """Else it could overwrite the file of a later agent."""
    path = isolation / "epochs.json"
    calls: list[str] = []

    class Channel:
        def settle(self) -> None:
            calls.append("settle")

    assert epochs.write({"path": str(path), "epochs": {"é": 7}}, Channel()) == {"error": ""}
    assert calls == []
    assert json.loads(path.read_bytes()) == {"é": 7}


def test_a_full_disk_promises_nothing_and_leaves_nothing(make_agent: MakeAgent) -> None:
    """A limit of the size of files stands for the disk."""
    agent = make_agent().start()
    resource.prlimit(agent.pid, resource.RLIMIT_FSIZE, (0, resource.RLIM_INFINITY))
    served = greet(agent, 0)
    refusal = refused(agent, 5)
    assert refusal.code == "ClientNotOnline"
    assert "File too large" in str(refusal)
    assert served.call("agent.status")["running"] == 0
    greet(agent, 0)
    assert not list(agent.home.glob("epochs.json*"))
    resource.prlimit(agent.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    kill_and_wait(agent.idle())  # it has the old limit
    greet(agent, 5)
    assert on_disk(agent) == {HOME: 5}


def test_what_is_not_an_epoch_is_refused(agent: Agent) -> None:
    client = agent.connect(hello=False)
    several: tuple[object, ...] = (-1, 1 << 53, 10**30, 1.5, True, "1", None, [])
    for epoch in several:
        refusal = client.refusal(client.send("agent.hello", protocol=[1, 0], controller=HOME, epoch=epoch))
        assert refusal is not None
        assert refusal.number == protocol.INVALID_PARAMS
    greet(agent, (1 << 53) - 1)


def test_their_number_is_limited(make_agent: MakeAgent) -> None:
    agent = make_agent()
    (agent.home / "epochs.json").write_text(json.dumps({f"c{number}": 1 for number in range(epochs._MOST)}))
    agent.start()
    assert "which is the limit" in str(refused(agent, 1))
    greet(agent, 0)
    greet(agent, 2, "c7")


@pytest.mark.parametrize(
    "content", variants.every(4, [b"", b"{", b"\xff", b"[1]", b'{"home": "9", "more": true, "good": 3}'])
)
def test_a_damaged_file_counts_as_an_empty_one(make_agent: MakeAgent, content: bytes) -> None:
    agent = make_agent()
    (agent.home / "epochs.json").write_bytes(content)
    agent.start()
    greet(agent, 1)
    greet(agent, 1, "more")
    assert on_disk(agent)[HOME] == 1
