"""The end of the process: immediate, and with nothing lost that Python's own end would do."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import IO

import pytest

pytestmark = pytest.mark.usefixtures("starts_processes")

# Found by Python's own end only.
OBJECT = """
class Kept:
    def __del__(self): os.write(2, b"freed")
kept = Kept()
"""


def leave(code: str, stdout: int | IO[bytes] = subprocess.PIPE, last: str = "leave(3)") -> tuple[int, bytes, bytes]:
    """Run code that ends with the status 3; return the status of the process, and what is in its pipes."""
    program = f"import atexit, os, sys\nfrom assist_cli.__main__ import leave\n{OBJECT}\n{code}\n{last}\nsys.exit(3)"
    done = subprocess.run([sys.executable, "-c", program], stdout=stdout, stderr=subprocess.PIPE, check=False)
    return done.returncode, done.stdout, done.stderr


def test_objects_are_not_freed_but_exit_functions_run_and_streams_are_flushed() -> None:
    assert leave("atexit.register(print, 'of atexit'); print('of the command')") == (
        3,
        b"of the command\nof atexit\n",
        b"",
    )


def test_a_thread_that_works_is_awaited() -> None:
    code = "import threading, time; threading.Thread(target=lambda: (time.sleep(0.01), print('done'))).start()"
    assert leave(code) == (3, b"done\n", b"freed")


def test_an_exit_function_that_fails_changes_no_status() -> None:
    status, _, stderr = leave("atexit.register(lambda: 1 / 0)")
    assert status == 3
    assert b"ZeroDivisionError" in stderr


@pytest.mark.parametrize("kind", ["a full disk", "a closed pipe"])
def test_lost_output_is_the_same_error_as_without_it(kind: str) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    if kind == "a full disk":
        os.close(writing)
        writing = os.open("/dev/full", os.O_WRONLY)
    try:
        status, _, stderr = leave("print('lost')", writing)
        assert (status, stderr.count(b"Error")) == (leave("print('lost')", writing, last="")[0], 1)
        assert status not in (0, 3)
    finally:
        os.close(writing)


def test_an_interrupt_of_the_last_write_leaves_the_end_to_python() -> None:
    code = """
class Slow:
    closed = False
    interrupts = [KeyboardInterrupt]
    def flush(self):
        while self.interrupts:
            raise self.interrupts.pop()
sys.stdout = Slow()
"""
    assert leave(code) == (3, b"", b"freed")
