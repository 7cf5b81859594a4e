"""Hundreds of simulated agents behind one broker: no record is lost, and none is doubled."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.programs import need

ROOT = Path(__file__).resolve().parents[2]
GUARD = 800.0  # seconds; without other load it takes about one minute


@pytest.mark.long
@pytest.mark.timeout(900)
@pytest.mark.usefixtures("starts_processes")
def test_no_record_of_hundreds_of_agents_is_lost_or_doubled() -> None:
    need("nats-server")
    words = [sys.executable, "-m", "benchmarks.broker", "--agents", "500"]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, timeout=GUARD)
    assert done.returncode == 0, done.stdout + done.stderr
