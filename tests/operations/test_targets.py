"""Targets by facts, saved groups and files; and scopes, for which none of these count."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from assist_cli.errors import Conflict, FileFailure, InvalidParameter, NotFound
from assist_cli.model import names, target
from assist_cli.model.access import AccessKey, Role
from assist_cli.model.ids import Kind, new_id
from assist_cli.model.instance import Instance
from assist_cli.model.target import Selection
from assist_cli.operations.access import accesskeys, permissions
from assist_cli.operations.controller import Controller
from assist_cli.operations.fleet import groups
from assist_cli.operations.fleet import instances as operations
from assist_cli.store import instances

DEBIAN: dict[str, Any] = {
    "os": "debian", "version": "12", "arch": "x86_64", "cpus": 4, "memory": 16_500_000_000, "hostname": "web1.example",
    "addresses": ["10.0.0.1", "fd00::1"],
}  # fmt: skip
ALPINE = {"os": "alpine", "arch": "aarch64", "memory": 500_000_000}
OLD = {"arch": "x86_64", "hostname": "old"}  # an agent that reports no other facts


@pytest.fixture(autouse=True)
def fleet(controller: Controller) -> None:
    """web1 and db1 are Debian, web2 Alpine; tag2 is Debian and has a tag ``os``; old and none report little."""
    facts = {"web1": DEBIAN, "db1": DEBIAN, "web2": ALPINE, "tag2": DEBIAN, "old": OLD, "none": {}}
    with controller.database.transaction() as transaction:
        for name in facts:
            tags = {"os": "mine"} if name == "tag2" else {"role": "web"} if name.startswith("web") else {}
            made = Instance(new_id(Kind.INSTANCE, 0), name, f"tls:{name}", controller.now(), tags=tags)
            instances.register(transaction, made)
            controller.note_contact(made.id, "linux", facts=facts[name])
        controller.write_contacts(transaction)


def chosen(controller: Controller, *targets: str, everything: bool = False) -> str:
    found = operations.resolve(controller, Selection(targets, everything, reads_files=True))
    return " ".join(each.name for each in found)


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        ("@os=debian", "db1 web1"),
        ("@os=mine", "tag2"),
        ("@os", "db1 tag2 web1 web2"),
        ("@os=*e*&@arch=x86_64", "db1 tag2 web1"),
        ("@role=web&@os=debian", "web1"),
        ("web*,!@os=alpine", "web1"),
        ("@cpus=4,!tag2", "db1 web1"),
        ("@memory=16GiB&db1", "db1"),
        ("@memory=1GiB", "web2"),
        ("@addresses=10.0.*&db1", "db1"),
        ("@addresses=fd00::1&db1", "db1"),
        ("@hostname=old", "old"),
    ],
)
def test_facts_select_instances_and_a_tag_wins(controller: Controller, wanted: str, expected: str) -> None:
    assert chosen(controller, wanted) == expected


def test_a_wrong_value_of_a_fact_gets_a_hint(controller: Controller) -> None:
    with pytest.raises(NotFound) as caught:
        chosen(controller, "@os=debain")
    assert "@os=debian" in caught.value.hint
    with pytest.raises(NotFound) as caught:
        chosen(controller, "@memory=7GiB")
    assert "'@memory=1GiB'" in caught.value.hint


def test_a_contact_without_facts_keeps_them(controller: Controller) -> None:
    web1 = operations.get(controller, "web1")
    controller.note_contact(web1.id, "linux")
    controller.settle_contacts()
    assert chosen(controller, "@os=debian&web1") == "web1"
    controller.note_contact(web1.id, "linux", facts=ALPINE)
    controller.settle_contacts()
    assert operations.facts(controller, web1.id) == {web1.id: ALPINE}


# scopes


@pytest.mark.parametrize("scope", ["@os=debian", "@os=debian&web*", "web*,!@arch=aarch64", "group:debian", "file:x"])
def test_a_scope_takes_no_facts_groups_and_files(controller: Controller, scope: str) -> None:
    with controller.database.transaction() as transaction:  # without a tag ``os``
        instances.set_tags(transaction, operations.get(controller, "tag2").id, {})
    groups.add(controller, "debian", "@os=debian")
    with pytest.raises(InvalidParameter, match="in a scope"):
        accesskeys.create(controller, "ci", Role.OPERATOR, [scope])


@pytest.mark.parametrize(("scope", "expected"), [("@os=debian", []), ("@os=*", ["tag2"]), ("group:debian", [])])
def test_facts_never_count_for_the_scope_of_a_key(controller: Controller, scope: str, expected: list[str]) -> None:
    """Also not for a key that is in the database already."""
    groups.add(controller, "debian", "@os=debian")
    key = AccessKey("AK1", "ci", Role.OPERATOR, controller.now(), scope=(scope,))
    known = instances.registered(controller.database)
    assert [each.name for each in permissions.reached(key, known)] == expected


def test_an_agent_cannot_report_itself_into_a_scope_of_a_tag(controller: Controller) -> None:
    key = accesskeys.create(controller, "ci", Role.OPERATOR, ["@os=mine"])
    web1 = operations.get(controller, "web1")
    controller.note_contact(web1.id, "linux", facts={**DEBIAN, "os": "mine"})
    controller.settle_contacts()
    assert chosen(controller, "@os=mine") == "tag2 web1"
    found = permissions.reached(key, instances.registered(controller.database))
    assert [each.name for each in found] == ["tag2"]


# groups


def test_a_group_is_resolved_at_each_use(controller: Controller) -> None:
    groups.add(controller, "debian", "@os=debian,!db1")
    groups.add(controller, "both", "group:debian, db1")
    assert chosen(controller, "group:debian") == "web1"
    assert chosen(controller, "group:both") == "db1 web1"
    assert chosen(controller, "group:both&@role=web") == "web1"
    assert chosen(controller, "!group:both", everything=True) == "none old tag2 web2"
    assert [(group.name, len(members)) for group, members in groups.listing(controller)] == [("both", 2), ("debian", 1)]
    with pytest.raises(Conflict, match="'both' names it"):
        groups.remove(controller, "debian")
    groups.remove(controller, "both")
    groups.remove(controller, "debian")
    with pytest.raises(NotFound, match="cannot find a group 'debian'"):
        chosen(controller, "group:debian")


@pytest.mark.parametrize("text", ["", "!web1", "web1,,db1", "file:hosts", "group:missing", "group:me"])
def test_an_invalid_group_is_refused(controller: Controller, text: str) -> None:
    with pytest.raises((InvalidParameter, NotFound)):
        groups.add(controller, "me", text)
    assert groups.listing(controller) == []


def test_the_name_of_a_group_is_one_that_targets_can_have(controller: Controller) -> None:
    for name in ("a,b", "a&b", "@a", "!a", "group:a", "a*"):
        with pytest.raises(InvalidParameter):
            groups.add(controller, name, "web1")
    groups.add(controller, "a", "web1")
    with pytest.raises(Conflict):
        groups.add(controller, "a", "db1")


def test_a_group_without_instances_is_saved_and_says_so(controller: Controller) -> None:
    groups.add(controller, "later", "web1,web99")
    group, members, problem = groups.show(controller, "later")
    assert (group.target, members) == ("web1,web99", [])
    assert "'web99' (in the group 'later')" in str(problem)


# files


def written(folder: Path, *lines: str) -> str:
    path = folder / "hosts"
    path.write_bytes("\n".join(lines).encode())
    return f"file:{path}"


def test_a_file_has_targets_comments_and_any_line_ends(controller: Controller, tmp_path: Path) -> None:
    groups.add(controller, "debian", "@os=debian")
    file = written(tmp_path, "\ufeffweb[1-2] # both\r", "", "# no", "db1,group:debian\r", "!web2")
    assert chosen(controller, file) == "db1 web1"
    assert chosen(controller, f"{file},web2") == "db1 web1 web2"
    assert chosen(controller, f"!{file}", everything=True) == "none old tag2 web2"


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        (["web1", "web98"], r"'web98' \(line 2 of '.*hosts'\)"),
        (["web98", "web1", "web99"], r"'web98' \(line 1 of .*'web99' \(line 3 of"),
        (["web1", "web[1-"], r"'web\[1-' \(line 2 of"),
        (["web1", "web1,,db1"], r"'web1,,db1': a part of it is empty \(line 2 of"),
        (["web1", "@os=debian", "!web98"], r"'web98' \(line 3 of"),
        (["file:other"], r"'file:' cannot be used in a group or in a file \(line 1 of"),
        (["# nothing"], "it has no target"),
    ],
)
def test_an_error_names_file_line_and_value(
    controller: Controller, tmp_path: Path, lines: Sequence[str], expected: str
) -> None:
    with pytest.raises((NotFound, InvalidParameter), match=expected):
        chosen(controller, written(tmp_path, *lines))


def test_a_file_that_is_not_text_or_not_there(controller: Controller, tmp_path: Path) -> None:
    (tmp_path / "hosts").write_bytes(b"web1\n\xff\n")
    with pytest.raises(InvalidParameter, match="line 2 is not UTF-8"):
        chosen(controller, f"file:{tmp_path}/hosts")
    for path in (tmp_path, tmp_path / "missing"):
        with pytest.raises(FileFailure, match="cannot read the targets"):
            chosen(controller, f"file:{path}")


def test_only_the_owner_of_the_home_reads_files(controller: Controller, tmp_path: Path) -> None:
    """A selection of a client of the API or of the web console does not."""
    file = written(tmp_path, "web1")
    with pytest.raises(InvalidParameter, match="'file:' cannot be used here"):
        operations.resolve(controller, Selection((file,)))
    with pytest.raises(InvalidParameter):
        operations.get(controller, file)


def test_names_of_targets_are_refused_without_sources() -> None:
    known = [Instance("i-1", "web1", "tls:web1", None)]  # type: ignore[arg-type]
    for kind in names.RESERVED:
        with pytest.raises(InvalidParameter, match="cannot be used here"):
            target.choose(known, Selection((f"{kind}web",)))
