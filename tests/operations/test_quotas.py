"""Use of each limit, the limit that can be set, and reading the audit log."""

from __future__ import annotations

import pytest

from assist_cli.errors import InvalidParameter
from assist_cli.model import quotas as rules
from assist_cli.model.command import CommandVersion
from assist_cli.model.parameters import Definition
from assist_cli.operations.commands import commands, quotas
from assist_cli.operations.controller import Controller
from assist_cli.operations.history import audit
from tests.operations.conftest import Clock


def used(controller: Controller) -> dict[str, int]:
    return {each.quota.name: each.used for each in quotas.usage(controller) if each.used is not None}


def test_every_limit_is_shown(controller: Controller) -> None:
    assert [(each.quota.name, each.quota.limit) for each in quotas.usage(controller)] == [
        (quota.name, quota.limit) for quota in rules.ALL
    ]
    assert used(controller) == {"commands": 0}


def test_use_is_the_number_of_commands_or_the_largest_value(controller: Controller) -> None:
    commands.create(controller, "a", CommandVersion(b"x" * 300, working_dir="/srv"), "é" * 9)
    commands.create(
        controller,
        "long",
        CommandVersion(b"{{a}}", timeout=90, parameters_enabled=True, definitions=(Definition("b"),)),
    )
    assert used(controller) == {
        "commands": 2,
        "script": 400,
        "parameters": 2,
        "timeout": 90,
        "name": 4,
        "description": 9,
        "working-dir": 4,
    }


def test_the_number_of_commands_is_set(controller: Controller) -> None:
    quotas.set_limit(controller, "commands", 10_000)
    assert quotas.usage(controller)[0].quota.limit == 10_000
    (line,) = audit.entries(controller, since=None, limit=None)
    assert (line.action, line.subject, line.detail) == ("quota.set", "commands", "500 to 10000")


@pytest.mark.parametrize(("name", "value"), [("script", 1), ("", 1), ("commands", 0), ("commands", 10**9)])
def test_limits_that_cannot_be_set(controller: Controller, name: str, value: int) -> None:
    with pytest.raises(InvalidParameter) as refused:
        quotas.set_limit(controller, name, value)
    assert refused.value.code == "InvalidQuota"
    assert audit.entries(controller, since=None, limit=None) == []


def test_reading_the_audit_log(controller: Controller, clock: Clock) -> None:
    for number in range(3):
        commands.create(controller, f"c{number}", CommandVersion(b"true"))
        clock.forward(60)
    newest = audit.entries(controller, since=None, limit=2)
    assert [entry.subject for entry in newest] == ["c2", "c1"]
    assert audit.entries(controller, since=newest[0].time, limit=None) == newest[:1]
