"""Notifications from end to end: receivers, times, at most once after any kill, and no command waits for them."""

from __future__ import annotations

import json
import os
import signal
import stat
import time
from pathlib import Path

import pytest

from assist_cli.model.audit import AuditEntry
from assist_cli.operations.controller import open_controller
from assist_cli.operations.history import audit
from assist_cli.operations.runs import refresh
from assist_cli.paths import Home
from tests.support import expressions, processes
from tests.support.agent import eventually, is_alive
from tests.support.application import Application
from tests.support.program import Program
from tests.support.receiver import GUARD, Receiver

pytestmark = pytest.mark.usefixtures("starts_processes")


@pytest.fixture
def taker(home: Path) -> Path:
    """A program that writes the document to ``taken`` in the folder of the test."""
    path = home.parent / "taker"
    path.write_text(f"#!/bin/sh\ncat > {home.parent}/draft && mv {home.parent}/draft {home.parent}/$1\n")
    path.chmod(0o755)
    return path


def audited(home: Path, number: int) -> list[AuditEntry]:
    """Return the lines of the audit log about deliveries, once there are this many."""
    end = time.monotonic() + GUARD
    with open_controller(Home(home)) as controller:
        while True:
            entries = audit.entries(controller, since=None, limit=None)
            found = [entry for entry in entries if entry.action == "notify.deliver"]
            if len(found) >= number:
                return found
            assert time.monotonic() < end, "it was not told"
            time.sleep(0.05)  # another process delivers: there is no event to wait for


def test_a_webhook_gets_the_document_of_invocation_show(assist: Application) -> None:
    with Receiver() as receiver:
        result = assist("run", "--notify", receiver.url(), "--", "echo", "hello")
        assert (result.stdout, result.stderr, result.returncode) == (b"hello\n", b"", 0)
        came = receiver.next()
    assert json.loads(came.body) == json.loads(assist("invocation", "show", "-", "-o", "json").stdout)
    assert came.headers["webhook-id"].startswith(json.loads(came.body)["InvokeId"])
    assert came.path == "/hook?key=abc"


def test_nobody_waits_for_a_receiver_and_each_outcome_is_sent_one_time(assist: Application, home: Path) -> None:
    with Receiver() as receiver:
        receiver.gate.clear()
        assert assist("run", "--notify", receiver.url(), "--", "true").returncode == 0
        first = receiver.next()
        with open_controller(Home(home)) as controller:
            for _ in range(20):
                refresh.refresh(controller, None)
        receiver.gate.set()
        found = audited(home, 1)
        assert receiver.deliveries.empty()
    assert [(entry.subject, entry.outcome) for entry in found] == [(json.loads(first.body)["InvokeId"], "Done")]
    assert found[0].detail == f"http://127.0.0.1:{receiver.port}: 200 OK"


@pytest.mark.parametrize("statuses", [(503, 200), pytest.param((500, 503, 200), marks=pytest.mark.long)], ids=len)
def test_a_failed_delivery_is_retried_with_the_same_id(
    assist: Application, home: Path, statuses: tuple[int, ...]
) -> None:
    with Receiver(*statuses) as receiver:
        assist("run", "--notify", receiver.url(), "--", "true")
        ids = {receiver.next().headers["webhook-id"] for _ in statuses}
        found = audited(home, 1)
    assert len(ids) == 1
    assert found[0].outcome == "Done"
    assert b"Notify     http://127.0.0.1" in assist("invocation", "show", "-").stdout


def test_a_rejected_delivery_is_final_and_audited(assist: Application, home: Path) -> None:
    with Receiver(404) as receiver:
        assist("run", "--notify", receiver.url(), "--", "true")
        receiver.next()
        found = audited(home, 1)
    assert found[0].outcome == "Failed"
    assert b"failed after 1 attempt: 404" in assist("invocation", "show", "-").stdout
    everything = b"".join(path.read_bytes() for path in (home / "logs").iterdir())
    assert b"404" in everything
    assert b"key=abc" not in everything


def test_on_failure_only_failures_are_sent(assist: Application, home: Path, taker: Path) -> None:
    words = ("--notify-on", "failure", "--notify", f"{taker} taken")
    assist("run", *words, "--", "true")
    assert assist("run", *words, "--", "false").returncode == 1
    assert len(audited(home, 1)) == 1
    document = json.loads((taker.parent / "taken").read_text())
    assert document["InvokeInstances"][0]["ExitCode"] == 1
    assert document == json.loads(assist("invocation", "show", "-", "-o", "json").stdout)


