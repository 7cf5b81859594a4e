"""Agents that are away and back, with the real programs: queued records run at most once, whatever is killed."""

from __future__ import annotations

import contextlib
import json
import os
import random
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.agent import eventually, gone
from tests.support.application import Application
from tests.support.fleet import Fleet, enlisted
from tests.support.program import Program


@pytest.fixture
def fleet(starts_processes: None, home: Path) -> Iterator[Fleet]:
    with enlisted(home, 2) as fleet:
        yield fleet


@pytest.fixture
def journal(isolation: Path) -> Path:
    return isolation / "journal"


def document(program: Application | Program, *words: str) -> Any:
    return json.loads(program(*words, "-o", "json").stdout)


@contextlib.contextmanager
def serving(installed: Program) -> Iterator[subprocess.Popen[bytes]]:
    """A server that is killed at the end of the block."""
    with installed.start("serve") as server:
        try:
            yield server
        finally:
            server.kill()


def ran(journal: Path) -> list[str]:
    """The records that ran, in their order."""
    return journal.read_text().split() if journal.exists() else []


def test_what_waits_runs_once_when_its_instance_is_back(
    assist: Application, installed: Program, fleet: Fleet, journal: Path, isolation: Path
) -> None:
    fleet.power_off(fleet.members[0])
    script = f"echo $ASSIST_RECORD_ID >> {journal}"
    waves = ("--canary", "1", "--max-errors", "0", "--queue", "1h")
    done = assist("run", "-i", "n[1-2]", *waves, "-c", script)
    assert done.returncode == 75
    lines = done.stderr.decode().splitlines()
    assert lines[0].startswith("n1: queued until ")
    assert lines[1].startswith("2 instances in ")
    assert lines[1].endswith(": 1 succeeded, 1 queued")
    first = document(assist, "invocation", "show", "-")["InvokeId"]
    detached = installed("run", "--all", "--queue", "1h", "--detach", "-c", script).stdout.decode().strip()
    source = isolation / "app.conf"
    source.write_text("key = value\n")
    target = isolation / "target"
    sent = assist("send", source, "-i", "n1", "--to", target, "--queue", "1h")
    assert (sent.returncode, target.exists()) == (75, False)
    eventually(lambda: len(document(assist, "queue", "list")) == 3)
    with installed.start("-v", "serve") as server:
        fleet.start(fleet.members[:1])
        assert assist("instance", "status", "n1").returncode == 0  # it is heard of
        for each in (first, detached):
            waited = assist("invocation", "wait", each, "--wait", "60")
            assert (waited.returncode, b"queued" in waited.stdout) == (0, False)
        eventually((target / "app.conf").exists)
        server.send_signal(signal.SIGTERM)
        log = server.communicate(timeout=20)[1].decode()
    assert f"{first}: delivered to n1, " in log
    assert len(ran(journal)) == len(set(ran(journal))) == 4
    assert document(assist, "queue", "list") == []


@pytest.mark.long
@pytest.mark.timeout(1200)
def test_a_server_that_is_killed_at_any_moment_delivers_once(
    assist: Application, installed: Program, fleet: Fleet, journal: Path
) -> None:
    chance = random.Random(100)
    script = f"echo $ASSIST_RECORD_ID >> {journal}"
    made = []
    member = fleet.members[0]
    for _ in range(100):
        assert member.pid is not None
        os.kill(member.pid, signal.SIGKILL)  # its scripts continue
        assert gone(member.pid)
        made += [installed("run", "-i", "n1", "--queue", "1h", "--detach", "-c", script).stdout.decode().strip()]
        with serving(installed) as server:
            fleet.start([member])
            assist("instance", "status", "n1")
            with contextlib.suppress(subprocess.TimeoutExpired):
                server.wait(chance.uniform(0, 2))  # it may be anywhere by then
    with serving(installed):
        for each in made:
            assert assist("invocation", "wait", each, "--wait", "90").returncode == 0
    records = {document(assist, "invocation", "results", each)[0]["RecordId"] for each in made}
    assert (len(ran(journal)), set(ran(journal))) == (100, records)
