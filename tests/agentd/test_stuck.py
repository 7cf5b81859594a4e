"""Scripts that are stuck or out of control: the next task runs as without them, and the agent stays small."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import pytest

from agentd import spool
from tests.agentd.conftest import MakeAgent
from tests.support import variants
from tests.support.agent import (
    Agent,
    Client,
    eventually,
    is_alive,
    kill_and_wait,
    resident_bytes,
    small_disk,
)

pytestmark = [pytest.mark.skipif(os.name == "nt", reason="these scripts are for a Unix shell")]

MIB = 1 << 20
LIMIT = 60 * MIB


def next_task_runs(agent: Agent) -> None:
    """On a connection of its own, immediately."""
    with agent.connect() as client:
        began = time.monotonic()
        assert client.complete("echo next").stdout == b"next\n"
        assert time.monotonic() - began < 30
    assert resident_bytes(agent.pid) < LIMIT


def stopped(client: Client, record: str) -> dict[str, object]:
    client.call("task.stop", record=record)
    result = client.finish(record, budget=100).result
    assert result is not None
    assert result["state"] == "Stopped"
    return result


STUCK = {
    "waits for a child that ignores TERM": "sh -c \"trap '' TERM; while :; do sleep 1; done\"; true",
    "a session of its own that holds stdout": "setsid sh -c 'while :; do sleep 1; done' & wait",
    "a double fork that holds stdout": "(sleep 60 &) ; sleep 60",
    "reads a terminal": "exec < /dev/tty; cat; sleep 60",
    "is stopped": "kill -STOP $$",
    "prints without end": "exec yes",
    "prints without end to both": "yes >&2 & exec yes",
    "a line without end": "exec cat /dev/zero",
}


@pytest.mark.parametrize(
    "kind",
    variants.every(5, STUCK),
)
def test_a_stuck_script(agent: Agent, client: Client, kind: str) -> None:
    """A stop kills it with all its processes."""
    record = client.run(STUCK[kind])
    main = agent.main(record)
    next_task_runs(agent)
    if kind == "reads a terminal":  # there is none, and so it has failed long ago
        assert (client.finish(record).result or {})["exit_code"] != 0
        return
    if "without end" in kind:
        eventually(lambda: spool.Folder(str(agent.folder(record))).size() > 5 * MIB)
    stopped(client, record)
    assert not is_alive(main)
    assert resident_bytes(agent.pid) < LIMIT


def test_a_script_that_leaves_its_session_and_its_environment(agent: Agent, client: Client, isolation: Path) -> None:
    """Its children are found by their ancestry, which a process cannot change."""
    pids = isolation / "pids"
    record = client.run(
        f"""env -i /bin/sh -c '(setsid sh -c "echo \\$\\$ >> {pids}; exec sleep 60" &) ; exit'
        (env -i setsid /bin/sh -c 'cd /; (echo $$ >> {pids}; exec sleep 60) </dev/null >/dev/null 2>&1 & wait' &)
        sleep 60"""
    )
    eventually(lambda: pids.exists() and pids.read_text().count("\n") == 2)
    stopped(client, record)
    assert [is_alive(int(pid)) for pid in pids.read_text().split()] == [False, False]


@pytest.mark.long
def test_a_script_that_forks_two_thousand(agent: Agent, client: Client) -> None:
    """Many children of one parent that ignore TERM: none is left, and nobody waits for it."""
    record = client.run(
        """trap '' TERM
        i=0; while [ $i -lt 2000 ]; do i=$((i+1)); sleep 120 & done
        echo forked; wait"""
    )
    output = client.watch(record)
    client.listen_until(lambda: output.stdout == b"forked\n")
    main = agent.main(record)
    assert len(_session(main)) > 2000
    next_task_runs(agent)
    client.call("task.stop", record=record)
    client.listen_until(lambda: output.result is not None)
    assert (output.result or {})["state"] == "Stopped"
    assert _session(main) == []


@pytest.mark.long
def test_a_script_that_forks_faster_than_it_is_killed(agent: Agent, client: Client) -> None:
    """Each process starts the next and ends, so a list of them is always out of date."""
    record = client.run("hop() { sh -c 'trap \"\" TERM; sleep 0.01' & wait; }; trap '' TERM; while :; do hop; done")
    main = agent.main(record)
    next_task_runs(agent)
    stopped(client, record)
    assert _session(main) == []


def _session(leader: int) -> list[int]:
    """Living processes of a session."""
    found = []
    for path in Path("/proc").glob("[0-9]*"):
        try:
            fields = (path / "stat").read_bytes().rpartition(b")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            continue
        if int(fields[3]) == leader and fields[0] not in (b"Z", b"X"):
            found.append(int(path.name))
    return found


@pytest.mark.usefixtures("mounts")
def test_a_script_that_fills_the_disk_of_the_spool(make_agent: MakeAgent, isolation: Path) -> None:
    """It goes on, the dropped output is counted, and the next task runs when there is room again."""
    agent = make_agent()
    agent.spool.mkdir(mode=0o700)
    with small_disk(agent.spool, "4m"):
        client = agent.start().connect()
        record = client.run("head -c 20000000 /dev/zero; echo last >&2; exit 6")
        output = client.finish(record)
        assert output.result is not None
        assert (output.result["state"], output.result["exit_code"]) == ("Finished", 6)
        assert output.result["output_bytes"] == 20_000_005
        assert output.result["dropped"] == sum(size for _, size in output.gaps) > 15_000_000
        assert client.call("task.forget", records=[record])["forgotten"] == [record]
        eventually(lambda: not agent.folder(record).exists())
        next_task_runs(agent)
        agent.close()


def test_a_shim_that_is_stopped_delays_nobody(agent: Agent, client: Client) -> None:
    """SIGSTOP is the worst that can happen to a process that does not end."""
    record = client.run("sleep 60")
    shim, main = agent.shim(record), agent.main(record)
    os.kill(shim, signal.SIGSTOP)
    try:
        next_task_runs(agent)
    finally:
        kill_and_wait(shim)
    assert (client.finish(record).result or {})["error_code"] == "ExecutionInterrupted"
    assert not is_alive(main)
