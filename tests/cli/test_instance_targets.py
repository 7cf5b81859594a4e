"""Targets of the commands that change the inventory, without any agent."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from assist_cli.operations.controller import Controller, open_controller
from assist_cli.operations.runs.senders import sender
from assist_cli.paths import Home
from assist_cli.store import records
from tests.support import past
from tests.support.application import Application

pytestmark = pytest.mark.usefixtures("fleet")


@pytest.fixture
def controller(home: Path) -> Iterator[Controller]:
    with open_controller(Home(home)) as opened:
        yield opened


@pytest.fixture
def fleet(controller: Controller) -> None:
    past.register(controller.database, ["web1", "web2", "db1"], controller.now())


def left(assist: Application) -> list[str]:
    return [each["InstanceName"] for each in json.loads(assist("instance", "list", "-o", "json").stdout)]


@pytest.mark.parametrize("verb", [["list"], ["status"], ["upgrade"], ["tag", "zone=a"]])
def test_all_pick_and_preview_are_the_same_everywhere(assist: Application, verb: list[str]) -> None:
    assert assist("instance", *verb, "--all", "--preview").stdout == b"db1\nweb1\nweb2\n"
    assert assist("instance", *verb, "-i", "web*", "--preview").stdout == b"web1\nweb2\n"
    assert len(assist("instance", *verb, "--pick", "2", "--preview").stdout.split()) == 2


def test_a_tag_of_all(assist: Application) -> None:
    assert assist("instance", "tag", "--all", "zone=a").stderr == b"db1: zone=a\nweb1: zone=a\nweb2: zone=a\n"
    assert b"no target given" in assist("instance", "tag", "zone=a").stderr
    assert b"no tag given" in assist("instance", "tag", "--all").stderr


@pytest.mark.parametrize("verb", ["remove", "uninstall"])
def test_a_pattern_is_confirmed_and_its_names_are_shown(assist: Application, verb: str) -> None:
    for pattern in ("web*", "db?"):
        done = assist("instance", verb, pattern)
        assert done.returncode == 65
        assert b"'web[1-2]'" in done.stderr or b"'db1'" in done.stderr
        assert b"without confirmation" in done.stderr
    assert left(assist) == ["db1", "web1", "web2"]


def test_removed_instances_are_named(assist: Application) -> None:
    assert assist("instance", "remove", "web*", "--yes").stderr == b"Removed: web1\nRemoved: web2\n"
    assert assist("instance", "remove", "db1").stderr == b"Removed: db1\n"


def test_a_run_in_progress_keeps_all_of_them(assist: Application, controller: Controller) -> None:
    web1, *_ = past.register(controller.database, ["web9"], controller.now())
    invocation = past.write(controller.database, past.invocation_on([web1], controller.now()), [None])
    with sender(controller.home) as token:
        with controller.database.transaction() as transaction:
            records.take_over(transaction, invocation.id, token)
        done = assist("instance", "remove", "web1", "web9")
    assert done.returncode == 65
    assert b"assist invocation list --status Running -i web9" in done.stderr
    assert "web1" in left(assist)


def test_one_instance_is_not_all(assist: Application) -> None:
    done = assist("doctor", "all")
    assert done.returncode == 66
    assert b"hint: name one instance; for all: assist instance status" in done.stderr


def test_groups_and_files_of_targets(assist: Application, tmp_path: Path) -> None:
    added = assist("group", "add", "web", "web*,!web2")
    assert (added.returncode, added.stderr) == (0, b"Added: web: web1\n")
    assert json.loads(assist("group", "list", "-o", "json").stdout) == [
        {"Name": "web", "Target": "web*,!web2", "InstanceCount": 1}
    ]
    assert json.loads(assist("group", "show", "web", "-o", "json").stdout)["Instances"] == ["web1"]
    assert assist("run", "-i", "group:web", "--preview").stdout == b"web1\n"
    (tmp_path / "hosts").write_text("db1\ngroup:web\n")
    assert assist("run", "-i", f"file:{tmp_path}/hosts", "--preview").stdout == b"db1\nweb1\n"
    (tmp_path / "hosts").write_text("db1\ndb7\n")
    done = assist("run", "-i", f"file:{tmp_path}/hosts", "--", "true")
    assert done.returncode == 66
    assert f"'db7' (line 2 of '{tmp_path}/hosts')".encode() in done.stderr
    assert assist("group", "remove", "web").returncode == 0
    assert assist("run", "-i", "group:web", "--", "true").returncode == 66
