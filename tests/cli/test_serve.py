"""``assist serve`` and its schedules; the agent is that of this machine."""

from __future__ import annotations

import json
import os
import signal
import time
from pathlib import Path
from typing import Any

import pytest

from tests.support.application import Application
from tests.support.program import Program

pytestmark = pytest.mark.usefixtures("starts_processes")

GUARD = 60.0


def listed(assist: Application | Program, *words: str) -> Any:
    done = assist(*words, "-o", "json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def until(condition: Any) -> None:
    end = time.monotonic() + GUARD
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.1)  # another process does it, and reports no event


def test_it_fires_a_new_schedule_and_ends_on_a_signal(installed: Program, isolation: Path) -> None:
    journal = isolation / "journal"
    assert listed(installed, "schedule", "list") == []
    with installed.start("-v", "serve") as server:
        made = installed("run", "--in", "1s", "-c", f"echo $ASSIST_RECORD_ID >> {journal}")
        assert made.returncode == 0
        later = made.stdout.decode().strip()
        made = installed("run", "--every", "10s", "--", "true")
        assert b"The server is not running" not in made.stderr
        again = made.stdout.decode().strip()
        until(journal.exists)
        (slot,) = listed(installed, "schedule", "slots", later)
        until(lambda: listed(installed, "invocation", "show", later)["InvokeStatus"] == "Finished")
        assert journal.read_text().split() == [slot["RecordId"]]
        assert slot["Outcome"] in ("Ran", "Late", "Pending")
        (shown,) = listed(installed, "schedule", "list")
        assert (shown["InvokeId"], shown["RepeatMode"], shown["Frequency"], shown["Paused"]) == (
            *(again, "Period", "rate(10s)"),
            False,
        )
        other = installed("serve")
        assert other.returncode == 65
        assert f"process {server.pid} on this machine".encode() in other.stderr
        detached = installed("run", "--detach", "-c", "sleep 0.3; echo done").stdout.decode().strip()
        until(lambda: stored(installed, detached) == "Finished")
        server.send_signal(signal.SIGTERM)
        _, log = server.communicate(timeout=GUARD)
    assert server.returncode == 0
    assert b"Traceback" not in log
    lines = log.decode().splitlines()
    assert " serving " in lines[0]
    assert lines[-2].endswith("shutting down on SIGTERM")
    made = installed("run", "--every", "1h", "--", "true")
    assert b"The server is not running, so no schedule will fire. Start it: assist serve" in made.stderr


def stored(installed: Program, invocation_id: str) -> str:
    """The status in the database, without asking an agent."""
    import sqlite3
    from contextlib import closing

    with closing(sqlite3.connect(Path(os.environ["ASSIST_HOME"], "assist.db"))) as connection:
        ((status,),) = connection.execute("SELECT status FROM invocations WHERE id = ?", [invocation_id])
    return str(status)


def test_once_fires_what_is_due_and_ends(installed: Program, isolation: Path) -> None:
    journal = isolation / "journal"
    made = installed("run", "--in", "0s", "-c", f"echo ran >> {journal}")
    assert b"The server is not running" in made.stderr
    until(lambda: installed("-q", "serve", "--once").returncode == 0 and journal.exists())
    assert journal.read_text() == "ran\n"


def test_an_interrupt_ends_it_too(installed: Program) -> None:
    with installed.start("serve") as server:
        assert server.stderr is not None
        assert b"serving" in server.stderr.readline()
        server.send_signal(signal.SIGINT)
        server.communicate(timeout=GUARD)
    assert server.returncode == 0


@pytest.mark.parametrize(
    ("words", "status", "message"),
    [
        (["--every", "9s"], 65, "10"),
        (["--cron", "0,55 * * * * *"], 65, "10"),
        (["--every", "30s", "--at", "2099-01-01"], 2, "--every and --at contradict each other"),
        (["--timezone", "UTC"], 2, "--timezone"),
        (["--every", "30s", "--timezone", "UTC"], 2, "--timezone"),
        (["--keep", "5"], 2, "--keep"),
        (["--every", "30s", "--keep", "0"], 65, "the newest one is always kept"),
        (["--every", "10s", "--jitter", "6s"], 65, "more than half"),
        (["--at", "2020-01-01"], 65, "past"),
        (["--every", "30s", "--canary", "1"], 2, "--canary"),
    ],
)
def test_bad_options_are_refused(assist: Application, words: list[str], status: int, message: str) -> None:
    done = assist("run", *words, "--", "true")
    assert done.returncode == status, done.stderr
    assert message in done.stderr.decode()
    assert b"Traceback" not in done.stderr


def test_an_invocation_without_a_schedule_is_refused(assist: Application) -> None:
    assist("run", "--", "true")
    done = assist("schedule", "slots", "-")
    assert done.returncode == 66
    assert b"cannot find a schedule" in done.stderr


def test_pause_resume_stop(assist: Application) -> None:
    made = assist("run", "--every", "1h", "--", "true").stdout.decode().strip()
    assert listed(assist, "schedule", "pause", made)["Paused"] is True
    assert listed(assist, "schedule", "show", made)["NextTime"] is None
    assert listed(assist, "schedule", "resume", "-")["Paused"] is False
    done = assist("invocation", "wait", made)
    assert done.returncode == 65
    assert b"it is periodic" in done.stderr
    done = assist("invocation", "wait", made, "--wait", "0.1s")
    assert (done.returncode, done.stdout) == (75, b"")
    assert b"it continues" in done.stderr
    assert assist("invocation", "wait", made, "--wait", "0.1s", "-o", "json").returncode == 75
    assert listed(assist, "stop", made)["InvokeStatus"] == "Stopped"
    assert assist("schedule", "pause", made).returncode == 65
    assert listed(assist, "schedule", "list") == []
    assert len(listed(assist, "schedule", "list", "--ended")) == 1
