"""A file for several instances: the outcome of each, waves, and sending in the background."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from assist_cli.operations.controller import open_controller
from assist_cli.paths import Home
from tests.support.agent import eventually
from tests.support.application import Application
from tests.support.fleet import Fleet, enlist
from tests.support.program import Program
from tests.support.terminal import Terminal

CONTENT = b"key = value\n"


@pytest.fixture
def fleet(starts_processes: None, home: Path) -> Iterator[Fleet]:
    """Six instances on one disk, so that one may find the file of another; nothing listens at the first."""
    folder = home.parent / "fleet"
    folder.mkdir()
    with open_controller(Home(home)) as controller, Fleet(folder, controller, 6, refusing=1) as fleet:
        enlist(controller, fleet.members)
        yield fleet


@pytest.fixture
def source(isolation: Path) -> Path:
    path = isolation / "app.conf"
    path.write_bytes(CONTENT)
    return path


@pytest.fixture
def path(isolation: Path) -> Path:
    """The destination of the file."""
    return isolation / "target" / "app.conf"


def document(assist: Application, *words: str | Path) -> Any:
    return json.loads(assist(*words, "-o", "json").stdout)


def outcomes(found: Any) -> dict[str, str]:
    return {each["InstanceName"]: each["ErrorCode"] or each["InvocationStatus"] for each in found["InvokeInstances"]}


@pytest.mark.long
def test_equal_outcomes_are_grouped_and_the_odd_one_is_last(
    assist: Application, installed: Program, fleet: Fleet, source: Path, path: Path, isolation: Path
) -> None:
    done = assist("send", source, "--all", "--to", path.parent, "--overwrite")
    assert done.returncode == 1
    unreached = f"cannot reach an agent at '{fleet.members[0].endpoint}': nothing listens there"
    assert done.stdout.decode() == (
        f"--- n[2-6] (5) ---\n{path}, 12 bytes\n--- n1: Failed (ClientNotRunning) ---\n{unreached}\n"
    )
    assert done.stderr.decode().splitlines()[-1].endswith(": 5 succeeded, 1 Failed (ClientNotRunning) on n1")
    shown = assist("file", "show", "-").stdout.decode()
    assert "    5  Finished  -                 n[2-6]\n" in shown
    assert "    1  Failed    ClientNotRunning  n1\n" in shown
    assert shown.endswith(f"ClientNotRunning: n1\n  {unreached}\n")
    assert "PartialFailed, 1 failed" in assist("file", "list").stdout.decode()
    assert assist("send", source, "-i", "n1", "--to", path.parent).returncode == 69
    words = ["send", str(source), "--all", "--to", str(path.parent), "--overwrite"]
    with Terminal(installed.path, words, isolation) as terminal:
        assert terminal.end() == 1
    shown = terminal.text[terminal.text.index("--- n[2-6]") :]
    assert shown.count("Failed (ClientNotRunning)") == 2  # its group, and the sums
    assert "6 instances in " in shown


def test_an_existing_file_is_an_own_outcome_and_ends_a_rollout(
    assist: Application, fleet: Fleet, source: Path, path: Path
) -> None:
    """Without --overwrite the first instance writes the file, and the others find it."""
    words = ("send", source, "-i", "n[2-6]", "--to", path.parent)
    assert assist(*words, "--preview").stdout.decode().split() == ["n2", "n3", "n4", "n5", "n6"]
    assert not path.exists()
    sent = document(assist, *words, "--canary", "2", "--max-errors", "0")
    found = outcomes(sent)
    assert sorted([found.pop("n2"), found.pop("n3")]) == ["FileAlreadyExists", "Finished"]
    assert found == dict.fromkeys(["n4", "n5", "n6"], "ExecutionInterrupted")
    assert sent["InvokeStatus"] == "PartialFailed"
    assert document(assist, "invocation", "wait", sent["InvokeId"]) == sent
    assert path.read_bytes() == CONTENT


def test_a_detached_file_is_sent(
    assist: Application, installed: Program, fleet: Fleet, source: Path, path: Path
) -> None:
    words = ("send", source, "-i", "n[2-6]", "--to", path.parent, "--overwrite", "--concurrency", "2", "--detach")
    id = installed(*words).stdout.decode().strip()
    assert id.startswith("f-")
    waited = assist("invocation", "wait", id)
    assert (waited.returncode, waited.stdout.decode()) == (0, f"--- n[2-6] (5) ---\n{path}, 12 bytes\n")


@pytest.mark.long
def test_unsent_files_are_sent_in_the_background(
    assist: Application, installed: Program, fleet: Fleet, source: Path, path: Path
) -> None:
    """The agent of the second instance is suspended, so that it is known what is sent and what is not at Ctrl-C."""
    still = fleet.members[2].pid
    assert still is not None
    os.kill(still, signal.SIGSTOP)
    try:
        words = ("send", source, "-i", "n[2-6]", "--to", path.parent, "--overwrite", "--concurrency", "1")
        program = installed.start(*words)
        eventually(path.exists)
        path.unlink()
        program.send_signal(signal.SIGINT)
        assert program.wait(30) == 130
    finally:
        os.kill(still, signal.SIGCONT)
    source.write_bytes(b"not this one")  # the content that was read is sent
    found = document(assist, "file", "show", "-")
    waited = document(assist, "invocation", "wait", found["InvokeId"])
    assert outcomes(waited) == dict.fromkeys(["n2", "n3", "n4", "n5", "n6"], "Finished")
    assert path.read_bytes() == CONTENT
