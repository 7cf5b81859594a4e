"""The child processes of an agent: a clean one waits for the next task, and shares nothing else with the last one."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import time
from pathlib import Path

import pytest

from agentd import channel, shim
from tests.agentd.conftest import EVERY_PYTHON, MakeAgent
from tests.support.agent import Agent, Client, eventually, gone, is_alive, is_idle, kill_and_wait, new_record
from tests.support.processes import children

pytestmark = pytest.mark.skipif(os.name == "nt", reason="there is no fork, and a child has one order")

INTERRUPTED = ("Failed", "ExecutionInterrupted")


def state(result: dict[str, object] | None) -> tuple[object, object]:
    assert result is not None
    return result["state"], result["error_code"]


def descriptors(pid: int) -> list[str]:
    return sorted(str(entry.readlink()).split(":")[0] for entry in Path(f"/proc/{pid}/fd").iterdir())


@pytest.mark.parametrize("python", EVERY_PYTHON, indirect=True)
def test_a_shim_is_reused_and_keeps_nothing(agent: Agent) -> None:
    """Descriptors, signals and signal mask of the second script equal those of the first."""
    client = agent.connect()
    signals = "grep -E '^Sig(Blk|Ign|Cgt)' /proc/self/status"
    script = f"umask; pwd; {signals}; ls /proc/self/fd; env | grep -v _RECORD_ID | sort; exit 3"
    outputs, shims, held = [], [], []
    for _ in range(3):
        record = client.run(script)
        output = client.finish(record)
        assert state(output.result) == ("Finished", "")
        outputs.append(output.stdout)
        shims.append(agent.shim(record))
        assert agent.idle() == shims[-1]
        held.append(descriptors(shims[-1]))
    assert len(set(shims)) == 1
    assert len(set(outputs)) == 1
    assert held == held[:1] * 3


def test_a_child_waits_when_its_record_ends(agent: Agent) -> None:
    """A request that follows the end of the record before needs no other child."""
    client = agent.connect()
    records = []
    for _ in range(12):
        records.append(client.run("true"))
        client.finish(records[-1])
    assert len({agent.shim(record) for record in records}) == 1


def test_a_request_may_be_long(client: Client) -> None:
    """Longer than the buffer of a socket, for a new child and for a waiting one."""
    for _ in range(2):
        script = "#" * 700_000 + "\nprintf whole"
        assert client.complete(script).stdout == b"whole"


def test_a_child_whose_script_left_a_process_is_not_reused(agent: Agent) -> None:
    """The left process would count as part of the next task, and be killed with it."""
    client = agent.connect()
    record = client.run("setsid sleep 600 >/dev/null 2>&1 & echo $!")
    left = int(client.finish(record).stdout)
    assert gone(agent.shim(record))
    stopped = client.run("sleep 600")
    assert agent.shim(stopped) != agent.shim(record)
    agent.main(stopped)
    client.call("task.stop", record=stopped)
    assert state(client.finish(stopped).result) == ("Stopped", "ExecutionInterrupted")
    assert is_alive(left)
    kill_and_wait(left)


def test_a_child_that_knew_a_secret_is_not_reused(agent: Agent) -> None:
    client = agent.connect()
    record = client.run("echo sesame", secrets=["sesame"])
    assert client.finish(record).stdout == b"********\n"
    assert gone(agent.shim(record))
    assert client.complete("echo fine").stdout == b"fine\n"


def test_a_child_is_reused_after_a_refusal(agent: Agent, isolation: Path) -> None:
    """A child that could not accept or start its task is as good as a new one."""
    client = agent.connect()
    client.complete("true")
    child = agent.idle()
    held = descriptors(child)
    assert state(client.result("true", directory=str(isolation / "missing"))) == ("Failed", "WorkingDirectoryNotExist")
    assert agent.idle() == child
    assert state(client.result("true", username="no-such-user")) == ("Failed", "AccountNotExists")
    assert agent.idle() == child
    assert state(client.result(f"#!{isolation}/missing\n")) == ("Failed", "ExecutionException")
    assert agent.idle() == child
    assert client.complete("echo fine").stdout == b"fine\n"
    assert agent.idle() == child
    assert descriptors(child) == held


def test_one_of_many_children_keeps_waiting(agent: Agent) -> None:
    """After a short time, in which more of them may be needed."""
    client = agent.connect()
    records = [client.run("sleep 600") for _ in range(5)]
    shims = {agent.shim(record) for record in records}
    assert len(shims) == 5
    for record in records:
        agent.main(record)
        client.call("task.stop", record=record)
        client.finish(record)
    eventually(lambda: len(children(agent.pid)) == 1)
    assert agent.idle() in shims


def test_a_waiting_child_that_is_killed_is_replaced(agent: Agent) -> None:
    client = agent.connect()
    for number in (signal.SIGKILL, signal.SIGTERM):
        client.complete("true")
        child = agent.idle()
        os.kill(child, number)
        assert gone(child)
        assert client.complete("echo fine").stdout == b"fine\n"


def test_the_request_of_a_killed_child_goes_to_another(agent: Agent) -> None:
    """The child waits, gets a request, and is killed before it has read it."""
    client = agent.connect()
    client.complete("true")
    child = agent.idle()
    os.kill(child, signal.SIGSTOP)
    order = client.order("echo fine", new_record())
    number = client.send("task.run", **order)
    client.call("agent.status")  # so the child has it
    os.kill(child, signal.SIGKILL)
    assert not client.answer(number)["known"]
    assert client.finish(order["record"]).stdout == b"fine\n"


def test_a_request_that_a_child_has_is_known_to_the_next_agent(agent: Agent, isolation: Path) -> None:
    """The lock is passed with the request: no agent starts before the record is accepted or not."""
    client = agent.connect()
    client.complete("true")
    child = agent.idle()
    os.kill(child, signal.SIGSTOP)
    effects = isolation / "effects"
    order = client.order(f"echo $$ >> {effects}", new_record())
    client.send("task.run", **order)
    client.call("agent.status")
    agent.kill()
    waiting = os.fork()
    if waiting == 0:  # continues it while the next agent waits for the lock
        time.sleep(0.3)
        os.kill(child, signal.SIGCONT)
        os._exit(0)
    try:
        client = agent.start().connect()
    finally:
        os.waitpid(waiting, 0)
    assert client.call("task.run", **order)["known"]
    assert state(client.finish(order["record"]).result) == ("Finished", "")
    assert len(effects.read_text().splitlines()) == 1
    assert gone(child)


def test_a_child_ends_with_its_agent(agent: Agent) -> None:
    client = agent.connect()
    client.complete("true")
    child = agent.idle()
    agent.kill()
    assert gone(child)
    client = agent.start().connect()
    client.complete("true")
    child = agent.idle()
    agent.stop()
    assert gone(child)


def test_a_late_stop_ends_nothing_else(agent: Agent, isolation: Path) -> None:
    """By then the shim of the record has another task."""
    client = agent.connect()
    go = isolation / "go"
    os.mkfifo(go)
    first = client.run(f"cat {go}")
    agent.main(first)
    shim = agent.shim(first)
    os.kill(agent.pid, signal.SIGSTOP)
    try:
        go.write_text("now\n")
        eventually((agent.folder(first) / "result.json").exists)
        eventually(lambda: is_idle(shim))
        stop = client.send("task.stop", record=first)
        second = client.order("sleep 0.2; echo fine", new_record())
        run = client.send("task.run", **second)
    finally:
        os.kill(agent.pid, signal.SIGCONT)
    client.answer(stop)
    client.answer(run)
    assert state(client.finish(first).result) == ("Finished", "")
    assert client.finish(second["record"]).stdout == b"fine\n"
    assert agent.shim(second["record"]) == shim


@pytest.mark.long
@pytest.mark.parametrize("seed", [1, 2])
def test_waiting_children_are_killed_at_any_moment(make_agent: MakeAgent, isolation: Path, seed: int) -> None:
    """Between two tasks, while one is passed, and just after: nothing runs twice, and every accepted task ends."""
    chance = random.Random(seed)
    agent = make_agent().start()
    client = agent.connect()
    effects = isolation / "effects"
    orders = []
    for _ in range(40):
        client.complete("true")
        child = agent.idle()
        order = client.order(f"echo $ASSIST_RECORD_ID >> {effects}", new_record())
        number = client.send("task.run", **order)
        time.sleep(chance.uniform(0, 0.004))  # the subject of this test
        with contextlib.suppress(ProcessLookupError):  # it was the child of the previous round, about to die
            os.kill(child, signal.SIGKILL)
        assert not client.answer(number)["known"]
        orders.append(order)
    for order in orders:
        client.call("task.run", **order)
        assert state(client.finish(order["record"]).result) in (("Finished", ""), INTERRUPTED)
    ran = effects.read_text().splitlines()
    assert len(ran) == len(set(ran))


def test_an_invalid_request_is_not_executed() -> None:
    """A request can only name functions of this program, and bytes arrive unchanged."""
    line = channel.pack(shim.run, {"content": b"\x00\xff", "secrets": [b"x"], "text": "\u2028"}, lock=3)
    assert line.count(b"\n") == 1
    body, order, more = channel.unpack(line)
    assert (body, more) == (shim.run, {"lock": 3})
    assert order == {"content": b"\x00\xff", "secrets": [b"x"], "text": "\u2028"}
