"""Two homes, and two users, with one agent: neither sees what the other has run or sent there."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from assist_cli.model.instance import Instance
from assist_cli.model.invocation import Record
from assist_cli.model.target import Selection
from assist_cli.operations import dispatch, files, history
from assist_cli.operations.controller import open_controller
from assist_cli.operations.files import SendRequest
from assist_cli.paths import Home
from assist_cli.store import instances
from tests.support.program import Program

pytestmark = pytest.mark.e2e


@pytest.fixture
def source(isolation: Path) -> Path:
    path = isolation / "app.conf"
    path.write_text("key = value\n")
    return path


def document(assist: Program, home: Path, *words: str | Path) -> Any:
    return json.loads(assist(*words, "-o", "json", env={"ASSIST_HOME": str(home)}).stdout)


def test_each_home_has_its_own_history_of_the_agent_they_share(
    assist: Program, home: Path, isolation: Path, source: Path
) -> None:
    other = isolation / "other"
    seen = {}
    document(assist, home, "run", "-c", "true")
    document(assist, other, "instance", "add", "shared", f"unix:{home}/agent/agentd.sock")
    for mine, name in ((home, "local"), (other, "shared")):
        run = document(assist, mine, "run", "-i", name, "-c", "echo mine")
        file = document(assist, mine, "send", source, "-i", name, "--to", isolation / name)
        assert (run["InvokeStatus"], file["InvokeStatus"]) == ("Finished", "Finished")
        seen[mine] = (run["InvokeId"], file["InvokeId"])
    (health,) = document(assist, other, "instance", "status", "shared")
    assert health["InvocationCount"] >= 1
    for mine, others in ((home, seen[other]), (other, seen[home])):
        runs = [each["InvokeId"] for each in document(assist, mine, "invocation", "list")]
        sent = [each["InvokeId"] for each in document(assist, mine, "file", "list")]
        assert set(others) & {*runs, *sent} == set()
        assert set(seen[mine]) <= {*runs, *sent}
        for words in (["invocation", "show", others[0]], ["file", "show", others[1]], ["stop", others[1]]):
            refused = assist(*words, env={"ASSIST_HOME": str(mine)})
            assert (refused.returncode, refused.stdout) == (66, b"")


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to be somebody else")
def test_the_agent_of_one_user_is_not_there_for_another(home: Path, isolation: Path) -> None:
    """Whoever is not root and not its user is not let in, and reads that as the outcome."""
    assert send(home, "local", "local", isolation / "target").is_success  # also imports all that a user may not read
    with somebody() as folder:
        record = send(folder / "home", "shared", f"unix:{home}/agent/agentd.sock", folder / "target")
        assert (record.error_code, record.sent) == ("ClientAuthFailed", None)
        assert not (folder / "target").exists()


def send(home: Path, name: str, address: str, target: Path) -> Record:
    with open_controller(Home(home)) as controller:
        if name != "local":
            with controller.database.transaction() as transaction:
                instances.register(transaction, Instance("i-1", name, address, controller.now()))
        request = SendRequest(b"x", "file", str(target), targets=Selection((name,)))
        with files.recorded(controller, request) as invocation:
            dispatch.send_and_watch(controller, invocation, listener=None)
        (place,) = history.recall(controller, invocation.id).instances
    return place.record


@contextlib.contextmanager
def somebody() -> Iterator[Path]:
    """Be a user without a name, in a folder of that user."""
    folder = Path(tempfile.mkdtemp(prefix="assist-somebody-"))
    user = 1_000_000 + os.getpid()
    os.chown(folder, user, -1)
    os.seteuid(user)
    try:
        yield folder
    finally:
        os.seteuid(0)
        shutil.rmtree(folder)
