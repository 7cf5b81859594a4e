"""``assist invocation``: the declared shapes of its JSON, its tables, and lookups."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from assist_cli.operations.controller import open_controller
from assist_cli.operations.runs import dispatch
from assist_cli.operations.runs.plans import RunRequest
from assist_cli.operations.runs.recording import recorded
from assist_cli.paths import Home
from tests.support import processes
from tests.support.application import Application
from tests.support.program import Program
from tests.support.terminal import Terminal

# docs/cli.md section 5, in its order.
SHOW_KEYS = [
    "InvokeId", "CommandId", "CommandName", "CommandVersion", "CommandType", "CommandContent", "RepeatMode",
    "Frequency", "Parameters", "Timeout", "WorkingDir", "Username", "CreationTime", "FinishTime", "InvokeStatus",
    "InvokeInstances",
]  # fmt: skip
INSTANCE_KEYS = [
    "InstanceId", "InstanceName", "InvocationStatus", "ExitCode", "Output", "Stdout", "Stderr", "Dropped", "DroppedAt",
    "Repeats", "StartTime", "FinishTime", "StopTime", "ErrorCode", "ErrorInfo",
]  # fmt: skip
TIME = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ"
ID = r"[0-9a-hjkmnp-tv-z]{26}"


def document(assist: Application, *words: str) -> Any:
    done = assist(*words, "-o", "json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.fixture
def three(starts_processes: None, home: Path) -> list[str]:
    """The ids of three invocations, newest first: one that failed, one with exit code 3, one that succeeded."""
    ids = []
    with open_controller(Home(home)) as controller:
        for request in (
            RunRequest(b"echo first line; echo second line >&2"),
            RunRequest(b"set -e\n\techo 'a\x1b[31mb'\nexit 3"),
            RunRequest(b"true", working_dir=str(home / "missing")),
        ):
            with recorded(controller, request) as invocation:
                dispatch.send_and_watch(controller, invocation, listener=None)
            ids.insert(0, invocation.id)
    return ids


def test_the_document_of_show(assist: Application, three: list[str]) -> None:
    shown = document(assist, "invocation", "show", three[1])
    assert list(shown) == SHOW_KEYS
    (place,) = shown["InvokeInstances"]
    assert list(place) == INSTANCE_KEYS
    assert re.fullmatch(f"t-{ID}", shown["InvokeId"])
    assert re.fullmatch(f"c-{ID}", shown["CommandId"])
    assert re.fullmatch(f"i-{ID}", place["InstanceId"])
    for name in ("CreationTime", "FinishTime"):
        assert re.fullmatch(TIME, shown.pop(name)), name
    for name in ("StartTime", "FinishTime"):
        assert re.fullmatch(TIME, place.pop(name)), name
    assert place == {
        "InstanceId": place["InstanceId"], "InstanceName": "local", "InvocationStatus": "Finished", "ExitCode": 3,
        "Output": "a\x1b[31mb\n", "Stdout": "a\x1b[31mb\n", "Stderr": "", "Dropped": 0, "DroppedAt": None,
        "Repeats": 1, "StopTime": None,
        "ErrorCode": "ExitCodeNonzero", "ErrorInfo": "the script ended with exit code 3",
    }  # fmt: skip
    assert shown == {
        "InvokeId": three[1], "CommandId": shown["CommandId"], "CommandName": None, "CommandVersion": None,
        "CommandType": "RunShellScript", "CommandContent": "set -e\n\techo 'a\x1b[31mb'\nexit 3",
        "RepeatMode": "Once", "Frequency": None, "Parameters": {}, "Timeout": 60, "WorkingDir": None,
        "Username": None, "InvokeStatus": "Finished", "InvokeInstances": [place],
    }  # fmt: skip


def test_the_documents_of_list(assist: Application, three: list[str]) -> None:
    listed = document(assist, "invocation", "list")
    for each in listed:
        assert list(each) == [
            *(key for key in SHOW_KEYS if key not in ("CommandContent", "InvokeInstances")),
            "InstanceCount", "Counts",
        ]  # fmt: skip
    assert [each["InvokeStatus"] for each in listed] == ["Failed", "Finished", "Finished"]
    assert [each["Counts"] for each in listed] == [{"Failed": 1}, {"Finished": 1}, {"Finished": 1}]
    assert {each["InstanceCount"] for each in listed} == {1}


def test_lines_of_json(assist: Application, three: list[str]) -> None:
    lines = assist("invocation", "list", "-o", "jsonl").stdout.decode().splitlines()
    assert [json.loads(line)["InvokeId"] for line in lines] == three
    (line,) = assist("invocation", "show", "-", "-o", "jsonl").stdout.decode().splitlines()
    assert json.loads(line)["InvokeId"] == three[0]


def test_an_empty_list(assist: Application) -> None:
    assert document(assist, "invocation", "list") == []
    done = assist("invocation", "list")
    assert (done.stdout, done.stderr) == (b"", b"No invocations yet. Try: assist run -- uname -a\n")
    assert assist("-q", "invocation", "list").stderr == b""


def test_limit(assist: Application, three: list[str]) -> None:
    done = assist("invocation", "list", "-n", "2", "-o", "json")
    assert [each["InvokeId"] for each in json.loads(done.stdout)] == three[:2]
    assert b"older invocations" in done.stderr
    assert len(document(assist, "invocation", "list", "-n", "0")) == 3


def test_prefixes_and_the_newest(assist: Application, three: list[str]) -> None:
    for text in (three[0], three[0][:12], "-"):
        assert document(assist, "invocation", "show", text)["InvokeId"] == three[0]


def test_a_table_in_a_pipe_has_columns_and_is_not_cut(assist: Application, three: list[str]) -> None:
    lines = assist("invocation", "list", env={"COLUMNS": "40"}).stdout.decode().splitlines()
    assert lines[0].split() == ["ID", "STATUS", "INSTANCE", "CREATED", "TOOK", "COMMAND"]
    assert [re.split("  +", line)[:3] for line in lines[1:]] == [
        [three[0][:12], "Failed", "local"],
        [three[1][:12], "Finished, exit 3", "local"],
        [three[2][:12], "Finished", "local"],
    ]
    assert lines[2].endswith("set -e ↵ echo 'a\\x1b[31mb' ↵ exit 3")
    assert lines[3].endswith("echo first line; echo second line >&2")


@pytest.mark.parametrize("columns", [80, 200])
def test_a_table_on_a_terminal_fits(installed: Program, three: list[str], isolation: Path, columns: int) -> None:
    with Terminal(installed.path, ["invocation", "list"], isolation, columns=columns) as terminal:
        assert terminal.end() == 0
    lines = terminal.text.splitlines()
    assert max(map(len, lines)) <= columns
    assert "Finished, exit 3" in lines[3]
    assert three[1][:12] in lines[3]
    assert "ago" in lines[3] or "just now" in lines[3]
    assert lines[3].rstrip().endswith("exit 3" if columns == 200 else "…")
    assert "\x1b[33mFinished, exit 3" in terminal.raw


def test_no_colour_on_request(installed: Program, three: list[str], isolation: Path) -> None:
    for words in (["invocation", "list"], ["invocation", "show", "-"]):
        with Terminal(installed.path, words, isolation, env={"NO_COLOR": "1"}) as terminal:
            assert terminal.end() == 0
        assert "\x1b[3" not in terminal.raw


def test_plain_on_a_terminal(installed: Program, three: list[str], isolation: Path) -> None:
    with Terminal(installed.path, ["invocation", "list", "--plain"], isolation) as terminal:
        assert terminal.end() == 0
    assert "\x1b" not in terminal.raw
    assert "─" not in terminal.raw


def test_show_for_people(assist: Application, three: list[str]) -> None:
    text = assist("invocation", "show", three[1]).stdout.decode()
    lines = text.splitlines()
    assert lines[0] == f"{three[1]}  Finished, exit 3"
    assert "  Settings   RunShellScript, timeout 60 s" in lines
    assert "  Script     set -e" in lines
    assert "             \techo 'a\\x1b[31mb'" in lines
    assert lines[-1] == "a\\x1b[31mb"
    assert "\x1b" not in text


def test_show_of_a_failure(assist: Application, three: list[str], home: Path) -> None:
    text = assist("invocation", "show", "-").stdout.decode()
    assert "local     Failed" in text
    assert "WorkingDirectoryNotExist" in text
    assert f"local: there is no folder '{home}/missing' on this instance" in text
    assert "No output." in text


@pytest.mark.usefixtures("starts_processes")
def test_show_of_long_and_binary_output(assist: Application) -> None:
    assist("run", "--", "seq", "1000")
    lines = assist("invocation", "show", "-").stdout.decode().splitlines()
    assert lines[-10:] == [str(number) for number in range(991, 1001)]
    assert lines[-11].startswith("The last 10 lines of 3,893 bytes. To print all: assist invocation output t-")
    assist("run", "--", "head", "-c", "1000", "/dev/zero")
    assert "1,000 bytes of binary output" in assist("invocation", "show", "-").stdout.decode()


def test_output_by_stream(assist: Application, three: list[str]) -> None:
    both = assist("invocation", "output", three[2])
    assert (both.stdout, both.stderr) == (b"first line\n", b"second line\n")
    only = assist("invocation", "output", three[2], "--stderr")
    assert (only.stdout, only.stderr) == (b"second line\n", b"")
    assert assist("invocation", "output", three[2], "--stdout", "-i", "local").stdout == b"first line\n"
    (place,) = document(assist, "invocation", "show", three[2])["InvokeInstances"]
    of_prefix = assist("invocation", "output", three[2], "--stderr", "-i", place["InstanceId"][:12])
    assert of_prefix.stdout == b"second line\n"
    assert assist("invocation", "output", three[2], "-i", "web1").returncode == 66
    assert assist("invocation", "output", three[2], "--stdout", "--stderr").returncode == 2


@pytest.mark.usefixtures("starts_processes")
def test_stop(assist: Application) -> None:
    assist("run", "--detach", "--", "sleep", "60")
    assert assist("stop", "-", "--all", "--preview").stdout == b"local\n"
    running = document(assist, "invocation", "show", "-")
    assert (running["InvokeStatus"], running["CommandContent"]) == ("Running", "sleep 60")
    stopped = document(assist, "stop", "-", "--all")
    assert stopped["InvokeStatus"] == "Stopped"
    (place,) = stopped["InvokeInstances"]
    assert (place["InvocationStatus"], place["ErrorCode"]) == ("Stopped", "ExecutionInterrupted")
    assert re.fullmatch(TIME, place["StopTime"])
    again = assist("invocation", "stop", stopped["InvokeId"][:14])
    assert (again.returncode, again.stdout.decode()) == (0, f"{stopped['InvokeId']}: Stopped\n")


def test_show_starts_no_agent(assist: Application, three: list[str], home: Path) -> None:
    processes.stop_agent(home / "agent")
    for words in (["list"], ["show", "-"], ["output", "-"], ["wait", three[2]]):
        assert assist("invocation", *words).returncode == 0
    assert processes.listener(home / "agent" / "agentd.sock") is None


def test_an_unknown_invocation(assist: Application, three: list[str]) -> None:
    for verb in ("show", "wait", "output", "stop"):
        done = assist("invocation", verb, "t-zz")
        assert (done.returncode, done.stdout) == (66, b"")
        assert b"cannot find an invocation 't-zz'" in done.stderr
