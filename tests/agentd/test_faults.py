"""Faults of the machine: no descriptors, no processes, a clock that jumps, half-open connections."""

from __future__ import annotations

import os
import resource
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.agentd.conftest import MakeAgent
from tests.support.agent import Agent, Closed, Refused, eventually, is_alive, resident_bytes
from tests.support.programs import lack, need

pytestmark = [pytest.mark.skipif(sys.platform != "linux", reason="limits are set as Linux has them")]

MIB = 1 << 20


def limited(kind: int, number: int) -> Callable[[], None]:
    """Set a limit in the process that is about to start."""
    return lambda: resource.setrlimit(kind, (number, number))


# EMFILE


@pytest.mark.long
@pytest.mark.parametrize("step", [12, 3])
def test_no_descriptor_is_left_for_a_task(make_agent: MakeAgent, step: int) -> None:
    """The task is refused with a reason, or runs to its end, for each number of free descriptors."""
    agent = make_agent().start(preexec_fn=limited(resource.RLIMIT_NOFILE, 48))
    client = agent.connect()
    crowd = [agent.connect(hello=False) for _ in range(48)]  # more than there is room for
    seen = set()
    while crowd:
        for _ in range(step):
            crowd.pop().close()
        for number in range(2):
            order = client.order("echo ran", f"r-{len(crowd)}-{number}")
            refusal = client.refusal(client.send("task.run", **order))
            seen.add(refusal.code if refusal else None)
            if refusal is None:
                assert client.finish(order["record"]).stdout == b"ran\n"
    assert seen == {None, "ExecutionException"}
    assert client.complete("echo room").stdout == b"room\n"
    assert agent.living(client) == []


# EAGAIN on fork


def test_no_process_is_left_for_a_task(agent_of_somebody: Agent, somebody: int) -> None:
    """An agent of another user, with a limit on its processes: refused with a reason, and running again afterwards."""
    agent = agent_of_somebody
    agent.start(user=somebody, group=somebody, extra_groups=[], preexec_fn=limited(resource.RLIMIT_NPROC, 6))
    client = agent.connect()
    running, refusals = [], []
    for number in range(8):
        order = client.order("exec sleep 60", f"r-{number}")
        refusal = client.refusal(client.send("task.run", **order))
        if refusal is None:
            running.append(order["record"])
        else:
            refusals.append(refusal)
    assert all(refusal.code == "ExecutionException" for refusal in refusals)
    failed = 0  # a shim that could not start its script is reused by the next task, which then needs no new process
    for record in running:
        client.call("task.stop", record=record)
        result = client.finish(record).result
        assert result is not None
        assert (result["state"], result["error_code"]) in (
            ("Stopped", "ExecutionInterrupted"),
            ("Failed", "ExecutionException"),
        )
        failed += result["state"] == "Failed"
    assert refusals or failed
    assert client.complete("exec echo room").stdout == b"room\n"
    agent.close()


# the clock


@pytest.fixture
def fake_clock(isolation: Path) -> Path:
    """A library that changes the wall clock of one process, and not its monotonic clock; compiled with cc."""
    source = isolation / "clock.c"
    source.write_text(
        """
        #define _GNU_SOURCE
        #include <dlfcn.h>
        #include <stdio.h>
        #include <stdlib.h>
        #include <sys/time.h>
        #include <time.h>
        static long shift(void) {
            long seconds = 0;
            FILE *file = fopen(getenv("CLOCK_SHIFT"), "r");
            if (file) { if (fscanf(file, "%ld", &seconds) != 1) seconds = 0; fclose(file); }
            return seconds;
        }
        int clock_gettime(clockid_t id, struct timespec *at) {
            static int (*real)(clockid_t, struct timespec *);
            if (!real) real = dlsym(RTLD_NEXT, "clock_gettime");
            int result = real(id, at);
            if (id == CLOCK_REALTIME) at->tv_sec += shift();
            return result;
        }
        int gettimeofday(struct timeval *restrict at, void *restrict zone) {
            struct timespec now;
            clock_gettime(CLOCK_REALTIME, &now);
            at->tv_sec = now.tv_sec; at->tv_usec = now.tv_nsec / 1000;
            return 0;
        }
        time_t time(time_t *at) {
            struct timespec now;
            clock_gettime(CLOCK_REALTIME, &now);
            if (at) *at = now.tv_sec;
            return now.tv_sec;
        }
        """
    )
    library = isolation / "clock.so"
    words = [need("cc"), "-shared", "-fPIC", "-w", "-o", library, source, "-ldl"]
    if subprocess.run(words, check=False, stderr=subprocess.DEVNULL).returncode:
        lack("the headers of the C library")
    return library


