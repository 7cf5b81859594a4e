"""Access keys: their secrets, their scopes, and tokens that make a request idempotent."""

from __future__ import annotations

import contextlib
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assist_cli.errors import Conflict, InvalidParameter, NotFound, NotPermitted
from assist_cli.model.access import AccessKey, Labels, Role
from assist_cli.model.instance import Instance
from assist_cli.model.secret import MASK
from assist_cli.operations.access import accesskeys, permissions
from assist_cli.operations.access.clients import Repeated, Request
from assist_cli.operations.controller import Controller
from assist_cli.operations.history import audit
from assist_cli.store import clients, instances
from tests.operations.conftest import Clock


def register(controller: Controller, name: str, **tags: str) -> str:
    number = "0123456789abcdefghjkmnpqrstvwxyz"[len(instances.registered(controller.database))]
    instance = Instance(f"i-{'0' * 25}{number}", name, f"tls:{name}", controller.now(), tags=tags)
    with controller.database.transaction() as transaction:
        instances.register(transaction, instance)
    return instance.id


def reached_by(controller: Controller, key: AccessKey) -> list[Instance]:
    return permissions.reached(key, instances.registered(controller.database))


def reached(controller: Controller, *scope: str) -> list[str]:
    key = accesskeys.create(controller, f"k{len(accesskeys.listing(controller))}", Role.OPERATOR, scope)
    return [each.name for each in reached_by(controller, key)]


def test_the_secret_is_shown_one_time(controller: Controller):
    made = accesskeys.create(controller, "ci", Role.VIEWER)
    secret = made.secret.reveal()
    assert (len(made.id), len(secret)) == (22, 40)
    (listed,) = accesskeys.listing(controller)
    assert listed == made
    with pytest.raises(LookupError):
        listed.secret.reveal()
    found = accesskeys.known(controller, made.id)
    assert found is not None
    assert found.secret.reveal() == secret
    assert secret not in repr(found)
    assert str(found.secret) == MASK
    assert not any(secret in repr(entry) for entry in audit.entries(controller, since=None, limit=None))
    assert controller.home.database.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("text", ["AK", "", "%", "ci", "CI"])
def test_only_a_whole_id_is_a_key(controller: Controller, text: str):
    made = accesskeys.create(controller, "ci", Role.VIEWER)
    assert accesskeys.known(controller, text) is None
    assert accesskeys.known(controller, made.id[:-1]) is None
    assert accesskeys.known(controller, made.id + "x") is None


def test_names_are_unique(controller: Controller):
    accesskeys.create(controller, "ci", Role.VIEWER)
    with pytest.raises(Conflict, match="the access key AK"):
        accesskeys.create(controller, "ci", Role.ADMIN)
    with pytest.raises(InvalidParameter):
        accesskeys.create(controller, "a,b", Role.ADMIN)


def test_disable_enable_and_delete_are_audited(controller: Controller):
    made = accesskeys.create(controller, "ci", Role.VIEWER)
    for name, enabled in (("ci", False), (made.id, False), ("ci", True)):
        changed = accesskeys.enable(controller, name) if enabled else accesskeys.disable(controller, name)[0]
        assert changed.enabled is enabled
        found = accesskeys.known(controller, made.id)
        assert found is not None
        assert found.enabled is enabled
    accesskeys.delete(controller, "ci")
    assert accesskeys.known(controller, made.id) is None
    with pytest.raises(NotFound):
        accesskeys.disable(controller, "ci")
    actions = [entry.action for entry in audit.entries(controller, since=None, limit=None)]
    assert actions == ["accesskey.delete", "accesskey.enable", "accesskey.disable", "accesskey.create"]


def test_use_is_recorded_one_time_a_minute(controller: Controller, clock: Clock):
    made = accesskeys.create(controller, "ci", Role.VIEWER)
    moments = set()
    for seconds in (0, 20, 20, 30):
        clock.forward(seconds)
        found = accesskeys.known(controller, made.id)
        assert found is not None
        accesskeys.note_used(controller, found)
        moments.add(accesskeys.listing(controller)[0].last_used)
    assert len(moments) == 2


def test_a_scope_is_resolved_at_each_use(controller: Controller):
    web1 = register(controller, "web1", role="web")
    register(controller, "db1", role="db")
    key = accesskeys.create(controller, "ci", Role.OPERATOR, ["@role=web"])
    assert [each.id for each in reached_by(controller, key)] == [web1]
    with controller.database.transaction() as transaction:
        instances.set_tags(transaction, web1, {"role": "db"})
    assert reached_by(controller, key) == []


