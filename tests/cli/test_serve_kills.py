"""``assist serve`` killed at random, with a real agent: slots and journal agree, and each run is there one time.

The short form kills 3 servers, the long one 5, the one of make soak 200.
"""

from __future__ import annotations

import random
import signal
import time
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from assist_cli.model import frequency
from assist_cli.model.schedule import SlotOutcome
from assist_cli.operations.controller import open_controller
from assist_cli.operations.server import schedules
from assist_cli.paths import Home
from tests.support import checker
from tests.support.application import Application
from tests.support.program import Program

GUARD = 60.0


def serve_and_kill(
    assist: Application, installed: Program, home: Path, *, number: int, rounds: int, last: float
) -> None:
    """Kill a server of ``number`` schedules repeatedly, run the last one for ``last`` s, compare slots and journal."""
    chance = random.Random(rounds)
    journal = home.parent / "journal"
    assist("run", "--", "true")  # the agent runs
    script = f"echo $ASSIST_RECORD_ID $ASSIST_INVOKE_ID $(date +%s.%N) >> {journal}"
    made = []
    for _ in range(number):
        made.append(assist("run", "--every", "10s", "-c", script).stdout.decode().strip())
        time.sleep(chance.uniform(0, 0.5))  # so that they are due at different times
    served: list[tuple[datetime, datetime]] = []
    for _ in range(rounds):
        begin, _ = serve(installed, chance.uniform(0.05, 0.9), signal.SIGKILL)
        served.append((begin, datetime.now(timezone.utc)))
    begin, log = serve(installed, last, signal.SIGTERM)
    served.append((begin, datetime.now(timezone.utc)))
    assert b"Traceback" not in log
    for each in made:
        assert assist("stop", each).returncode == 0
    lines = [line.split() for line in journal.read_text().splitlines()]
    assert len({record for record, _, _ in lines}) == len(lines), "a record ran twice"
    ran = 0
    with open_controller(Home(home)) as controller:
        for each in made:
            found = schedules.show(controller, each)
            slots = [*schedules.list_slots(controller, each, limit=None)]
            arrivals = {
                record: datetime.fromtimestamp(float(moment), timezone.utc)
                for record, invocation, moment in lines
                if invocation == each
            }
            end = max(slot.due for slot in slots)
            assert end > served[-1][1] - timedelta(seconds=11)
            outcomes = checker.check(
                slots, arrivals, frequency.every(10), found.schedule.anchor, end, served, timedelta(seconds=3)
            )
            ran += outcomes[SlotOutcome.RAN] + outcomes[SlotOutcome.LATE]
    assert ran >= number * min(4, int(last // 10))


def serve(installed: Program, seconds: float, number: int) -> tuple[datetime, bytes]:
    """Serve for this time, and end by a signal. Return the time of the start, and the other lines of the log."""
    with installed.start("serve") as server:
        assert server.stderr is not None
        assert b"serving" in server.stderr.readline()
        begin = datetime.now(timezone.utc)
        time.sleep(seconds)  # time itself is the subject
        server.send_signal(number)
        _, log = server.communicate(timeout=GUARD)
    assert server.returncode == (0 if number == signal.SIGTERM else -number)
    return begin, log


@pytest.mark.long
def test_three_kills(assist: Application, installed: Program, home: Path) -> None:
    serve_and_kill(assist, installed, home, number=3, rounds=3, last=11)


@pytest.mark.long
def test_five_kills(assist: Application, installed: Program, home: Path) -> None:
    serve_and_kill(assist, installed, home, number=6, rounds=5, last=20)


@pytest.mark.soak
@pytest.mark.timeout(1200)
def test_two_hundred_kills(assist: Application, installed: Program, home: Path) -> None:
    serve_and_kill(assist, installed, home, number=6, rounds=200, last=60)
