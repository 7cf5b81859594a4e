"""SIGKILL at every boundary and at any moment: no record runs twice, none is lost, and its output is whole.

Each script appends one line to a file of effects. After a kill the agent is started again and the record is delivered
again, as by a controller without an answer. Then there is at most one line, always a final state, the process from
before the kill, and the whole output.
"""

from __future__ import annotations

import os
import random
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.agentd.conftest import NEWEST, OLDEST, MakeAgent
from tests.support import variants
from tests.support.agent import GUARD, Agent, Client, Closed, Refused, gone, is_alive, new_record

pytestmark = pytest.mark.skipif(os.name == "nt", reason="these scripts are for a Unix shell")

BODY = "".join(f"{number}\n" for number in range(1, 3001)).encode()


def script(effects: Path) -> str:
    """A script with one effect, some early output, a body longer than one read, and enough time to be killed."""
    return f'echo "$ASSIST_RECORD_ID $$" >> {effects}; echo $$; seq 1 1500; sleep 0.02; seq 1501 3000; sleep 0.02'


def effect_of(effects: Path, record: str) -> list[str]:
    """The pids of the runs of a record."""
    lines = effects.read_text().splitlines() if effects.exists() else []
    return [line.split()[1] for line in lines if line.split()[0] == record]


def has_output(folder: Path) -> bool:
    return any(path.stat().st_size for path in folder.glob("output-*"))


# The boundaries at which to kill, as seen in the spool.
BOUNDARIES: dict[str, Callable[[Path], bool]] = {
    "received": lambda folder: True,
    "claimed": Path.exists,
    "tended": lambda folder: (folder / "alive").exists(),
    "journaled": lambda folder: (folder / "request.json").exists(),
    "started": lambda folder: (folder / "process.json").exists(),
    "first byte": has_output,
    "exited": lambda folder: (folder / "result.json").exists(),
}


def reach(boundary: str, folder: Path) -> None:
    """Poll without a pause until the boundary is reached. One seen a moment late is a test of a later moment."""
    seen, end = BOUNDARIES[boundary], time.monotonic() + GUARD
    while True:
        try:
            if seen(folder):
                return
        except FileNotFoundError:
            continue
        assert time.monotonic() < end, f"'{boundary}' was not reached"


def deliver(client: Client, order: dict[str, Any]) -> None:
    """Deliver again. A record whose first delivery was refused or lost may be accepted now."""
    client.call("task.run", **order)


def check(client: Client, effects: Path, record: str, pid: int | None) -> str:
    """Check the promises for one record after all kills. Return its state; ``pid`` was its main process before."""
    output = client.finish(record)
    assert output.result is not None
    state: str = output.result["state"]
    pids = effect_of(effects, record)
    assert len(pids) <= 1, f"{record} ran {len(pids)} times"
    assert state in ("Finished", "Failed")
    if pid is not None and pids:
        assert pids == [str(pid)]
    whole = f"{pids[0]}\n".encode() + BODY if pids else BODY
    if state == "Finished":
        assert output.result["exit_code"] == 0
        assert len(pids) == 1
        assert output.stdout == whole
        assert not output.gaps
    else:
        assert output.result["error_code"] == "ExecutionInterrupted"
        assert whole.startswith(output.stdout) or not pids
    return state


@pytest.mark.parametrize("boundary", variants.every(2, [*BOUNDARIES, "reported"]))
def test_the_agent_is_killed(agent: Agent, isolation: Path, boundary: str) -> None:
    """Its task goes on: every accepted record ends, in the same process, with its whole output."""
    effects = isolation / "effects"
    record = new_record()
    client = agent.connect()
    order = client.order(script(effects), record)
    client.send("task.run", **order)
    if boundary == "reported":
        client.listen_until(lambda: bool(client._answers))
        client.finish(record)
    else:
        reach(boundary, agent.folder(record))
    agent.kill()
    client = agent.start().connect()
    deliver(client, order)
    assert check(client, effects, record, None) == "Finished"


@pytest.mark.parametrize("boundary", variants.every(2, ["tended", "journaled", "started", "first byte", "exited"]))
def test_the_shim_is_killed(agent: Agent, isolation: Path, boundary: str) -> None:
    """Its record is closed as interrupted and its tree is dead. Before the journal it was never accepted."""
    effects = isolation / "effects"
    record = new_record()
    client = agent.connect()
    order = client.order(script(effects), record)
    number = client.send("task.run", **order)
    reach(boundary, agent.folder(record))
    shim = agent.shim(record)
    try:
        os.kill(shim, signal.SIGKILL)
    except ProcessLookupError:
        assert boundary == "exited"
    assert gone(shim)
    refusal = client.refusal(number)
    if refusal is not None:
        assert refusal.code == "ExecutionException"
        assert effect_of(effects, record) == []
        deliver(client, order)
    check(client, effects, record, None)
    assert [is_alive(int(pid)) for pid in effect_of(effects, record)] in ([], [False])


def kill_at_random(agent: Agent, effects: Path, kills: int, victim: str, seed: int) -> None:
    """Kill the agent, or the shims, at random moments while it runs three scripts at a time."""
    chance = random.Random(seed)
    orders: dict[str, dict[str, Any]] = {}
    pids: dict[str, int] = {}
    client = agent.connect()
    for _ in range(kills):
        some = [new_record() for _ in range(3)]
        for record in some:
            orders[record] = client.order(script(effects), record)
            client.send("task.run", **orders[record])
        time.sleep(chance.uniform(0, 0.08))  # the subject of this test, not a wait for an event
        for record in some:
            try:
                pids[record] = agent.journal(record, "process.json")[0]
                if victim == "shim" and chance.random() < 0.7:
                    os.kill(agent.shim(record), signal.SIGKILL)
            except (OSError, ValueError):
                continue
        if victim == "agent":
            agent.kill()
            client.close()
            client = agent.start().connect()
    client.close()
    client = agent.connect()
    for order in orders.values():
        deliver(client, order)
    states = [check(client, effects, record, pids.get(record)) for record in orders]
    assert len(states) == 3 * kills
    if victim == "agent":
        assert set(states) == {"Finished"}
    for line in effects.read_text().splitlines():
        assert not is_alive(int(line.split()[1]))
    client.close()


@pytest.mark.parametrize(
    ("python", "victim", "kills"),
    [
        pytest.param(NEWEST, "agent", 12, marks=pytest.mark.long),
        pytest.param(NEWEST, "shim", 8, marks=pytest.mark.long),
        (OLDEST, "agent", 5),
        pytest.param(OLDEST, "shim", 5, marks=pytest.mark.long),
    ],
    indirect=["python"],
)
def test_random_kills(make_agent: MakeAgent, isolation: Path, victim: str, kills: int) -> None:
    kill_at_random(make_agent().start(), isolation / "effects", kills, victim, seed=kills)


@pytest.mark.soak
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("victim", ["agent", "shim"])
def test_three_thousand_random_kills(make_agent: MakeAgent, isolation: Path, victim: str) -> None:
    """With another seed each time, in rounds, to bound what is kept."""
    seed = random.SystemRandom().randrange(1 << 32)
    agent = make_agent().start()
    for turn in range(30):
        effects = isolation / f"effects-{turn}"
        try:
            kill_at_random(agent, effects, 100, victim, seed + turn)
        except (AssertionError, Closed, Refused) as error:
            raise AssertionError(f"seed {seed + turn}") from error
        client = agent.connect()
        client.call("task.forget", records=[line.split()[0] for line in effects.read_text().splitlines()])
        client.close()
