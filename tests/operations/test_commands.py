"""The lifecycle of a saved command, and the line of each change in the audit log."""

from __future__ import annotations

import re
import sqlite3
from pathlib import Path

import pytest

from assist_cli.errors import Conflict, InvalidParameter, NotFound, QuotaExceeded
from assist_cli.model.command import CommandType, CommandVersion
from assist_cli.model.parameters import Definition
from assist_cli.operations.commands import commands
from assist_cli.operations.commands.commands import Changes
from assist_cli.operations.controller import Controller
from assist_cli.store import audit
from assist_cli.store import commands as store

SERVICE = Definition("service", pattern="[a-z]+")
VERSION = CommandVersion(
    b"systemctl restart {{service|sh}}\n", timeout=30, parameters_enabled=True, definitions=(SERVICE,)
)


def audit_log(controller: Controller) -> list[tuple[str, str, str]]:
    """Return (action, subject, detail without the id of the command), oldest first."""
    found = audit.entries(controller.database)
    assert all(str(entry.actor) == "ann (uid 1000) from pts/1 of desk" for entry in found)
    return [(entry.action, entry.subject, re.sub(r"(, )?c-\w{26}$", "", entry.detail)) for entry in reversed(found)]


def test_create_and_get(controller: Controller) -> None:
    made = commands.create(controller, "restart", VERSION, "restarts a unit")
    assert made.version == VERSION._replace(number=1, created=controller.now())
    for reference in ("restart", "restart@1", made.id, made.id[:10]):
        assert commands.get(controller, reference) == made
    assert list(commands.listing(controller)) == [made._replace(version=made.version._replace(content=b""))]
    assert audit_log(controller) == [("command.create", "restart", "")]


@pytest.mark.parametrize("reference", ["other", "restart@2", "c-", "c-zzzz"])
def test_an_unknown_command(controller: Controller, reference: str) -> None:
    commands.create(controller, "restart", VERSION)
    with pytest.raises(NotFound):
        commands.get(controller, reference)


@pytest.mark.parametrize("reference", ["restart@", "restart@0", "restart@x", "restart@-1", "restart@٣"])
def test_an_unknown_version(controller: Controller, reference: str) -> None:
    commands.create(controller, "restart", VERSION)
    with pytest.raises(InvalidParameter) as refused:
        commands.get(controller, reference)
    assert refused.value.code == "InvalidVersion"


def test_an_ambiguous_prefix(controller: Controller) -> None:
    made = commands.create(controller, "one", VERSION)
    commands.create(controller, "two", VERSION)
    with pytest.raises(NotFound, match="more than one"):
        commands.get(controller, made.id[:8])


def test_a_name_is_unique_and_free_after_a_delete(controller: Controller) -> None:
    commands.create(controller, "café", VERSION)
    with pytest.raises(Conflict) as refused:
        commands.create(controller, "cafe\u0301", VERSION)
    assert refused.value.code == "CommandNameExists"
    commands.delete(controller, ["cafe\u0301"])
    commands.create(controller, "café", VERSION)
    assert [action for action, _, _ in audit_log(controller)] == ["command.create", "command.delete", "command.create"]


@pytest.mark.parametrize("other", ["\u0430dmin", "adm\u0131n", "\uff41dmin", "Admin", "admin*", "adm%", "admin'--"])
def test_similar_names_are_different_names(controller: Controller, other: str) -> None:
    """Letters of other scripts, case, wildcards and quotes of SQL: each name matches only itself."""
    commands.create(controller, "admin", VERSION)
    with pytest.raises(NotFound):
        commands.delete(controller, [other])
    commands.create(controller, other, VERSION)
    commands.delete(controller, [other])
    assert [each.name for each in commands.listing(controller)] == ["admin"]


def test_modify_changes_no_version(controller: Controller) -> None:
    made = commands.create(controller, "restart", VERSION)
    commands.modify(controller, "restart", new_name="renew", description="as new")
    assert commands.get(controller, "renew") == made._replace(name="renew", description="as new")
    commands.modify(controller, "renew", new_name="renew")
    commands.create(controller, "other", VERSION)
    with pytest.raises(Conflict):
        commands.modify(controller, "renew", new_name="other")
    assert audit_log(controller)[1] == ("command.modify", "renew", "name 'restart' to 'renew', description")


def test_clone_creates_a_version_and_keeps_the_old_ones(controller: Controller) -> None:
    first = commands.create(controller, "restart", VERSION)
    second = commands.clone(controller, "restart", Changes(timeout=90))
    assert second.version.number == second.latest == 2
    assert second.version.timeout == 90
    assert second.version.content == VERSION.content
    assert second.version.definitions == (SERVICE,)
    assert commands.get(controller, "restart@1").version == first.version
    assert commands.get(controller, "restart").version == second.version
    assert [each.version.number for each in commands.versions(controller, "restart")] == [2, 1]
    assert audit_log(controller)[1] == ("command.clone", "restart", "version 2 from version 1")


