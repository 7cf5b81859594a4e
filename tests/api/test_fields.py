"""Every parameter of today's SDK is honoured, refused or without meaning, as docs/api.md says."""

from __future__ import annotations

import contextlib
import inspect
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from assist_cli.api import commands, invocations, parameters
from assist_cli.api.actions import ACTIONS
from assist_cli.api.caller import Caller
from assist_cli.api.faults import Fault
from assist_cli.api.parameters import COMMON_FIELDS, Given, RefusedParameter, UnusedParameter, ValueKind
from assist_cli.errors import AssistError
from assist_cli.model.access import Role
from assist_cli.model.instance import Instance
from assist_cli.operations.access import accesskeys
from assist_cli.operations.controller import open_controller
from assist_cli.paths import Home
from assist_cli.store import instances
from tests.support.calls import NoSender

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "api.md").read_text()
SUFFIXES = {ValueKind.LIST: ".1", ValueKind.TAGS: ".1.Key"}


def model_fields(action: str) -> set[str]:
    """The parameters in the source of the request model of an SDK."""
    from alibabacloud_ecs20140526 import models

    return set(re.findall(r"m\.get\('(\w+)'\)", inspect.getsource(getattr(models, f"{action}Request").from_map)))


def rows() -> dict[str, list[str]]:
    """The rows of the table: the fields of each action, in the order of the columns."""
    table = PAGE.partition("<!-- fields:")[2].partition("<!-- end of fields -->")[0]
    cells = [line.strip("|").split("|") for line in table.splitlines() if line.startswith("| ")][2:]
    return {row[0].strip(" `"): re.findall(r"`(\w+)`(?!\))", "|".join(row[1:])) for row in cells}


@pytest.mark.parametrize("action", sorted(ACTIONS))
def test_the_table_has_each_parameter_of_the_sdk_one_time(action: str):
    found = rows()
    row, everywhere = found[action], found["every action"]
    assert len(row) == len(set(row))
    assert model_fields(action) <= {*row, *everywhere}
    assert {*row, *everywhere} == set(ACTIONS[action].takes)


def value_of(kind: ValueKind) -> str:
    return {ValueKind.NUMBER: "1", ValueKind.FLAG: "true", ValueKind.MAP: "{}", ValueKind.TEXTS: "[]"}.get(kind, "x")


@pytest.mark.parametrize("action", sorted(ACTIONS))
def test_the_table_matches_the_code(action: str):
    """Honoured: its action has it. RefusedParameter: in its code. Without meaning: no action ever sees it."""
    takes = ACTIONS[action].takes
    for name, taken in takes.items():
        kind = taken if isinstance(taken, ValueKind) else taken.kind
        words: Any = taken.words if isinstance(taken, UnusedParameter) else ()
        flat = {name + SUFFIXES.get(kind, ""): words[0] if words else value_of(kind)}
        if isinstance(taken, RefusedParameter):
            with pytest.raises(Fault) as refused:
                parameters.read(takes, flat)
            assert refused.value.code == taken.code
        else:
            assert (name in parameters.read(takes, flat).values) is isinstance(taken, ValueKind), name
        if words:
            with pytest.raises(Fault) as refused:
                parameters.read(takes, {name: "Odd"})
            assert refused.value.code == taken.code


class Noted(dict[str, Any]):
    """Parameters of a call that record which of them an action reads."""

    def __init__(self, values: Mapping[str, Any]) -> None:
        super().__init__(values)
        self.asked: set[str] = set()

    def get(self, name: str, default: Any = None) -> Any:
        self.asked.add(name)
        return super().get(name, default)

    def __getitem__(self, name: str) -> Any:
        self.asked.add(name)
        return super().__getitem__(name)

    def __contains__(self, name: object) -> bool:
        self.asked.add(str(name))
        return super().__contains__(name)


@pytest.fixture
def caller(home: Path) -> Iterator[Caller]:
    """An admin key for all instances, in a home with one instance."""
    with open_controller(Home(home)) as controller:
        with controller.database.transaction() as transaction:
            instances.register(transaction, Instance(AWAY, "away", "tls:127.0.0.1:1", controller.now(), "linux"))
        key = accesskeys.create(controller, "ci", Role.ADMIN)
        yield Caller(key, controller, NoSender(), "Any")  # type: ignore[arg-type]


AWAY = f"i-{1:026}"
WHERE = {"InstanceId.1": AWAY}
SCRIPT = {"Type": "RunShellScript", "CommandContent": "dHJ1ZQ=="}
# The parameters that each action needs. COMMAND and INVOCATION stand for existing ones.
NEEDED: dict[str, dict[str, str]] = {
    "RunCommand": {**SCRIPT, **WHERE},
    "InvokeCommand": {"CommandId": "COMMAND", **WHERE},
    "StopInvocation": {"InvokeId": "INVOCATION"},
    "ModifyInvocationAttribute": {"InvokeId": "INVOCATION", "CommandContent": "echo"},
    "SendFile": {"Name": "f", "TargetDir": "/tmp", "Content": "x", **WHERE},
    "CreateCommand": {**SCRIPT, "Name": "new"},
    "ModifyCommand": {"CommandId": "COMMAND", "CommandContent": "dHJ1ZQ=="},
    "DeleteCommand": {"CommandId": "COMMAND"},
    "InstallCloudAssistant": WHERE,
    "ModifyManagedInstance": {"InstanceId": AWAY, "InstanceName": "other"},
    "DeregisterManagedInstance": {"InstanceId": AWAY},
    "ListPluginStatus": WHERE,
}


@pytest.mark.parametrize("action", sorted(ACTIONS))
def test_an_action_reads_all_parameters_that_it_honours(caller: Caller, action: str):
    """A parameter that no code reads would be ignored silently."""
    given = Given({"Name": "c", "Type": "RunShellScript", "CommandContent": "dHJ1ZQ==", "RegionId": "local"})
    made = {"COMMAND": commands.create(caller, given)["CommandId"]}
    run = {"Type": "RunShellScript", "CommandContent": "true", "Frequency": "rate(1h)", "InstanceId": [AWAY]}
    made["INVOCATION"] = invocations.run(caller, Given(run))["InvokeId"]
    needed = {name: made.get(value, value) for name, value in NEEDED.get(action, {}).items()}
    for name, taken in ACTIONS[action].takes.items():
        if not isinstance(taken, ValueKind) or name in COMMON_FIELDS:
            continue
        more = {} if name in needed else {name + SUFFIXES.get(taken, ""): value_of(taken)}
        values = Noted(parameters.read(ACTIONS[action].takes, {**needed, **more}).values)
        with contextlib.suppress(Fault, AssistError):  # it has read the value that it refuses
            ACTIONS[action].carry_out(caller, Given(values))
        assert name in values.asked, name


def test_an_owner_of_0_is_this_account():
    takes = ACTIONS["RunCommand"].takes
    assert parameters.read(takes, {"OwnerId": "0", "ResourceOwnerId": "0"}).values == {}
