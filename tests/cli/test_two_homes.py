"""Two homes, and two users, with one agent: neither sees the runs or files of the other."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from assist_cli.model.instance import Instance
from assist_cli.model.invocation import Invocation, Record
from assist_cli.model.target import Selection
from assist_cli.operations.controller import open_controller
from assist_cli.operations.runs import dispatch, files, recording
from assist_cli.operations.runs.files import SendRequest
from assist_cli.paths import Home
from assist_cli.store import instances
from tests.support.program import Program
from tests.support.somebody import need_root, somebody

pytestmark = pytest.mark.usefixtures("starts_processes")


@pytest.mark.long
def test_each_home_has_its_own_history_of_a_shared_agent(installed: Program, home: Path, isolation: Path) -> None:
    other = isolation / "other"
    places = ((home, "local", "local"), (other, "shared", f"unix:{home}/agent/agentd.sock"))
    sent, instance = {}, ""
    for mine, name, address in places:
        with send(mine, name, address, isolation / name, instance) as (invocation, record):
            assert record.is_success
            sent[mine], instance = invocation.id, record.instance_id
    for mine, others in ((home, sent[other]), (other, sent[home])):
        env = {"ASSIST_HOME": str(mine)}
        listed = json.loads(installed("file", "list", "-o", "json", env=env).stdout)
        assert [each["InvokeId"] for each in listed] == [sent[mine]]
        for words in (["file", "show", others], ["stop", others]):
            refused = installed(*words, env=env)
            assert (refused.returncode, refused.stdout) == (66, b"")


def test_the_agent_of_one_user_refuses_another(home: Path, isolation: Path) -> None:
    """Any other user than root and its own is refused, and that is the outcome."""
    need_root()
    with send(home, "local", "local", isolation / "target") as (_, record):
        assert record.is_success  # and everything is imported that another user may not read
    with (
        somebody() as folder,
        send(folder / "home", "shared", f"unix:{home}/agent/agentd.sock", folder / "target") as (_, record),
    ):
        assert (record.error_code, record.sent) == ("ClientAuthFailed", None)
        assert not (folder / "target").exists()


@contextlib.contextmanager
def send(
    home: Path, name: str, address: str, target: Path, instance: str = "i-1"
) -> Iterator[tuple[Invocation, Record]]:
    """Send a file from a home to an instance with this address and id, and return its outcome."""
    with open_controller(Home(home)) as controller:
        if name != "local":
            with controller.database.transaction() as transaction:
                instances.register(transaction, Instance(instance, name, address, controller.now()))
        request = SendRequest(b"x", "file", str(target), targets=Selection((name,)))
        with files.recorded(controller, request) as invocation:
            dispatch.send_and_watch(controller, invocation, listener=None)
        (place,) = recording.recall(controller, invocation.id).instances
        yield invocation, place.record
