"""``assist run`` and the agent killed at random: afterwards the history is true, with each record in it one time."""

from __future__ import annotations

import collections
import json
import os
import random
import signal
import sqlite3
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from tests.support import processes
from tests.support.program import Program

GUARD = 60.0


@pytest.mark.parametrize("rounds", [4, pytest.param(20, marks=pytest.mark.long)])
def test_the_history_is_true_after_any_kill(installed: Program, home: Path, isolation: Path, rounds: int) -> None:
    journal = isolation / "journal"
    journal.touch()
    chance = random.Random(2026)
    installed("run", "--", "true")
    for number in range(rounds):
        script = f"echo {number} >> {journal}; sleep 0.1; echo out {number}"
        with installed.start("run", "-c", script) as process:
            try:
                process.wait(chance.uniform(0.1, 0.6))
            except subprocess.TimeoutExpired:
                process.kill()
            agent = processes.listener(home / "agent" / "agentd.sock")
            if agent is not None and chance.random() < 0.3:
                os.kill(agent, signal.SIGKILL)
        assert installed("invocation", "list").returncode == 0

    shown = [show(installed, each["InvokeId"]) for each in ended(installed)]
    ran = collections.Counter(journal.read_text().split())
    assert set(ran.values()) <= {1}, "a script ran twice"
    for document in shown:
        (place,) = document["InvokeInstances"]
        words = document["CommandContent"].split()
        if place["InvocationStatus"] == "Finished":
            assert words == ["true"] or (words[1] in ran and place["Stdout"] == f"out {words[1]}\n")
        else:
            assert (place["ErrorCode"], words[1] in ran) == ("DeliveryTimeout", False)
    assert ran.keys() <= {document["CommandContent"].split()[1] for document in shown if "echo" in str(document)}
    assert installed("run", "--", "true").returncode == 0
    assert list((home / "senders").iterdir()) == []
    with sqlite3.connect(home / "assist.db") as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    connection.close()


def show(installed: Program, invocation_id: str) -> Any:
    return json.loads(installed("invocation", "show", invocation_id, "-o", "json").stdout)


def ended(installed: Program) -> list[Any]:
    """Return all invocations, when all have ended."""
    deadline = time.monotonic() + GUARD
    while True:
        listed = json.loads(installed("invocation", "list", "-n", "0", "-o", "json").stdout)
        if all(each["InvokeStatus"] in ("Finished", "Failed") for each in listed):
            return list(listed)
        assert time.monotonic() < deadline, listed
        time.sleep(0.2)  # a record that was cut off while it was sent counts as lost after 5 s
