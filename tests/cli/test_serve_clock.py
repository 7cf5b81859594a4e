"""``assist serve`` on a machine whose clock is set by an hour: a real server, with libfaketime.

It takes half a minute. The tests with a clock of their own are in tests/operations/test_windows_of_due.py.
"""

from __future__ import annotations

import time
from itertools import pairwise
from pathlib import Path

import pytest

from tests.support.program import Program
from tests.support.programs import lack

GUARD = 60.0
HOUR = 3600
LIBRARIES = ("/usr/lib/*/faketime/libfaketimeMT.so.1", "/usr/lib/faketime/libfaketimeMT.so.1")


def library() -> Path:
    """The library that changes the clock of a program; skips the test without it."""
    found = [path for pattern in LIBRARIES for path in Path("/").glob(pattern[1:])]
    if not found:
        lack("libfaketime")
    return found[0]


def count(journal: Path, least: int) -> list[float]:
    """The times of the runs, by the true clock, once there are this many."""
    end = time.monotonic() + GUARD
    while len(moments := [float(line) for line in journal.read_text().splitlines()]) < least:
        assert time.monotonic() < end, moments
        time.sleep(0.1)  # another process does it, and reports no event
    return moments


@pytest.mark.long
def test_a_clock_that_is_set_ahead_and_back_while_it_serves(installed: Program, isolation: Path) -> None:
    """A schedule of every 10 s keeps its pace: no burst, no hour of silence, and nothing twice."""
    journal, clock = isolation / "journal", isolation / "clock"
    journal.touch()
    clock.write_text("+0")
    faked = {
        "LD_PRELOAD": str(library()),
        "FAKETIME_TIMESTAMP_FILE": str(clock),
        "FAKETIME_NO_CACHE": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        "NO_FAKE_STAT": "1",
    }
    installed("run", "--", "true")  # the agent has the true clock, as on another machine
    with installed.start("serve", env=faked) as server:
        assert server.stderr is not None
        assert b"serving" in server.stderr.readline()
        made = installed("run", "--every", "10s", "-c", f"date +%s.%N >> {journal}").stdout.decode().strip()
        count(journal, 1)
        clock.write_text(f"+{HOUR}")
        count(journal, 2)
        clock.write_text("+0")
        moments = count(journal, 3)
        assert installed("stop", made).returncode == 0
        server.terminate()
        log = server.communicate(timeout=GUARD)[1].decode()
    assert all(after - before > 9 for before, after in pairwise(moments))
    steps = [line for line in log.splitlines() if "the clock was set by" in line]
    assert [round(float(line.split()[-2]), -1) for line in steps] == [HOUR, -HOUR]
    assert "Traceback" not in log
