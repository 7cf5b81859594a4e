"""Ctrl-C at the start: no traceback, and it is not lost."""

from __future__ import annotations

import subprocess
import sys

import pytest

pytestmark = pytest.mark.usefixtures("starts_processes")


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("streams.end_at_interrupts()", (130, b"")),
        ("streams.end_at_interrupts(); streams.raise_interrupts()", (0, b"raised")),
        ("signal.signal(signal.SIGINT, signal.SIG_IGN); streams.end_at_interrupts()", (0, b"continued")),
    ],
)
def test_ctrl_c_ends_the_process_until_a_command_runs(code: str, expected: tuple[int, bytes]) -> None:
    program = f"""
import os, signal
from assist_cli.cli import streams
signal.signal(signal.SIGINT, signal.default_int_handler)
{code}
try:
    os.kill(os.getpid(), signal.SIGINT)
except KeyboardInterrupt:
    os.write(1, b"raised")
else:
    os.write(1, b"continued")
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (*expected, b"")