@pytest.mark.parametrize("step", [pytest.param(3600, marks=pytest.mark.long), -3600])
def test_a_step_of_the_clock_changes_nothing(
    make_agent: MakeAgent, fake_clock: Path, isolation: Path, step: int
) -> None:
    """An hour forward or back while a task runs: its timeout and its kill come at the right time."""
    shift = isolation / "shift"
    shift.write_text("0")
    environment = {**os.environ, "LD_PRELOAD": str(fake_clock), "CLOCK_SHIFT": str(shift)}
    agent = make_agent().start(env=environment)
    client = agent.connect()
    began = time.monotonic()
    timed, stopped, kept = client.run("sleep 60", timeout=2), client.run("sleep 60"), client.run("sleep 2.2")
    mains = [agent.main(record) for record in (timed, stopped, kept)]
    before = client.call("agent.status")["uptime"]
    shift.write_text(str(step))
    moved = client.call("agent.status")["uptime"] - before
    assert abs(moved - step) < 60, "the clock did not move"
    assert client.complete("echo meanwhile").stdout == b"meanwhile\n"
    assert is_alive(mains[1])
    client.call("task.stop", record=stopped)
    assert (client.finish(stopped).result or {})["state"] == "Stopped"
    assert time.monotonic() - began < 30
    assert (client.finish(timed).result or {})["error_code"] == "ExecutionTimeout"
    assert 2 <= time.monotonic() - began < 30
    assert (client.finish(kept).result or {})["exit_code"] == 0
    agent.kill()
    client = agent.start(env=environment).connect()
    assert client.call("task.get", record=kept)["state"] == "Finished"
    assert agent.folder(kept).exists()  # an hour is no month


# half-open connections


def test_a_watcher_that_disappears_without_a_word(agent: Agent) -> None:
    """Its connection is cut in the middle of the output: other watchers get everything, and nothing of it is kept."""
    client = agent.connect()
    record = client.run("i=0; while [ $i -lt 300 ]; do i=$((i+1)); head -c 20000 /dev/zero; done; sleep 0.3")
    files = client.call("agent.status")["files"]
    for _ in range(20):
        lost = agent.connect()
        seen = lost.watch(record)
        lost.listen_until(lambda seen=seen: bool(seen.stdout))
        lost.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        lost.close()
    assert len(client.finish(record).stdout) == 6_000_000
    eventually(lambda: client.call("agent.status")["files"] <= files)


def test_half_a_request_waits_and_costs_nothing(agent: Agent) -> None:
    """A client that stops in the middle of a line and never continues."""
    half = agent.connect()
    half.write(b'{"jsonrpc":"2.0","id":1,"method":"agent.st')
    with agent.connect() as client:
        assert client.complete("echo fine").stdout == b"fine\n"
    half.write(b'atus"}\n')
    assert half.answer(1)["running"] == 0


def test_a_client_that_does_not_wait_for_its_answer(agent: Agent, isolation: Path) -> None:
    """A controller closes the connection after its request: the accepted record runs, one time."""
    effects = isolation / "effects"
    with agent.connect() as client:
        client.send("task.run", **client.order(f"echo ran >> {effects}", "r-alone"))
    client = agent.connect()
    eventually(lambda: effects.exists())
    client.finish("r-alone")
    assert effects.read_text() == "ran\n"


# the log


def test_a_log_without_a_reader(make_agent: MakeAgent) -> None:
    """Standard error is a pipe, and its reader has ended: log lines are lost, and nothing else is."""
    agent = make_agent()
    ready, told = os.pipe()
    process = subprocess.Popen(
        agent.words("serve", "--ready-fd", str(told)), stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, pass_fds=[told]
    )
    agent.process = process
    os.close(told)
    assert os.read(ready, 10) == b"ready\n"
    os.close(ready)
    assert process.stderr is not None
    process.stderr.close()
    client = agent.connect()
    with agent.connect() as rude:
        rude.write(b"rubbish\n")
        with pytest.raises(Closed):
            while True:
                rude.listen()
    record = client.run("sleep 60")
    agent.main(record)
    os.kill(agent.shim(record), signal.SIGKILL)
    assert (client.finish(record).result or {})["error_code"] == "ExecutionInterrupted"
    assert client.complete("echo fine").stdout == b"fine\n"


# many tasks


@pytest.mark.long
def test_a_hundred_tasks_together(agent: Agent) -> None:
    """The default limit: all run, all end, and the agent is as small afterwards as before."""
    client = agent.connect()
    client.complete("true")
    before, files = resident_bytes(agent.pid), client.call("agent.status")["files"]
    records = [client.run("echo $ASSIST_RECORD_ID; sleep 60") for _ in range(100)]
    with pytest.raises(Refused) as refusal:
        client.run("true")
    assert refusal.value.code == "TaskConcurrencyLimit"
    mains = [agent.main(record) for record in records]
    for record in records:
        client.call("task.stop", record=record)
    for record in records:
        output = client.finish(record)
        assert (output.result or {})["state"] == "Stopped"
    assert not any(is_alive(pid) for pid in mains)
    eventually(lambda: sum(is_alive(agent.shim(record)) for record in records) <= 1)  # one child may wait
    assert client.call("agent.status")["files"] == files
    assert resident_bytes(agent.pid) - before < 8 * MIB
