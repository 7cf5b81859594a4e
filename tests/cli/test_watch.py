"""Watching one invocation: the live view, the lines without a terminal, and how both end."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from assist_cli.cli.invocation_screen import frame
from assist_cli.cli.screen import Line
from assist_cli.model.command import CommandType
from assist_cli.model.invocation import Invocation, InvocationInstance, Record
from assist_cli.model.status import InvocationStatus, InvokeStatus
from assist_cli.operations.controller import open_controller
from assist_cli.paths import Home
from tests.support import expressions
from tests.support.application import Application
from tests.support.fleet import Fleet, enlist
from tests.support.program import Program
from tests.support.terminal import Terminal

NOW = datetime(2026, 11, 22, 8, tzinfo=timezone.utc)


@pytest.fixture
def fleet(starts_processes: None, home: Path) -> Iterator[Fleet]:
    """Four instances; nothing listens at the first one."""
    folder = home.parent / "fleet"
    folder.mkdir()
    with open_controller(Home(home)) as controller, Fleet(folder, controller, 4, refusing=1) as fleet:
        enlist(controller, fleet.members)
        yield fleet


def place(name: str, status: InvocationStatus = InvocationStatus.RUNNING, **facts: object) -> InvocationInstance:
    record = Record(id=f"r-{name}", instance_id=f"i-{name}", number=1, status=status, deadline=NOW, **facts)  # type: ignore[arg-type]
    return InvocationInstance(f"i-{name}", name, status, 1, record)


def invocation(places: Sequence[InvocationInstance]) -> Invocation:
    return Invocation(
        id="t-01kbdk5g8w3m9v6yx2r4hq7cne",
        command_id="c-1",
        command_type=CommandType.SHELL,
        content=b"sleep 5\nuptime\n",
        timeout=60,
        status=InvokeStatus.RUNNING,
        created=NOW - timedelta(seconds=72),
        instances=tuple(places),
    )


def texts(lines: Sequence[Line]) -> list[str]:
    return ["".join(cell.text for cell in line) for line in lines]


def test_the_view_shows_running_times_and_failures_with_reasons() -> None:
    lost = {"error_code": "ClientNotOnline", "error_info": "cannot reach it"}
    sent = NOW - timedelta(seconds=70)
    shown = frame(
        invocation(
            [
                place("web1", InvocationStatus.FAILED, **lost),
                place("web2", InvocationStatus.FAILED, **lost),
                place("web3", InvocationStatus.FINISHED, exit_code=3),
                place("web4", InvocationStatus.FINISHED, exit_code=0),
                place("web5", sent=sent),
                place("web6", sent=sent),
                place("web7"),
                place("web8", InvocationStatus.STOPPED, error_info="it was not started"),
            ]
        ),
        NOW,
        columns=80,
        lines=20,
    )
    assert texts(shown) == [
        "t-01kbdk5g8w3m9v6yx2r4hq7cne  Running  sleep 5 ↵ uptime",
        "███████████████░░░░░░░░░ 5/8, 3 failed, 1 not started  1 min 12 s",
        "2 Failed (ClientNotOnline), 2 running, 1 exit 3, 1 succeeded, 1 waiting, 1 not started",
        "running for 70 s: web[5-6]",
        "Failed (ClientNotOnline) (2): web[1-2]  cannot reach it",
        "exit 3: web3",
        "not started: web8  it was not started",
        "waiting: web7",
        "succeeded: web4",
    ]


def test_the_view_fits_its_room() -> None:
    shown = frame(
        invocation([place(f"w{code}", InvocationStatus.FINISHED, exit_code=code) for code in range(30)]), NOW, 80, 10
    )
    assert len(shown) == 10
    assert texts(shown)[-1] == "… 24 more lines"


@pytest.mark.long
@pytest.mark.usefixtures("starts_processes")
def test_without_a_terminal_each_change_is_a_line(installed: Program, fleet: Fleet, isolation: Path) -> None:
    fifo = isolation / "fifo"
    os.mkfifo(fifo)
    script = f"[ $ASSIST_INSTANCE_ID != {fleet.members[3].instance} ] && exit 3; read x < {fifo}"
    installed("run", "--all", "--detach", "-c", script)
    with installed.start("invocation", "watch", "-") as program:
        assert program.stdout is not None
        seen: dict[str, str] = {}
        for line in program.stdout:
            names, _, how = line.decode().rstrip("\n").split(maxsplit=2)[2].partition(": ")
            seen[names] = how
            if how == "running" and names.endswith("n4"):
                fifo.write_text("go\n")
        assert program.stderr is not None
        sums = program.stderr.read().decode()
    assert seen["n1"].startswith("Failed (ClientNotRunning): cannot reach")
    assert seen["n4"] == "succeeded"
    assert "exit 3" in seen.values()
    assert "4 instances in" in sums
    assert program.returncode == 1


@pytest.mark.long
def test_a_terminal_shows_one_view_and_ctrl_c_ends_it(
    assist: Application, installed: Program, home: Path, isolation: Path
) -> None:
    fifo = isolation / "fifo"
    os.mkfifo(fifo)
    assist("run", "--detach", "-c", f"read x < {fifo}; exit 4")
    with Terminal(installed.path, ["invocation", "watch", "-"], isolation) as terminal:
        terminal.wait_for("s: local")
        terminal.interrupt()
        terminal.wait_for("continues")
        assert terminal.end() == 130
    assert terminal.raw.rindex("\x1b[?25h") > terminal.raw.rindex("\x1b[?25l"), "the cursor is back"
    with Terminal(installed.path, ["invocation", "watch", "-"], isolation) as terminal:
        terminal.wait_for("s: local")
        fifo.write_text("go\n")
        assert terminal.end() == 4
    assert "exit 4: local" in terminal.text


def test_keys_leave_no_trace_on_the_view(assist: Application, installed: Program, home: Path, isolation: Path) -> None:
    fifo = isolation / "fifo"
    os.mkfifo(fifo)
    assist("run", "--detach", "-c", f"read x < {fifo}")
    with Terminal(installed.path, ["invocation", "watch", "-"], isolation) as terminal:
        terminal.wait_for("s: local")
        assert not terminal.echoes
        terminal.type("\n\nwords\n")
        terminal.wait_for("1 running")
        fifo.write_text("go\n")
        assert terminal.end() == 0
        assert terminal.echoes
    assert "words" not in terminal.text
    assert not terminal.text.startswith("\n"), "no empty line above it"


def test_a_signal_restores_the_terminal(assist: Application, installed: Program, home: Path, isolation: Path) -> None:
    assist("run", "--detach", "-c", "sleep 600")
    with Terminal(installed.path, ["invocation", "watch", "-"], isolation) as terminal:
        terminal.wait_for("s: local")
        terminal.interrupt(signal.SIGTERM)
        assert terminal.end() == -signal.SIGTERM
        assert terminal.echoes
    assist("stop", "-")


def test_an_end_by_another_program_is_shown(
    assist: Application, installed: Program, home: Path, isolation: Path
) -> None:
    assist("run", "--detach", "-c", "sleep 600")
    with Terminal(installed.path, ["invocation", "watch", "-"], isolation, columns=40) as terminal:
        terminal.wait_for("s: local")
        assist("stop", "-")
        assert terminal.end() == 1
    assert "Stopped: local" in terminal.text


@pytest.mark.long
def test_it_can_time_out_and_be_printed_as_a_document(assist: Application, installed: Program, home: Path) -> None:
    started = installed.start("run", "-c", "echo begun; sleep 600")
    assert started.stdout is not None
    assert started.stdout.readline() == b"begun\n"
    assert assist("invocation", "watch", "-", "--wait", "1s").returncode == 75
    started.send_signal(signal.SIGINT)
    assert started.wait(60) == 130
    assist("stop", "-")
    ended = assist("invocation", "watch", "-", "-o", "json")
    assert (ended.returncode, b'"InvokeStatus": "Stopped"' in ended.stdout) == (1, True)


@pytest.mark.long
@pytest.mark.usefixtures("starts_processes")
def test_a_periodic_invocation_is_watched_until_it_is_stopped(
    assist: Application, installed: Program, home: Path
) -> None:
    server = installed.start("serve")
    assist("run", "--cron", expressions.soon(6), "--", "true")
    with installed.start("invocation", "watch", "-") as program:
        assert program.stdout is not None
        assert program.stdout.readline().endswith(b"local: waiting\n")
        while not program.stdout.readline().endswith(b"local: succeeded\n"):
            assert program.poll() is None
        assist("stop", "-")
        assert b"local: succeeded" not in program.stdout.read()
    assert program.returncode == 0
    assert assist("run", "--every", "1h", "--", "true").returncode == 0
    assert assist("invocation", "watch", "-", "--wait", "1s").returncode == 75
    server.send_signal(signal.SIGTERM)
    assert server.wait(60) == 0