@pytest.mark.long
def test_a_detached_invocation_is_notified_too(assist: Application, installed: Program, home: Path) -> None:
    with Receiver() as receiver:
        started = installed("run", "--detach", "--notify", receiver.url(), "-c", "sleep 0.2; echo end")
        assert json.loads(receiver.next().body)["InvokeId"] == started.stdout.decode().strip()
        program = installed.start("run", "--notify", receiver.url(), "-c", "echo begun; sleep 1")
        assert program.stdout is not None
        assert program.stdout.readline() == b"begun\n"
        program.send_signal(signal.SIGINT)
        assert program.wait(60) == 130
        assert json.loads(receiver.next().body)["InvokeInstances"][0]["Stdout"] == "begun\n"
    (home.parent / "file").write_text("content")
    with Receiver() as receiver:
        assist("send", home.parent / "file", "--to", home.parent / "there", "--notify", receiver.url())
        assert json.loads(receiver.next().body)["Name"] == "file"


def test_a_delivery_of_a_killed_process_is_completed_by_the_next_command(assist: Application, home: Path) -> None:
    with Receiver() as receiver:
        receiver.gate.clear()
        assist("run", "--notify", receiver.url(), "--", "true")
        first = receiver.next()
        for pid in processes.running(home.parent, "deliver"):
            os.kill(pid, signal.SIGKILL)
            eventually(lambda pid=pid: not is_alive(pid))
        receiver.gate.set()
        assist("invocation", "list")
        second = receiver.next()
    assert first.headers["webhook-id"] == second.headers["webhook-id"]
    assert len(audited(home, 1)) == 1


def test_a_secret_url_is_given_by_file_and_stored_nowhere(assist: Application, home: Path) -> None:
    with Receiver() as receiver:
        (home.parent / "hook").write_text(receiver.url() + "canary\n")
        assist("run", "--notify", "@hook", "--", "true")
        assert receiver.next().path.endswith("canary")
        audited(home, 1)
    kept = [path for path in home.rglob("*") if stat.S_ISREG(path.lstat().st_mode) and b"canary" in path.read_bytes()]
    assert kept == []


@pytest.mark.parametrize(
    "target", ["https://ann:canary@example.com/", "no-such-program x", "@no-such-file", "ftp://x/y"]
)
def test_an_unusable_target_is_refused_before_anything_runs(assist: Application, home: Path, target: str) -> None:
    result = assist("run", "--notify", target, "--", "touch", "ran")
    assert result.returncode in (65, 66, 74)
    assert result.stdout == b""
    assert b"canary" not in result.stderr
    assert json.loads(assist("invocation", "list", "-o", "json").stdout) == []
    assert assist("run", "--notify-on", "failure", "--", "true").returncode == 2
    assert assist("run", "--notify", "true", "--notify-on", "canary", "--", "true").returncode == 2


def test_the_test_command_shows_the_answer(assist: Application, home: Path, taker: Path) -> None:
    assert assist("notify", "test").returncode == 66
    with Receiver(200, 500) as receiver:
        good = json.loads(assist("notify", "test", receiver.url(), "-o", "json").stdout)
        bad = assist("notify", "test", receiver.url())
        sample = json.loads(receiver.next().body)
    assert (good["Ok"], good["Answer"], good["Target"]) == (True, "200 OK", f"http://127.0.0.1:{receiver.port}")
    assert bad.returncode == 1
    assert b": 500 Internal Server Error, in " in bad.stdout
    assist("run", "--notify", f"{taker} taken", "--", "true")
    assert audited(home, 1)
    assert assist("notify", "test").returncode == 0, "where the newest one goes"
    assert json.loads((taker.parent / "taken").read_text()).keys() == sample.keys()


@pytest.mark.long
def test_a_server_notifies_of_each_firing(assist: Application, installed: Program, home: Path) -> None:
    server = installed.start("serve")
    with Receiver() as receiver:
        words = ("--notify-on", "failure", "--notify", receiver.url())
        once = assist("run", "--in", "1s", *words, "-c", "exit 4").stdout.decode().strip()
        cron = expressions.soon(4)
        again = assist("run", "--cron", cron, *words, "-c", "exit 3").stdout.decode().strip()
        assist("run", "--cron", cron, *words, "-c", "true")
        documents = [json.loads(receiver.next().body) for _ in range(2)]
        entries = audited(home, 2)
        assert receiver.deliveries.empty()
    server.send_signal(signal.SIGTERM)
    assert server.wait(60) == 0
    exits = {each["InvokeId"]: each["InvokeInstances"][0]["ExitCode"] for each in documents}
    assert exits == {once: 4, again: 3}
    assert {entry.subject for entry in entries} == {once, again}
