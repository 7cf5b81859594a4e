"""Several instances on the command line: output, waves, and runs that continue in the background."""

from __future__ import annotations

import itertools
import json
import os
import re
import signal
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from assist_cli.cli.fanout import Fanout
from assist_cli.model.invocation import Outcome
from assist_cli.model.output import Portion, Stream
from assist_cli.model.status import InvocationStatus
from assist_cli.operations.controller import open_controller
from assist_cli.paths import Home
from assist_cli.store import instances
from assist_cli.units import took
from tests.support.application import Application
from tests.support.captured import Captured
from tests.support.fleet import Fleet, enlist
from tests.support.program import Program
from tests.support.terminal import Terminal

NAMES = [f"n{number}" for number in range(1, 7)]


@pytest.fixture
def fleet(starts_processes: None, home: Path) -> Iterator[Fleet]:
    """Six instances; nothing listens at the first one."""
    folder = home.parent / "fleet"
    folder.mkdir()
    with open_controller(Home(home)) as controller, Fleet(folder, controller, 6, refusing=1) as fleet:
        enlist(controller, fleet.members)
        yield fleet


def document(assist: Application, *words: str) -> dict[str, object]:
    found = json.loads(assist(*words, "-o", "json").stdout)
    assert isinstance(found, dict)
    return found


def statuses(found: dict[str, object]) -> dict[str, str]:
    places = found["InvokeInstances"]
    assert isinstance(places, list)
    return {place["InstanceName"]: place["InvocationStatus"] for place in places}


def test_into_a_pipe_each_line_has_the_name_of_its_instance(assist: Application, fleet: Fleet) -> None:
    result = assist("run", "-i", "n[2-6]", "-c", "echo one; printf two; printf '\\033[2J' >&2")
    assert sorted(result.stdout.splitlines()) == sorted(
        f"{name}: {word}".encode() for name in NAMES[1:] for word in ("one", "two")
    )
    assert result.stderr.count(b": \x1b[2J\n") == 5
    assert b"5 instances in" in result.stderr.splitlines()[-1]
    assert result.returncode == 0


def test_equal_outputs_are_grouped_and_the_odd_one_is_last(assist: Application, fleet: Fleet) -> None:
    last = fleet.members[-1].instance
    result = assist("run", "-i", "n[2-6]", "--gather", "-c", f'[ "$ASSIST_INSTANCE_ID" = {last} ] && exit 3; echo ok')
    assert result.stdout.decode() == "--- n[2-5] (4) ---\nok\n--- n6: exit 3 ---\n"
    assert result.returncode == 1


@pytest.mark.long
def test_into_a_pipe_every_line_is_whole_and_in_groups_a_gap_is_marked(assist: Application, fleet: Fleet) -> None:
    lines = [b"%d" % number for number in range(1, 300_001)]
    result = assist("run", "-i", "n[2-3]", "-c", "seq 1 300000")
    for name in (b"n2: ", b"n3: "):
        assert [line[4:] for line in result.stdout.splitlines() if line.startswith(name)] == lines
    assert result.stdout.count(b"\n") == 600_000
    gathered = assist("invocation", "wait", "-", "--gather")
    title, *shown = gathered.stdout.splitlines()
    other = shown.index(b"--- n3 ---")
    shown, again = shown[:other], shown[other + 1 :]
    assert again == shown
    (mark,) = [line for line in shown if line.startswith("…".encode())]
    at = shown.index(mark)
    assert (title, shown[:at]) == (b"--- n2 ---", lines[:at])
    assert shown[at + 1 :] == lines[at + 1 - len(shown) :]
    missing = sum(len(line) + 1 for line in lines[at : len(lines) + at + 1 - len(shown)])
    assert mark.decode() == f"… {missing:,} bytes are missing here …"
    before = sum(len(line) + 1 for line in lines[:at])
    places = document(assist, "invocation", "show", "-")["InvokeInstances"]
    assert isinstance(places, list)
    for place in places:
        assert place["Dropped"] == missing
        assert place["DroppedAt"] == {"Output": before, "Stdout": before, "Stderr": 0}


def test_a_line_of_megabytes_is_whole_or_missing(assist: Application, fleet: Fleet) -> None:
    script = "echo 1; head -c 5000000 /dev/zero | tr '\\0' 7; echo; echo 2"
    result = assist("run", "-i", "n[2-3]", "-c", script)
    assert sorted(map(len, result.stdout.splitlines())) == [5, 5, 5, 5, 5_000_004, 5_000_004]
    shown = assist("invocation", "output", "-", "-i", "n2")
    warning, hint = shown.stderr.decode().splitlines()
    assert (shown.stdout, warning) == (b"1\n2\n", "warning: 5,000,001 bytes of output missing in the middle")
    assert hint.startswith("hint: the instance may have it: assist invocation output t-")
    assert hint.endswith(" -i n2 --full")
    assert len(assist("invocation", "output", "-", "-i", "n2", "--full").stdout) == 5_000_005


