"""Many real agents: each record runs one time where it can, and every bad instance ends with the right code."""

from __future__ import annotations

import collections
import contextlib
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.support.fleet import Member, enlisted
from tests.support.program import Program
from tests.support.terminal import Terminal

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="a fleet needs all of 127.0.0.0/8")

ARRIVAL = 60.0  # seconds in which a record must arrive, on a machine that is busy with all of them
GRACE = 30.0  # seconds beyond its timeout after which a record is closed without an answer


@dataclass
class Gate:
    """A script that notes where it runs, and waits until the gate is opened."""

    folder: Path

    def __post_init__(self) -> None:
        os.mkfifo(self.folder / "gate")
        (self.folder / "ran").touch()

    @property
    def script(self) -> str:
        return f'echo "$ASSIST_INSTANCE_ID" >> {self.folder}/ran; : < {self.folder}/gate; echo hello'

    def ran(self) -> list[str]:
        """The ids of the instances where the script has started, one for each start."""
        return (self.folder / "ran").read_text().split()

    def wait_for(self, members: Sequence[Member]) -> None:
        """Wait until it has started on all of these."""
        end = time.monotonic() + ARRIVAL
        while missing := {member.instance for member in members}.difference(self.ran()):
            assert time.monotonic() < end, f"{len(missing)} records have not arrived"
            time.sleep(0.05)  # another process writes the file: there is no event

    @contextlib.contextmanager
    def opened(self) -> Iterator[None]:
        """Continue the waiting scripts, and later ones."""
        writer = os.open(self.folder / "gate", os.O_RDWR)
        try:
            yield
        finally:
            os.close(writer)


def document(process: subprocess.Popen[bytes], timeout: float = 60) -> dict[str, Any]:
    """Return the output of ``assist run -o json``, by instance id."""
    output, errors = process.communicate(timeout=timeout)
    assert output, errors.decode()
    found = json.loads(output)["InvokeInstances"]
    assert len({one["InstanceId"] for one in found}) == len(found)
    return {one["InstanceId"]: one for one in found}


def endings(found: dict[str, Any], members: Sequence[Member]) -> collections.Counter[tuple[str, str, str]]:
    """Count the outcomes of these: status, error code, output."""
    ended = (found[member.instance] for member in members)
    return collections.Counter((one["InvocationStatus"], one["ErrorCode"], one["Output"]) for one in ended)


def only(count: int, status: str, code: str, output: str = "") -> dict[tuple[str, str, str], int]:
    return {(status, code, output): count}


@pytest.mark.long
def test_none_is_lost_none_runs_twice_and_bad_ones_delay_nobody(home: Path, installed: Program) -> None:
    gate = Gate(home.parent)
    with enlisted(home, 50, refusing=10, hanging=5) as fleet:
        dying, healthy = fleet.served[:5], fleet.served[5:]
        process = installed.start("run", "--all", "--timeout", "60", "-o", "json", "-c", gate.script)
        gate.wait_for([*dying, *healthy])
        for member in dying:
            fleet.power_off(member)
        fleet.start(dying)
        with gate.opened():
            found = document(process)
    assert process.returncode == 1
    assert endings(found, healthy) == only(30, "Finished", "", "hello\n")
    assert endings(found, dying) == only(5, "Failed", "ExecutionInterrupted")
    assert endings(found, fleet.refusing) == only(10, "Failed", "ClientNotRunning")
    assert endings(found, fleet.hanging) == only(5, "Failed", "ClientNotOnline")
    assert sorted(gate.ran()) == sorted(member.instance for member in [*dying, *healthy])
    last = max(found[member.instance]["FinishTime"] for member in healthy)
    assert last <= min(found[member.instance]["FinishTime"] for member in fleet.hanging)


@pytest.mark.long
def test_more_instances_than_open_files_all_run(home: Path, installed: Program) -> None:
    words = [
        "sh",
        "-c",
        'ulimit -n 80; exec "$0" "$@"',
        str(installed.path),
        "run",
        "--all",
        "-o",
        "json",
        "-c",
        "echo hello",
    ]
    with enlisted(home, 50) as fleet:
        process = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        found = document(process)
    assert process.returncode == 0
    assert endings(found, fleet.members) == only(50, "Finished", "", "hello\n")


HOSTILE = r"""printf '\033]0;owned\007\033[2J\033[1;1H\377\376 caf\351\n'; head -c 3000000 /dev/zero | tr '\0' a"""


def test_output_of_hostile_instances_does_not_change_the_terminal(home: Path, installed: Program) -> None:
    words = ["run", "--all", "--gather", "-c", HOSTILE]
    with enlisted(home, 5), Terminal(installed.path, words, home.parent) as terminal:
        status = terminal.end()
    assert status == 0
    assert "owned" in terminal.text
    assert "\x1b]" not in terminal.raw
    assert "\x07" not in terminal.raw
    assert "\x1b[2J" not in terminal.raw
    titles = re.findall(r"--- (.*) ---", terminal.text)
    assert sorted(titles) == ["n1", "n2", "n3", "n4", "n5"]  # each has gaps, so each is shown alone


@pytest.mark.long
@pytest.mark.timeout(900)
def test_a_thousand_instances_some_of_which_die(home: Path, installed: Program) -> None:
    gate = Gate(home.parent)
    timeout = 60
    with enlisted(home, 1000, refusing=100, hanging=50) as fleet:
        dying, healthy = fleet.served[:50], fleet.served[50:]
        began = time.monotonic()
        process = installed.start("run", "--all", "--timeout", str(timeout), "-o", "json", "-c", gate.script)
        gate.wait_for([*dying, *healthy])
        arrived = time.monotonic() - began
        for member in dying:
            fleet.power_off(member)
        with gate.opened():
            found = document(process, timeout=timeout + GRACE + 60)
        took = time.monotonic() - began
    assert endings(found, healthy) == only(800, "Finished", "", "hello\n")
    assert endings(found, dying) == only(50, "Failed", "ClientNotResponse")
    assert endings(found, fleet.refusing) == only(100, "Failed", "ClientNotRunning")
    assert endings(found, fleet.hanging) == only(50, "Failed", "ClientNotOnline")
    assert sorted(gate.ran()) == sorted(member.instance for member in [*dying, *healthy])
    assert took < arrived + timeout + GRACE + 10