def test_a_name_in_a_scope_is_an_exact_name(controller: Controller):
    for name in ("ops", "ops-admin", "xops", "OPS"):
        register(controller, name, team=name)
    assert reached(controller, "ops") == ["ops"]
    assert reached(controller, "@team=ops") == ["ops"]


@given(others=st.lists(st.text("opsx-1*?[]", min_size=1, max_size=6), max_size=6))
def test_no_other_name_ever_matches(others: list[str]):
    from assist_cli.model.target import Selection, choose

    known = [Instance(f"i-{number:026}", name, "", Clock()()) for number, name in enumerate({"ops", *others})]
    assert [each.name for each in choose(known, Selection(("ops",)))] == ["ops"]


def test_a_removed_instance_is_in_no_scope(controller: Controller, clock: Clock):
    web1, web2 = register(controller, "web1"), register(controller, "web2")
    assert reached(controller, "web1,web2") == ["web1", "web2"]
    assert reached(controller, "web*", "!web2") == ["web1"]
    with controller.database.transaction() as transaction:
        instances.remove(transaction, web2, clock())
    first, second = accesskeys.listing(controller)
    assert [each.id for each in reached_by(controller, first)] == [web1]
    assert reached_by(controller, second) == []  # the new name of web2 is unknown


@pytest.mark.parametrize("scope", ["nothing", "!web1", "i-00000", "!i-0"])
def test_an_empty_or_ambiguous_scope_is_refused(controller: Controller, scope: str):
    register(controller, "web1")
    with pytest.raises((NotFound, InvalidParameter)):
        accesskeys.create(controller, "ci", Role.OPERATOR, [scope])


def test_each_role_includes_the_lower_ones():
    assert [[role.may(needed) for needed in Role] for role in Role] == [
        [True, False, False],
        [True, True, False],
        [True, True, True],
    ]


def enter(controller: Controller, request: Request, subject: str, *where: str) -> None:
    with controller.database.transaction() as transaction:
        request.enter(controller, transaction, subject, where)


def test_a_key_that_was_disabled_meanwhile_creates_nothing(controller: Controller):
    key = accesskeys.create(controller, "ci", Role.OPERATOR)
    request = Request(key, Labels(key.id), "token", b"1")
    accesskeys.disable(controller, "ci")
    with pytest.raises(NotPermitted):
        enter(controller, request, "t-1")
    assert clients.labels_of(controller.database, ["t-1"]) == {}


def test_an_instance_that_left_the_scope_meanwhile_is_refused(controller: Controller):
    web1 = register(controller, "web1", role="web")
    db1 = register(controller, "db1", role="db")
    key = accesskeys.create(controller, "ci", Role.OPERATOR, ["@role=web"])
    request = Request(key, Labels(key.id), None, b"1")
    enter(controller, request, "t-1", web1)
    with pytest.raises(NotPermitted):
        enter(controller, request, "t-2", web1, db1)
    with controller.database.transaction() as transaction:
        instances.set_tags(transaction, web1, {})
    with pytest.raises(NotPermitted):
        enter(controller, request, "t-3", web1)


def test_a_token_is_used_one_time(controller: Controller, clock: Clock):
    key = accesskeys.create(controller, "ci", Role.OPERATOR)
    other = accesskeys.create(controller, "other", Role.OPERATOR)
    request = Request(key, Labels(key.id, tags={"a": "b"}), "token", b"1")
    enter(controller, request, "t-1")
    with pytest.raises(Repeated) as repeated:
        enter(controller, request, "t-2")
    assert repeated.value.subject == "t-1"
    with pytest.raises(Conflict):
        enter(controller, Request(key, Labels(key.id), "token", b"2"), "t-3")
    enter(controller, Request(other, Labels(other.id), "token", b"2"), "t-4")
    found = clients.labels_of(controller.database, ["t-1", "t-2", "t-3", "t-4"])
    assert found == {"t-1": Labels(key.id, tags={"a": "b"}), "t-4": Labels(other.id)}
    clock.forward(timedelta(days=2).total_seconds())
    enter(controller, Request(key, Labels(key.id), "new", b"3"), "t-5")
    enter(controller, request, "t-6")


def test_a_failed_request_leaves_no_token(controller: Controller):
    key = accesskeys.create(controller, "ci", Role.OPERATOR)
    request = Request(key, Labels(key.id), "token", b"1")
    with contextlib.suppress(ZeroDivisionError), controller.database.transaction() as transaction:
        request.enter(controller, transaction, "t-1")
        raise ZeroDivisionError
    enter(controller, request, "t-2")
