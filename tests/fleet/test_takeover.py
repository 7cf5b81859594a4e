"""Copies of a home on a fleet of real agents: of over a thousand due times none runs twice, and one copy tells it.

The test takes three minutes. Virtual worlds with longer lags are in tests/operations/test_takeover.py.
"""

from __future__ import annotations

import collections
import os
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from assist_cli.model.schedule import SlotOutcome
from assist_cli.operations.controller import open_controller
from assist_cli.operations.server import schedules
from assist_cli.paths import Home
from assist_cli.store import checkup
from tests.support.fleet import enlisted
from tests.support.program import Program

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="a fleet needs all of 127.0.0.0/8")

AGENTS = 20
SCHEDULES = 10
HOUR_MS = 3_600_000
GUARD = 60.0
RAN = {SlotOutcome.RAN, SlotOutcome.LATE, SlotOutcome.MADE_UP}

Slot = tuple[str, str, datetime]  # invocation, instance, due time


class Copy:
    """A home, and its server while it runs. ``servers`` has those of all copies."""

    def __init__(self, installed: Program, root: Path, servers: list[subprocess.Popen[bytes]]) -> None:
        self.installed, self.root, self.servers = installed, root, servers

    @property
    def env(self) -> dict[str, str]:
        return {"ASSIST_HOME": str(self.root)}

    def assist(self, *words: str, status: int = 0) -> subprocess.CompletedProcess[bytes]:
        done = self.installed(*words, env=self.env)
        assert done.returncode == status, done
        return done

    def serve(self, *words: str) -> None:
        with (self.root.parent / f"{self.root.name}.log").open("wb") as log:
            self.server = subprocess.Popen(
                [str(self.installed.path), "serve", *words],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, env={**os.environ, **self.env},
            )  # fmt: skip
        self.servers.append(self.server)
        wait_for(lambda: b"serving" in self.log())

    def log(self) -> bytes:
        return (self.root.parent / f"{self.root.name}.log").read_bytes()

    def wait(self) -> int:
        """The exit status of its server, which ends by itself."""
        return self.server.wait(GUARD)

    def stop(self) -> None:
        self.server.terminate()
        assert self.server.wait(GUARD) == 0

    def copied(self, name: str, lag: float) -> Copy:
        """A copy from a backup that is restored ``lag`` seconds after it was written."""
        file = self.root.parent / f"{name}.backup"
        self.assist("backup", str(file))
        time.sleep(lag)  # it is time that is tested
        return self.restored(name, file)

    def restored(self, name: str, file: Path) -> Copy:
        copy = Copy(self.installed, self.root.parent / name, self.servers)
        copy.assist("restore", str(file))
        return copy

    def change(self, *statements: str) -> None:
        with sqlite3.connect(self.root / "assist.db") as database:
            for each in statements:
                database.execute(each)
        database.close()

    def slots(self, made: list[str]) -> dict[Slot, tuple[SlotOutcome, str | None]]:
        with open_controller(Home(self.root)) as controller:
            assert checkup.faults(controller.database) == []
            return {
                (each, slot.instance_id, slot.due): (slot.outcome, slot.record_id)
                for each in made
                for slot in schedules.recall(controller, each, limit=2000)
            }


def wait_for(condition: Callable[[], object]) -> None:
    end = time.monotonic() + GUARD
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.05)  # another process does it, and reports no event


def ends_replaced(copy: Copy) -> None:
    """Its server ends by itself soon, says why, and does not start again."""
    began = time.monotonic()
    assert copy.wait() == 65
    assert time.monotonic() - began < 15
    assert b"another server has taken over from it, and the agents refuse it" in copy.log()
    assert b"Traceback" not in copy.log()
    assert b"another server has taken over" in copy.assist("serve", status=65).stderr


@pytest.fixture
def first(installed: Program, home: Path) -> Iterator[Copy]:
    """The original, with a fleet."""
    servers: list[subprocess.Popen[bytes]] = []
    with enlisted(home, AGENTS):
        yield Copy(installed, home, servers)
        for server in servers:
            if server.poll() is None:
                server.kill()
                server.wait()


@pytest.mark.long
@pytest.mark.timeout(600)
def test_copies_that_lag_run_nothing_twice(first: Copy, home: Path) -> None:
    effects = home.parent / "effects"
    effects.touch()
    script = f'echo "$ASSIST_RECORD_ID" >> {effects}'
    words = ("run", "--all", "--every", "10s", "--timeout", "30", "-c", script)
    made = [first.assist(*words).stdout.decode().strip() for _ in range(SCHEDULES)]
    begin = datetime.now(timezone.utc)
    early = home.parent / "early.backup"
    first.assist("backup", str(early))
    first.serve()
    time.sleep(15)

    # both are served by the agents, as if the copy had not raised its epoch
    second = first.copied("second", 10)
    second.assist("serve", status=65)
    second.change("DELETE FROM settings WHERE name = 'restored'")
    second.serve()
    time.sleep(25)
    second.stop()

    # it takes over while the first one serves
    second.serve("--take-over")
    ends_replaced(first)
    wait_for(lambda: b"20 of 20 agents refuse other copies" in second.log())
    time.sleep(15)

    third = second.copied("third", 60)
    third.serve("--take-over")
    ends_replaced(second)
    time.sleep(15)

    # from before the first due time, and as if that had been an hour ago
    fourth = first.restored("fourth", early)
    fourth.change(f"UPDATE schedules SET next_at = next_at - {HOUR_MS}, anchor_at = anchor_at - {HOUR_MS}")
    fourth.serve("--take-over")
    ends_replaced(third)
    time.sleep(15)
    fourth.stop()

    copies = [first, second, third, fourth]
    told = [copy.slots(made) for copy in copies]

    lines = collections.Counter(effects.read_text().split())
    assert set(lines.values()) == {1}, "a record ran twice"
    ran: collections.Counter[Slot] = collections.Counter()
    slot_of = {record: slot for each in told for slot, (_, record) in each.items() if record is not None}
    for record in lines:
        ran[slot_of[record]] += 1
    assert set(ran.values()) == {1}, "a due time ran twice"
    slots = {slot for each in told for slot in each if slot[2] > begin}
    last = max(slot[2] for slot in slots)
    for slot in slots:
        outcomes = {each[slot][0] for each in told if slot in each}
        if last - slot[2] > timedelta(seconds=5):
            assert bool(outcomes & RAN) == (slot in ran), f"nobody tells the truth of {slot}: {outcomes}"
    assert len(ran) > 1000
