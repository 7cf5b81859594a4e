"""The guard: it restarts an agent that dies, grows or hangs, logs the reason, and never touches a task."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from agentd.posix import health
from tests.agentd.conftest import EVERY_PYTHON, MakeAgent
from tests.support.agent import GUARD, Agent, Client, Closed, eventually, gone, is_alive

pytestmark = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="the guard measures with /proc")

each_python = pytest.mark.parametrize("python", EVERY_PYTHON, indirect=True)


class Guarded:
    """A guard and its agent."""

    def __init__(self, agent: Agent) -> None:
        self.agent = agent
        self.process: subprocess.Popen[bytes] | None = None

    def start(self, *words: str | Path) -> Guarded:
        with self.agent.log.open("ab") as log:
            self.process = subprocess.Popen(self.agent.words("guard", *words), stdin=subprocess.DEVNULL, stderr=log)
        self.wait_for_agent()
        return self

    def wait_for_agent(self, other_than: int | None = None) -> int:
        """The pid of the agent, or of a new agent, once it listens."""

        def look() -> int | None:
            with contextlib.suppress(OSError, ValueError, Closed):
                pid: int | None = self.report()["agent_pid"]
                if pid is not None and pid != other_than:
                    self.agent.connect().close()
                    return pid
            return None

        found: int = eventually(look)
        return found

    def report(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads((self.agent.home / "guard.json").read_text())
        return found

    def connect(self) -> Client:
        return self.agent.connect()

    def end(self, number: int = signal.SIGTERM) -> int:
        assert self.process is not None
        self.process.send_signal(number)
        return self.process.wait(GUARD)


@pytest.fixture
def make_guarded(make_agent: MakeAgent) -> Iterator[Any]:
    made: list[Guarded] = []

    def make(**settings: object) -> Guarded:
        made.append(Guarded(make_agent(**{"sample_seconds": 1, **settings})).start())
        return made[-1]

    yield make
    for guarded in made:
        with contextlib.suppress(OSError, Closed, AssertionError), guarded.connect() as client:
            for record in guarded.agent.living(client):
                client.call("task.stop", record=record)
                client.finish(record)
        if guarded.process is not None and guarded.process.poll() is None:
            guarded.end()


@each_python
def test_an_agent_that_died_is_started_again(make_guarded: Any) -> None:
    """Tasks go on: the new agent adopts them. The second restart waits longer. The status shows it."""
    guarded = make_guarded()
    client = guarded.connect()
    record = client.run("echo before; sleep 60")
    main = guarded.agent.main(record)
    first = guarded.report()["agent_pid"]
    moments = [time.monotonic()]
    pid = first
    for _ in range(2):
        os.kill(pid, signal.SIGKILL)
        pid = guarded.wait_for_agent(other_than=pid)
        moments.append(time.monotonic())
    assert moments[1] - moments[0] >= 1
    assert moments[2] - moments[1] >= 2
    client = guarded.connect()
    assert client.call("task.get", record=record)["state"] == "Running"
    assert is_alive(main)
    status = client.call("agent.status")["guard"]
    assert status["restarts"] == 2
    assert status["pid"] == guarded.process.pid
    assert "signal 9" in status["last_restart"]["why"]
    assert guarded.agent.log_text().count("guard: restarting the agent") == 2
    words = subprocess.run(guarded.agent.words("status"), capture_output=True, check=True, text=True).stdout
    assert "2 restarts" in words
    assert "signal 9" in words


@pytest.mark.long
@each_python
def test_an_agent_that_is_over_its_limit_for_a_while_is_restarted(make_guarded: Any) -> None:
    """One byte over the limit. It must last, and the log has the size."""
    guarded = make_guarded(memory_limit=1, sustain_seconds=2)
    pid = guarded.report()["agent_pid"]
    began = time.monotonic()
    guarded.wait_for_agent(other_than=pid)
    assert time.monotonic() - began > 2
    why = guarded.report()["last_restart"]["why"]
    assert "MiB of memory" in why
    assert "for" in why
    sample = guarded.report()["samples"][-1]
    assert sample["rss"] > 5 << 20
    assert sample["files"] > 3
    assert gone(pid)


@pytest.mark.long
def test_too_many_descriptors_count_too(make_guarded: Any) -> None:
    guarded = make_guarded(descriptor_limit=2, sustain_seconds=1)
    guarded.wait_for_agent(other_than=guarded.report()["agent_pid"])
    assert "open files" in guarded.report()["last_restart"]["why"]


@pytest.mark.long
def test_a_healthy_agent_is_left_alone(make_guarded: Any) -> None:
    """It answers every ping, even when no more connections are admitted."""
    guarded = make_guarded(ping_seconds=1, ping_patience=3, connection_limit=2)
    pid = guarded.report()["agent_pid"]
    clients = [guarded.connect(), guarded.connect()]
    eventually(lambda: "the limit of" in guarded.agent.log_text())  # the guard's own ping, refused
    samples = guarded.report()["samples"][-1]["time"]
    eventually(lambda: guarded.report()["samples"][-1]["time"] > samples)
    assert guarded.report()["agent_pid"] == pid
    assert guarded.report()["restarts"] == 0
    assert clients[0].complete("echo fine").stdout == b"fine\n"


def test_a_connection_that_closes_early_is_not_an_answer(isolation: Path) -> None:
    path = isolation / "sock"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()

        def hang_up(*, reset: bool) -> None:
            caller, _ = listener.accept()
            if not reset:
                caller.recv(4096)  # unread data turns the close into a reset
            caller.close()

        for reset in (False, True):
            thread = threading.Thread(target=hang_up, kwargs={"reset": reset})
            thread.start()
            assert health.ping(str(path), 5)
            thread.join()


def test_an_agent_that_hangs_is_restarted(make_guarded: Any, isolation: Path) -> None:
    """It runs and does not answer. Its tasks go on, and their output is whole."""
    guarded = make_guarded(ping_seconds=1, ping_patience=1)
    over = isolation / "over"
    record = guarded.connect().run(f"i=0; while [ ! -e {over} ]; do i=$((i+1)); echo $i; sleep 0.1; done")
    main = guarded.agent.main(record)
    pid = guarded.report()["agent_pid"]
    os.kill(pid, signal.SIGSTOP)
    try:
        guarded.wait_for_agent(other_than=pid)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGCONT)
    assert "does not answer" in guarded.report()["last_restart"]["why"]
    assert gone(pid)
    assert is_alive(main)
    over.touch()
    printed = guarded.connect().finish(record).stdout
    assert printed == b"".join(b"%d\n" % number for number in range(1, printed.count(b"\n") + 1))


def test_a_guard_that_is_stopped_stops_the_agent_and_no_task(make_guarded: Any) -> None:
    guarded = make_guarded()
    record = guarded.connect().run("sleep 60")
    main, pid = guarded.agent.main(record), guarded.report()["agent_pid"]
    assert guarded.end() == 0
    assert gone(pid)
    assert is_alive(main)
    guarded.start()
    assert guarded.connect().call("task.get", record=record)["state"] == "Running"


@each_python
def test_killing_the_guard_ends_its_agent_and_the_next_guard_takes_over(make_guarded: Any) -> None:
    """No agent is left without a guard; a new guard starts an agent that adopts the tasks."""
    guarded = make_guarded()
    record = guarded.connect().run("sleep 60")
    main, pid = guarded.agent.main(record), guarded.report()["agent_pid"]
    guarded.end(signal.SIGKILL)
    assert gone(pid)
    assert "its guard has ended" in guarded.agent.log_text()
    assert is_alive(main)
    guarded.start()
    client = guarded.connect()
    assert client.call("task.get", record=record)["state"] == "Running"
    client.call("task.stop", record=record)
    assert (client.finish(record).result or {})["state"] == "Stopped"


def test_a_long_log_is_shortened(make_agent: MakeAgent) -> None:
    """Lines of other processes count too. Its last part stays, and all continue in the same file."""
    guarded = Guarded(make_agent(sample_seconds=1))
    log, before = guarded.agent.log, guarded.agent.log.with_name("agent.log.1")
    log.write_bytes(b"x" * (2 << 20) + b" first\n")
    guarded.start("--log", log)
    try:
        assert before.read_bytes().endswith(b" first\n")
        assert before.stat().st_size == 1 << 20
        assert before.stat().st_mode & 0o077 == 0
        with log.open("ab") as file:
            file.write(b"y" * (1 << 20) + b" second\n")
        eventually(lambda: before.read_bytes().endswith(b" second\n") and log.stat().st_size == 0)
    finally:
        assert guarded.end() == 0
    agent, guard = log.read_text().splitlines()
    assert " shutting down: " in agent
    assert " guard: shutting down" in guard


@pytest.mark.long
def test_the_guard_retries_an_agent_that_cannot_start(make_agent: MakeAgent) -> None:
    """Another process holds the folder: the guard retries, and succeeds when that process has ended."""
    agent = make_agent().start()
    with agent.log.open("ab") as log:
        guard = subprocess.Popen(agent.words("guard"), stdin=subprocess.DEVNULL, stderr=log)
    try:
        eventually(lambda: "it ended with status 1" in agent.log_text())
        agent.stop()
        eventually(lambda: agent.log_text().count("serves on") == 2)
    finally:
        guard.terminate()
        assert guard.wait(GUARD) == 0


@pytest.mark.long
def test_a_second_guard_of_a_folder_ends_and_disturbs_nothing(make_guarded: Any) -> None:
    guarded = make_guarded()
    pid = guarded.wait_for_agent()
    second = subprocess.run(guarded.agent.words("guard"), stdin=subprocess.DEVNULL, capture_output=True, timeout=GUARD)
    assert (second.returncode, second.stdout) == (1, b"")
    assert second.stderr.endswith(b": another guard is running there\n"), second.stderr
    report = guarded.report()
    assert (report["pid"], report["agent_pid"], report["restarts"]) == (guarded.process.pid, pid, 0)
    assert guarded.end() == 0
    guarded.start()
