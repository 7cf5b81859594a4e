"""The log of an agent: its length is limited, whoever writes to it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

# The guard opens the log, and a child that inherits it writes too. On Windows only the guard appends: the child writes
# at the position that both share. Without O_APPEND it is the same here.
GUARD = r"""
import fcntl, os, subprocess, sys
from agentd import log
log.LONGEST = 4096
made = log.Log(sys.argv[1])
fcntl.fcntl(2, fcntl.F_SETFL, fcntl.fcntl(2, fcntl.F_GETFL) & ~os.O_APPEND)
words = [sys.executable, "-I", "-S", "-c", "import os; os.write(2, b'a line of a child\\n' * 40)"]
for number in range(20):
    subprocess.run(words, check=True)
    made.write("guard %d" % number)
"""


@pytest.mark.usefixtures("starts_processes")
def test_lines_of_a_child_follow_each_other_after_the_log_was_shortened(tmp_path: Path) -> None:
    path = tmp_path / "agentd.log"
    done = subprocess.run([sys.executable, "-c", GUARD, path], cwd=Path(__file__).parents[2], check=False)
    assert done.returncode == 0
    lines = path.read_bytes() + (tmp_path / "agentd.log.1").read_bytes()
    assert b"\0" not in lines
    assert b"guard 19" in lines
    assert path.stat().st_size <= 4096 + 1024
