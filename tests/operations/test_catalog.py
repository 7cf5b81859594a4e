"""Saving commands of the catalog, and their updates."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from assist_cli.errors import Conflict, NotFound
from assist_cli.operations.commands import catalog, commands
from assist_cli.operations.commands.catalog import EntryState
from assist_cli.operations.commands.commands import Changes
from assist_cli.operations.controller import Controller, open_controller
from assist_cli.operations.history import audit
from assist_cli.paths import Home
from tests.support.application import Application


@pytest.fixture
def controller(home: Path) -> Iterator[Controller]:
    with open_controller(Home(home)) as controller:
        yield controller


def upgraded(folder: Path) -> Path:
    """A catalog in which ``service`` has two versions: the one of the real catalog, and a newer one."""
    document = json.loads((catalog.FOLDER / "service.json").read_text())
    (first,) = document["Commands"][0]["Versions"]
    document["Commands"][0]["Versions"] = [first, {**first, "Version": 2, "Timeout": 400}]
    (folder / "service.json").write_text(json.dumps(document))
    old = (catalog.FOLDER / "service.sh").read_text()
    (folder / "service@1.sh").write_text(old)
    (folder / "service.sh").write_text(old + "# newer\n")
    return folder


def test_an_entry_is_saved_one_time(controller: Controller) -> None:
    made, before = catalog.add(controller, "service")
    assert (made.name, made.version.number, before) == ("service", 1, EntryState.ABSENT)
    again, before = catalog.add(controller, "service")
    assert (again.id, again.version.number, before) == (made.id, 1, EntryState.CURRENT)
    assert commands.get(controller, "service").version.content == (catalog.FOLDER / "service.sh").read_bytes()
    assert {each.name: each.state for each in catalog.listing(controller)}["service"] is EntryState.CURRENT
    other, before = catalog.add(controller, "service", "other name")
    assert (other.name, before, other.id != made.id) == ("other name", EntryState.ABSENT, True)


def test_an_upgrade_is_a_new_version(controller: Controller, tmp_path: Path) -> None:
    made, _ = catalog.add(controller, "service")
    new = upgraded(tmp_path)
    updated, before = catalog.add(controller, "service", folder=new)
    assert (updated.id, updated.version.number, before) == (made.id, 2, EntryState.OUTDATED)
    assert updated.version.timeout == 400
    assert updated.version.content.endswith(b"# newer\n")
    assert catalog.add(controller, "service", folder=new)[1] is EntryState.CURRENT
    commands.rollback(controller, "service", 1)
    assert catalog.add(controller, "service", folder=new)[0].version.number == 4
    (entry,) = audit.entries(controller, since=None, limit=1)
    assert entry.detail.startswith("version 4 from version 2 of the catalog, c-")
    # an older Assist does not know the newer version
    with pytest.raises(Conflict):
        catalog.add(controller, "service")


def test_a_changed_command_is_not_replaced(controller: Controller, tmp_path: Path) -> None:
    catalog.add(controller, "service")
    commands.clone(controller, "service", Changes(timeout=7))
    with pytest.raises(Conflict, match="another one, or was changed here") as raised:
        catalog.add(controller, "service", folder=upgraded(tmp_path))
    assert "assist catalog add service --as OTHER" in raised.value.hint
    assert commands.get(controller, "service").version.number == 2
    assert catalog.add(controller, "service", "new", folder=tmp_path)[0].version.number == 1
    with pytest.raises(NotFound) as missing:
        catalog.add(controller, "servce")
    assert "did you mean 'service'?" in missing.value.hint


def test_the_command_line(assist: Application) -> None:
    entries = json.loads(assist("catalog", "list", "-o", "json").stdout)
    assert len(entries) == 10
    assert entries[0].keys() == {"Name", "Description", "Version", "Added"}
    assert not any(entry["Added"] for entry in entries)

    done = assist("catalog", "add", "service")
    assert done.stdout.startswith(b"service@1  c-")
    assert done.stderr == b"To run it: assist invoke service -p action=VALUE -p service=VALUE\n"
    assert assist("catalog", "add", "service").stderr == b"It was saved before, at this version.\n"
    assert json.loads(assist("catalog", "add", "service", "-o", "json").stdout)["Version"] == 1
    entries = json.loads(assist("catalog", "list", "-o", "json").stdout)
    assert [entry["Name"] for entry in entries if entry["Added"]] == ["service"]
    assert assist("command", "clone", "service", "--timeout", "7").returncode == 0
    refused = assist("catalog", "add", "service", "-o", "json")
    assert (refused.returncode, json.loads(refused.stderr)["Code"]) == (65, "CommandChanged")
    assert b"changed here" in assist("catalog", "list").stdout

    shown = json.loads(assist("catalog", "show", "service", "-o", "json").stdout)
    assert shown["CommandContent"].startswith("#!/bin/sh")
    assert [each["ParameterName"] for each in shown["ParameterDefinitions"]] == ["action", "service"]
    assert assist("catalog", "show", "none").returncode == 66