def test_clone_of_all_settings(controller: Controller) -> None:
    commands.create(controller, "restart", VERSION._replace(working_dir="/srv"))
    changes = Changes(b"dir", CommandType.BAT, "", 5, parameters_enabled=False)
    made = commands.clone(controller, "restart", changes)
    assert made.version == CommandVersion(b"dir", CommandType.BAT, None, 5, number=2, created=controller.now())


def test_clone_keeps_the_definitions_of_the_keys(controller: Controller) -> None:
    commands.create(
        controller,
        "restart",
        CommandVersion(b"{{a}} {{b}}", parameters_enabled=True, definitions=(Definition("b", default="1"),)),
    )
    made = commands.clone(controller, "restart", Changes(content=b"{{c}}", definitions=(Definition("d"),)))
    assert [entry.key for entry in made.version.definitions] == ["b", "d", "c"]


def test_clone_under_a_new_name_is_a_new_command(controller: Controller) -> None:
    commands.create(controller, "restart", VERSION, "restarts a unit")
    commands.clone(controller, "restart", Changes(timeout=90))
    other = commands.clone(controller, "restart", Changes(), "other", "starts another")
    assert commands.get(controller, other.id).description == "starts another"
    made = commands.clone(controller, "restart@1", Changes(), "copy")
    assert (made.latest, made.description, made.version.timeout) == (1, "restarts a unit", 30)
    assert commands.get(controller, "restart").latest == 2


def test_the_description_of_a_clone_is_that_of_all_versions(controller: Controller) -> None:
    commands.create(controller, "restart", VERSION, "old")
    commands.clone(controller, "restart", Changes(timeout=90), description="new")
    assert [(each.version.number, each.description) for each in commands.versions(controller, "restart")] == [
        (2, "new"), (1, "new"),
    ]  # fmt: skip
    with pytest.raises(InvalidParameter):  # the description is unchanged, so it is not a change either
        commands.clone(controller, "restart", Changes(), description="newer")
    assert commands.get(controller, "restart").description == "new"


def test_a_clone_without_a_change_is_refused(controller: Controller) -> None:
    commands.create(controller, "restart", VERSION)
    with pytest.raises(InvalidParameter) as refused:
        commands.clone(controller, "restart", Changes(timeout=30))
    assert refused.value.code == "NothingChanged"
    assert len(audit_log(controller)) == 1


def test_rollback_is_a_new_version_with_the_old_content(controller: Controller) -> None:
    commands.create(controller, "restart", VERSION)
    commands.clone(controller, "restart", Changes(content=b"true", timeout=9))
    made = commands.rollback(controller, "restart", 1)
    assert made.version.number == 3
    assert (made.version.content, made.version.timeout) == (VERSION.content, 30)
    with pytest.raises(InvalidParameter, match="the same as version 3"):
        commands.rollback(controller, "restart", 3)
    assert audit_log(controller)[2] == ("command.rollback", "restart", "version 3 from version 1")


def test_delete_is_all_or_none(controller: Controller) -> None:
    commands.create(controller, "one", VERSION)
    commands.create(controller, "two", VERSION)
    with pytest.raises(NotFound):
        commands.delete(controller, ["one", "three"])
    assert len(list(commands.listing(controller))) == 2
    deleted = commands.delete(controller, ["one", "two", "one"])
    assert [each.name for each in deleted] == ["one", "two"]
    assert list(commands.listing(controller)) == []
    assert [line[:2] for line in audit_log(controller)[2:]] == [("command.delete", "one"), ("command.delete", "two")]


def test_the_quota_of_commands(controller: Controller) -> None:
    with controller.database.transaction() as transaction:
        store.set_limit(transaction, 2)
    commands.create(controller, "one", VERSION)
    commands.create(controller, "two", VERSION)
    with pytest.raises(QuotaExceeded) as refused:
        commands.create(controller, "three", VERSION)
    assert refused.value.code == "CommandCountExceedQuota"
    commands.clone(controller, "one", Changes(timeout=9))  # a version does not count as a command
    with pytest.raises(QuotaExceeded):
        commands.clone(controller, "one", Changes(), "three")
    commands.delete(controller, ["two"])
    commands.clone(controller, "one", Changes(), "three")


def test_the_audit_log_is_not_changed(controller: Controller) -> None:
    commands.create(controller, "one", VERSION)
    for statement in (
        "UPDATE audit SET login = 'bob'",
        "DELETE FROM audit",
        "INSERT OR REPLACE INTO audit SELECT * FROM audit",
    ):
        with pytest.raises(sqlite3.IntegrityError), controller.database.transaction() as transaction:
            transaction.execute(statement)
    assert len(audit_log(controller)) == 1


def test_only_the_store_of_the_audit_log_names_its_table() -> None:
    """The code can only append to it: no other file has SQL on it, and that file has no UPDATE or DELETE."""
    package = Path(commands.__file__).parents[1]
    for path in package.rglob("*.py"):
        text = path.read_text(encoding="utf-8")
        if path.parent.name == "store":
            assert "UPDATE audit" not in text, path
            assert "DELETE FROM audit" not in text, path
