"""Export and import: commands reach another home with everything."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from assist_cli.errors import AssistError, Conflict, InvalidParameter, NotFound, QuotaExceeded
from assist_cli.model.command import CommandType, CommandVersion
from assist_cli.model.parameters import Definition
from assist_cli.operations.commands import commands, exchange
from assist_cli.operations.commands.commands import Changes
from assist_cli.operations.commands.exchange import Clash
from assist_cli.operations.controller import Controller
from assist_cli.paths import Home
from assist_cli.store import audit
from assist_cli.store import commands as store
from assist_cli.store.database import open_database
from tests.support import variants


@pytest.fixture
def other(tmp_path: Path, controller: Controller) -> Iterator[Controller]:
    """A controller of another home."""
    home = Home(tmp_path / "other")
    home.folder(home.root)
    with open_database(home.database) as database:
        yield controller.replace(home=home, database=database)


@pytest.fixture
def document(controller: Controller) -> dict[str, Any]:
    """Two commands, one with three versions that have every property of a version."""
    commands.create(
        controller,
        "restart",
        CommandVersion(
            b"restart {{service|sh}} {{extra}}\n",
            working_dir="/srv",
            parameters_enabled=True,
            definitions=(
                Definition("service", "the unit", pattern="[a-z]+"),
                Definition("mode", default="soft", choices=("soft", "hard")),
                Definition("token", secret=True),
            ),
        ),
        "restarts a unit",
    )
    commands.clone(controller, "restart", Changes(content=b"\xff\x00binary", timeout=90))
    commands.clone(controller, "restart", Changes(CommandVersion(b"dir").content, CommandType.BAT))
    commands.create(controller, "uptime", CommandVersion(b"uptime"))
    return exchange.export(controller, [])


def test_the_same_versions_arrive(controller: Controller, other: Controller, document: dict[str, Any]) -> None:
    imported = exchange.import_text(other, json.dumps(document))
    assert [each.name for each in imported] == ["restart", "uptime"]
    for name in ("restart", "uptime"):
        here, there = commands.versions(controller, name), commands.versions(other, name)
        assert [each.version for each in there] == [each.version for each in here]
        assert there[0].description == here[0].description
        assert there[0].id != here[0].id
    assert exchange.export(other, []) == document
    assert {entry.action for entry in audit.entries(other.database)} == {"command.import"}


def test_some_or_all_commands(controller: Controller, document: dict[str, Any]) -> None:
    chosen = exchange.export(controller, ["uptime", "uptime"])
    assert [each["Name"] for each in chosen["Commands"]] == ["uptime"]
    with pytest.raises(NotFound):
        exchange.export(controller, ["nothing"])


def test_a_taken_name(controller: Controller, document: dict[str, Any]) -> None:
    commands.delete(controller, ["uptime"])
    text = json.dumps(document)
    with pytest.raises(Conflict) as refused:
        exchange.import_text(controller, text)
    assert refused.value.code == "CommandNameExists"
    assert [each.name for each in commands.listing(controller)] == ["restart"]
    skipped = exchange.import_text(controller, text, Clash.SKIP)
    assert [each.command and each.command.name for each in skipped] == [None, "uptime"]
    renamed = exchange.import_text(controller, text, Clash.RENAME)
    assert [each.command and each.command.name for each in renamed] == ["restart-2", "uptime-2"]
    renamed = exchange.import_text(controller, text, Clash.RENAME)
    assert [each.command and each.command.name for each in renamed] == ["restart-3", "uptime-3"]


def test_a_long_name_is_shortened_for_its_number(controller: Controller) -> None:
    commands.create(controller, "x" * 128, CommandVersion(b"true"))
    (imported,) = exchange.import_text(controller, json.dumps(exchange.export(controller, [])), Clash.RENAME)
    assert imported.command is not None
    assert imported.command.name == "x" * 126 + "-2"


def test_the_quota_applies_to_imports(other: Controller, document: dict[str, Any]) -> None:
    with other.database.transaction() as transaction:
        store.set_limit(transaction, 1)
    with pytest.raises(QuotaExceeded):
        exchange.import_text(other, json.dumps(document))
    assert list(commands.listing(other)) == []


@pytest.mark.parametrize(
    "text", ["", "[]", "null", "{}", '{"Format": "other"}', '{"Format": "assist-commands"}', "[" * 100_000]
)
def test_an_invalid_document(other: Controller, text: str) -> None:
    with pytest.raises(InvalidParameter) as refused:
        exchange.import_text(other, text)
    assert refused.value.code == "InvalidDocument"


HOSTILE: list[tuple[list[str | int], Any]] = [
    (["FormatVersion"], 2),
    (["Commands"], {}),
    (["Commands", 0], "restart"),
    (["Commands", 0, "Name"], None),
    (["Commands", 0, "Name"], "../etc"),
    (["Commands", 0, "Name"], "\x1b[2J"),
    (["Commands", 0, "Name"], "x" * 4096),
    (["Commands", 0, "Description"], "a\nb"),
    (["Commands", 0, "CreationTime"], "yesterday"),
    (["Commands", 0, "Versions"], []),
    (["Commands", 0, "Versions", 0, "Version"], 2),
    (["Commands", 0, "Versions", 0, "Type"], "RunPerl"),
    (["Commands", 0, "Versions", 0, "Timeout"], True),
    (["Commands", 0, "Versions", 0, "Timeout"], 10**30),
    (["Commands", 0, "Versions", 0, "WorkingDir"], "relative"),
    (["Commands", 0, "Versions", 0, "CommandContent"], "x" * 12_289),
    (["Commands", 0, "Versions", 0, "ContentEncoding"], "Base64"),
    (["Commands", 0, "Versions", 0, "ContentEncoding"], "rot13"),
    (["Commands", 0, "Versions", 0, "EnableParameter"], 1),
    (["Commands", 0, "Versions", 0, "ParameterDefinitions"], [1]),
    (["Commands", 0, "Versions", 0, "ParameterDefinitions", 0, "PossibleValues"], [1]),
    (["Commands", 0, "Versions", 0, "ParameterDefinitions", 0, "PatternRegex"], "("),
    (["Commands", 0, "Versions", 0, "ParameterDefinitions", 0, "ParameterName"], "a b"),
    (["Commands", 0, "Versions", 0, "ParameterDefinitions", 2, "DefaultValue"], "canary"),
]


@pytest.mark.parametrize(("place", "value"), variants.every(3, HOSTILE), ids=str)
def test_hostile_documents_change_nothing(
    other: Controller, document: dict[str, Any], place: list[str | int], value: Any
) -> None:
    target: Any = document
    for step in place[:-1]:
        target = target[step]
    target[place[-1]] = value
    with pytest.raises(AssistError) as refused:
        exchange.import_text(other, json.dumps(document))
    assert str(refused.value).isprintable()
    assert refused.value.exit_status == 65
    assert list(commands.listing(other)) == []
    assert audit.entries(other.database) == []