def test_wait_for_an_ended_invocation_shows_its_duration(assist: Application, fleet: Fleet, home: Path) -> None:
    assist("run", "-i", "n[2-3]", "-c", "sleep 0.2")
    with open_controller(Home(home)) as controller:
        invocation = controller.database.query("SELECT finished_at - created_at AS length FROM invocations")[0]
    again = assist("invocation", "wait", "-")
    length = took(timedelta(milliseconds=invocation["length"]))
    assert again.stderr.decode() == f"2 instances in {length}: 2 succeeded\n"


def test_an_unreachable_instance_is_reported_and_delays_nobody(assist: Application, fleet: Fleet) -> None:
    found = document(assist, "run", "--all", "-c", "true")
    assert statuses(found) == {"n1": "Failed", **dict.fromkeys(NAMES[1:], "Finished")}
    assert found["InvokeStatus"] == "PartialFailed"


def test_max_errors_stops_launching(assist: Application, fleet: Fleet) -> None:
    found = document(assist, "run", "--all", "--canary", "1", "--batch", "2", "--max-errors", "0", "-c", "true")
    assert statuses(found) == {"n1": "Failed", **dict.fromkeys(NAMES[1:], "Stopped")}
    places = found["InvokeInstances"]
    assert isinstance(places, list)
    assert {place["ErrorInfo"] for place in places[1:]} == {"it was not started: 1 of 6 had failed, more than 0"}
    again = document(assist, "rerun", "-", "--max-errors", "20%")
    assert statuses(again) == {"n1": "Failed", **dict.fromkeys(NAMES[1:], "Finished")}
    assert statuses(document(assist, "rerun", "-")) == {"n1": "Failed"}


def test_wait_shows_the_start_of_earlier_records() -> None:
    captured = Captured(terminal=False)
    view = Fanout(captured.printer, ["n1", "n2"], portion=Portion.WHOLE, groups=False, age=12, ages={"n1": 10.5})
    view.started("n1")
    view.started("n2")
    view.close([])
    assert captured.err.splitlines()[:2] == ["running for 10 s: n1", "running for 0 s: n2"]


def test_instances_behind_the_canary_are_not_shown_as_running() -> None:
    captured = Captured(terminal=False)
    view = Fanout(captured.printer, ["n1", "n2", "n3"], portion=Portion.WHOLE, groups=False)
    view.started("n2")
    view.output("n3", Stream.STDOUT, b"text\n")
    view.close([])
    *_, running, waiting, sums = captured.err.splitlines()
    assert running == "running for 0 s: n[2-3]"
    assert waiting == "waiting: n1"
    assert re.fullmatch(r"3 instances in [0-9.]+ s: 2 still running, 1 waiting", sums)


def test_a_record_that_did_not_start_has_not_failed() -> None:
    captured = Captured(terminal=False)
    view = Fanout(captured.printer, ["n1", "n2", "n3"], portion=Portion.WHOLE, groups=False)
    view.ended("n1", Outcome(InvocationStatus.FAILED, error_code="ClientNotOnline", error_info="away"))
    for name in ("n2", "n3"):
        view.ended(name, Outcome(InvocationStatus.STOPPED, error_info="it was not started: 1 of 3 had failed"))
    view.close([])
    assert captured.err.splitlines() == [
        "n1: Failed (ClientNotOnline): away",
        "n[2-3]: it was not started: 1 of 3 had failed",
        "3 instances: 2 not started, 1 Failed (ClientNotOnline) on n1",
    ]


def test_every_contact_updates_last_seen(assist: Application, fleet: Fleet, home: Path) -> None:
    def heard() -> dict[str, datetime | None]:
        with open_controller(Home(home)) as controller:
            return {each.name: each.heard for each in instances.registered(controller.database)}

    assert set(heard().values()) == {None}
    began = datetime.now(timezone.utc) - timedelta(seconds=1)
    assist("run", "-i", "n[1-2]", "--", "true")
    assist("run", "-i", "n3", "--detach", "--", "true")
    assist("send", __file__, "-i", "n4", "--to", str(home.parent / "sent"))
    assist("top", "--once")
    found = heard()
    assert found["n1"] is None
    assert all(moment is not None and moment >= began for name, moment in found.items() if name != "n1")


def test_a_rerun_repeats_the_version_and_parameters(assist: Application, fleet: Fleet) -> None:
    assist("command", "create", "greet", "-c", "echo {{who|sh}} one", "--enable-parameters")
    assert assist("invoke", "greet", "-i", "n2", "-p", "who=you").stdout == b"you one\n"
    assist("command", "clone", "greet", "-c", "echo {{who|sh}} two")
    assert assist("rerun", "-", "--all").stdout == b"you one\n"
    refused = assist("rerun", "-")
    assert (refused.returncode, refused.stdout) == (65, b"")
    words = ("--all", "--timeout", "7", "--workdir", "/tmp", "--user", "nobody", "--in", "1h")
    made = document(assist, "rerun", "-", *words)
    assert list(made) == ["InvokeId", "CommandId"]
    later = document(assist, "invocation", "show", str(made["InvokeId"]))
    assert (later["CommandVersion"], later["Parameters"]) == (1, {"who": "you"})
    assert (later["Timeout"], later["WorkingDir"], later["Username"]) == (7, "/tmp", "nobody")
    assert str(later["Frequency"]).startswith("at(")
    assert statuses(later) == {"n2": "Running"}


def test_a_rerun_asks_again_for_secrets(assist: Application, installed: Program, fleet: Fleet, isolation: Path) -> None:
    assist("run", "-i", "n2", "--secret", "key=env:KEY", "-c", "[ $ASSIST_PARAM_KEY = right ]", env={"KEY": "wrong"})
    refused = assist("rerun", "-")
    assert (refused.returncode, refused.stdout) == (65, b"")
    refused = assist("rerun", "-", "--keep-script", "--secret", "key=env:KEY", env={"KEY": "right"})
    assert (refused.returncode, b"cannot keep the script" in refused.stderr) == (65, True)
    with Terminal(installed.path, ["rerun", "-"], isolation) as terminal:
        terminal.wait_for("key: ")
        terminal.type("right\n")
        assert terminal.end() == 0
    assert "right" not in terminal.raw


def test_a_terminal_shows_lines_groups_sums_and_late_instances(
    installed: Program, fleet: Fleet, isolation: Path
) -> None:
    fifo = isolation / "fifo"
    script = f"echo 'a\033[31mb'; [ \"$ASSIST_INSTANCE_ID\" != {fleet.members[5].instance} ] || read x < {fifo}"
    os.mkfifo(fifo)
    with Terminal(installed.path, ["run", "-i", "n[2-6]", "-c", script], isolation) as terminal:
        terminal.wait_for("4/5")
        terminal.type("\n")
        terminal.wait_for("s: n6\n")
        fifo.write_text("go\n")
        assert terminal.end() == 0
    for name in NAMES[1:]:
        assert f"{name}: a\\x1b[31mb\n" in terminal.text
    assert "--- n[2-6] (5) ---\na\\x1b[31mb\n" in terminal.text
    assert terminal.text.rstrip().endswith("5 succeeded")


@pytest.mark.parametrize(
    "number",
    [signal.SIGINT, *(pytest.param(each, marks=pytest.mark.long) for each in (signal.SIGHUP, signal.SIGTERM))],
)
def test_unsent_records_are_sent_in_the_background(
    assist: Application, installed: Program, fleet: Fleet, number: signal.Signals
) -> None:
    script = 'echo begun; sleep 0.4; [ "$ASSIST_PARAM_KEY" = canary ]'
    words = ("run", "-i", "n[2-6]", "--batch", "1", "--secret", "key=env:KEY", "-c", script)
    program = installed.start(*words, env={"KEY": "canary"})
    assert program.stdout is not None
    assert program.stdout.readline() == b"n2: begun\n"
    program.send_signal(number)
    assert program.wait(30) == 130
    waited = assist("invocation", "wait", "-", "--gather")
    assert waited.stdout == b"--- n[2-6] (5) ---\nbegun\n"
    assert waited.returncode == 0
    places = document(assist, "invocation", "show", "-")["InvokeInstances"]
    assert isinstance(places, list)
    for before, after in itertools.pairwise(places):  # a wave waits for the one that was sent before the signal
        assert before["FinishTime"] <= after["StartTime"]


@pytest.mark.parametrize("number", [signal.SIGINT, pytest.param(signal.SIGTERM, marks=pytest.mark.long)])
def test_a_canary_that_was_sent_before_a_signal_still_decides(
    assist: Application, installed: Program, fleet: Fleet, tmp_path: Path, number: signal.Signals
) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    script = f"echo begun; read word <{fifo}; exit 1"
    program = installed.start("run", "-i", "n[2-6]", "--canary", "1", "--max-errors", "0", "-c", script)
    assert program.stdout is not None
    assert program.stdout.readline() == b"n2: begun\n"
    program.send_signal(number)
    assert program.wait(30) == 130
    fifo.write_text("go\n")
    assert assist("invocation", "wait", "-").returncode == 1
    found = statuses(document(assist, "invocation", "show", "-"))
    assert found == {"n2": "Finished", **dict.fromkeys(("n3", "n4", "n5", "n6"), "Stopped")}


def test_detached_waves_continue_by_themselves(assist: Application, installed: Program, fleet: Fleet) -> None:
    started = installed("run", "-i", "n[2-6]", "--concurrency", "2", "--detach", "--", "echo", "done")
    assert started.stdout.startswith(b"t-")
    assert assist("invocation", "wait", started.stdout.decode().strip()).stdout.count(b": done\n") == 5


@pytest.mark.long
def test_background_results_are_written_when_no_other_process_has_the_database_open(
    assist: Application, installed: Program
) -> None:
    """The program that started them closes the database and ends first, and loses nothing of theirs."""
    for _ in range(2):
        installed("run", "--detach", "--batch", "1", "-c", "sleep 0.5; echo done")
        waited = assist("invocation", "wait", "-")
        assert (waited.stdout, waited.returncode) == (b"done\n", 0)
