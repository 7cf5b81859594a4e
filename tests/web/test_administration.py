"""Access keys, users, groups, enrolments and the audit log in the console: what they do, and who may."""

from __future__ import annotations

import html
import re
from dataclasses import replace
from datetime import timedelta

import pytest

from assist_cli.agents import broker_folder
from assist_cli.deploy import pki
from assist_cli.deploy.broker import admission
from assist_cli.http.rates import Rates
from assist_cli.model.access import Role
from assist_cli.model.audit import Actor
from assist_cli.model.secret import Secret
from assist_cli.operations.access import accesskeys, users
from assist_cli.operations.fleet import enrolments, groups
from assist_cli.operations.fleet.enrolments import EnrolmentRequest
from assist_cli.operations.history import audit
from assist_cli.store import enrolments as enrolment_store
from assist_cli.web.app import application
from assist_cli.web.routes import ROUTES, PageRoute
from tests.support.console import DB, PASSWORD, WEB, Console, names

SCOPED = (Role.ADMIN, "@role=web")


@pytest.fixture(scope="module")
def brokered(console: Console) -> Console:
    controller = console.controller
    pki.prepare(controller.home, controller.id, controller.now())
    address = broker_folder.parse("tls://broker.example.com")
    admission.create(controller.home, controller.id, [address], controller.now())
    return console


def whole() -> list[PageRoute]:
    return [each for each in ROUTES if isinstance(each, PageRoute) and each.whole]


def test_an_admin_with_a_scope_gives_nothing(console: Console):
    browser = console.logged_in(*SCOPED)
    assert len(whole()) > 15
    for route in whole():
        path = route.path.replace("{id}", WEB)
        answer = browser.get(path) if route.method == "GET" else browser.post(path, name="x", role="admin")
        assert answer.status_code == 403, path
        assert "has a scope" in answer.text


def test_a_key_from_its_secret_to_its_end(console: Console):
    browser = console.owner()
    made = browser.post("/keys", name="ci", role="operator", scope="@role=web")
    assert made.status_code == 200
    assert made.headers["cache-control"] == "no-store"
    (key,) = (each for each in accesskeys.listing(console.controller) if each.name == "ci")
    known = accesskeys.known(console.controller, key.id)
    assert known is not None
    assert (key.role, key.scope) == (Role.OPERATOR, ("@role=web",))
    assert made.text.count(known.secret.reveal()) == made.text.count(f'data-copy="{known.secret.reveal()}"') * 4

    again = browser.post("/keys", name="ci", role="operator", scope="@role=web")
    assert again.status_code == 409
    for path in ("/keys", "/audit"):
        assert known.secret.reveal() not in browser.get(path).text
    assert known.secret.reveal() not in again.text
    assert 'value="@role=web"' in again.text  # the input is kept

    assert browser.post(f"/keys/{key.id}/disable").headers["location"] == "/keys?paused=0"
    assert "disabled" in browser.get("/keys").text
    assert browser.post(f"/keys/{key.id}/enable").status_code == 303
    assert browser.post(f"/keys/{key.id}/delete").status_code == 303
    assert browser.post(f"/keys/{key.id}/delete").status_code == 404
    assert accesskeys.known(console.controller, key.id) is None


REFUSED: tuple[tuple[dict[str, str], str], ...] = (
    ({"name": "a/b", "role": "viewer"}, "cannot use the name"),
    ({"name": "x", "role": "root"}, "there is no such role"),
    ({"name": "x", "role": "viewer", "scope": "nothing"}, "cannot find an instance"),
    ({"name": "x", "role": "viewer", "scope": "@os=debian"}, "it is a fact"),
    ({"name": "x", "role": "viewer", "scope": "group:web"}, "by what agents report"),
    ({"name": "x", "role": "viewer", "scope": "file:/etc/passwd"}, "cannot use"),
)


def test_a_refused_key_or_user(console: Console):
    browser = console.owner()
    for path in ("/keys", "/users"):
        for fields, reason in REFUSED:
            answer = browser.post(path, password=PASSWORD, again=PASSWORD, **fields)
            assert answer.status_code in (400, 404), path
            assert reason in html.unescape(answer.text)
            assert PASSWORD not in answer.text
    assert "x" not in {each.name for each in users.listing(console.controller)}


def test_a_user_from_the_form_to_the_end(console: Console):
    browser = console.owner()
    fields = {"name": "ana", "role": "viewer", "scope": "", "password": PASSWORD}
    assert "the two are different" in browser.post("/users", again="x", **fields).text
    assert browser.post("/users", again=PASSWORD, **fields).headers["location"] == "/users"
    user = users.get(console.controller, "ana")
    ana = console.browser()
    assert ana.log_in("ana").status_code == 303

    other = {"password": "another long password"}
    assert browser.post(f"/users/{user.id}/password", again="another long password", **other).status_code == 303
    assert ana.get("/").status_code == 302
    assert ana.log_in("ana", "another long password").status_code == 303
    assert browser.post(f"/users/{user.id}/disable").status_code == 303
    assert ana.get("/").status_code == 302
    assert browser.post(f"/users/{user.id}/enable").status_code == 303
    assert browser.post(f"/users/{user.id}/remove").status_code == 303
    assert browser.post(f"/users/{user.id}/remove").status_code == 404


def test_nobody_locks_out_the_user_of_the_home(console: Console):
    admin = console.logged_in(Role.ADMIN)
    me = next(each for each in users.listing(console.controller) if each.role is Role.ADMIN and not each.scope)
    for what in ("disable", "remove"):
        assert admin.post(f"/users/{me.id}/{what}").status_code in (303, 409)
        assert admin.post(f"/users/%20/{what}").status_code == 404
    owner = console.owner()
    assert owner.get("/users").status_code == 200
    assert console.controller.actor.login not in {each.name for each in users.listing(console.controller)}


def test_a_user_does_not_disable_itself(console: Console):
    user = console.user(Role.ADMIN)
    browser = console.browser()
    browser.log_in(user.name)
    for what in ("disable", "remove"):
        assert browser.post(f"/users/{user.id}/{what}").status_code == 409
    assert users.get(console.controller, user.name).enabled


def test_groups(console: Console):
    browser, scoped = console.owner(), console.logged_in(*SCOPED)
    assert browser.post("/groups", name="shops", target="@role=web").headers["location"] == "/groups"
    assert browser.post("/groups", name="data", target="db1").status_code == 303
    assert browser.post("/groups", name="both", target="group:shops,group:data").status_code == 303
    assert browser.post("/groups", name="files", target="file:/etc/passwd").status_code == 400
    text = browser.get("/groups").text
    assert all(name in text for name in ("shops", "data", "both"))

    text = scoped.get("/groups").text
    assert "shops" in text
    assert not names(text, "db1")
    assert "both" not in text
    for group in ("data", "both", "nothing"):
        answer = scoped.get(f"/instances?on=group:{group}").text
        assert not names(answer, "db1")
        assert ("in your scope" in answer) is (group != "both")
    listed = re.findall(r'class="row" href="/instances/([^"]+)"', browser.get("/instances?on=group:both").text)
    assert set(listed) == {WEB, DB}

    assert browser.post("/groups/remove", name="data").status_code == 409  # another group names it
    for name in ("both", "data", "shops"):
        assert browser.post("/groups/remove", name=name).status_code == 303
    assert not {"shops", "data", "both"} & {group.name for group, _ in groups.listing(console.controller)}


def test_the_filters_of_the_audit_log(console: Console):
    browser = console.owner()
    groups.add(console.controller, "seen", "@role=web")
    assert "No entries match" in browser.get("/audit?actor=nobody-at-all").text
    found = browser.get("/audit?action=group.add&since=2h").text
    assert "seen" in found
    assert "session.begin" not in found
    assert "assist audit list --since 2h --action group.add" in found
    answer = browser.get("/audit?since=soon")
    assert answer.status_code == 400
    assert "is not a time" in answer.text


@pytest.mark.long
def test_the_audit_log_in_pages(console: Console):
    browser = console.owner()
    for number in range(101):
        groups.add(console.controller, f"group{number}", "@role=web")
    first = browser.get("/audit?action=group")
    older = re.search(r'href="\?([^"]*)" rel="next"', first.text)
    assert older is not None
    assert "group100" in first.text
    second = browser.get(f"/audit?{html.unescape(older[1])}").text
    assert "group0<" in second
    assert "group100" not in second


def test_an_admin_with_a_scope_sees_own_entries(console: Console):
    browser = console.logged_in(*SCOPED)
    browser.post(f"/instances/{WEB}/tags", key="mine", value="1")
    name = next(each.name for each in users.listing(console.controller) if each.scope == ("@role=web",))
    text = browser.get("/audit").text
    assert "instance.tag" in text
    assert set(re.findall(r'href="/audit\?actor=([^"]+)"', text)) == {f"user%20{name}"}
    assert "user.add" not in browser.get("/audit?action=user").text
    assert "No entries match" in browser.get(f"/audit?actor={console.controller.actor.login}").text


@pytest.mark.long
def test_an_entry_of_an_earlier_user_of_that_name_is_not_shown(console: Console):
    earlier = console.controller.replace(actor=Actor("user eva", None, "elsewhere"))
    groups.add(earlier, "evas", "@role=web")
    later = console.controller.replace(now=lambda: console.controller.now() + timedelta(seconds=1))
    users.add(later, "eva", Secret(PASSWORD), Role.ADMIN, ("@role=web",))
    browser = console.browser()
    browser.log_in("eva")
    assert "evas" not in browser.get("/audit").text


def test_an_enrolment_from_the_form_to_its_file(brokered: Console):
    browser, stranger = brokered.owner(), brokered.browser()
    once = {"once": "the same", "uses": "3", "lifetime": "1d", "name": "pos", "tags": "role=pos, canary"}
    made = browser.post("/enrolments", **once)
    assert made.status_code == 200
    assert browser.post("/enrolments", **once).text == made.text  # the same one, not another
    (found,) = (each for each in enrolments.listing(brokered.controller) if each.name == "pos")
    assert (found.uses, found.name, dict(found.tags)) == (3, "pos", {"role": "pos", "canary": ""})
    token = enrolments.code(brokered.controller, found.id).reveal()
    assert f"https://console.example/enroll/{token}" in made.text
    assert token not in browser.get("/enrolments").text

    file = stranger.client.get(f"/enroll/{token}")
    assert file.status_code == 200
    assert file.content.startswith(b"#!/usr/bin/env python3\n")
    assert file.headers["content-disposition"] == f'attachment; filename="enroll-{found.id}.pyz"'
    assert file.headers["referrer-policy"] == "no-referrer"
    assert file.headers["cache-control"] == "no-store"
    assert "set-cookie" not in file.headers
    assert enrolments.get(brokered.controller.database, found.id).used == 0
    assert token not in str(audit.entries(brokered.controller, limit=None))

    assert browser.post(f"/enrolments/{found.id}/disable").status_code == 303
    disabled, wrong = stranger.get(f"/enroll/{token}"), stranger.get(f"/enroll/{token[:-1]}_")
    assert browser.post(f"/enrolments/{found.id}/delete").status_code == 303
    deleted = stranger.get(f"/enroll/{token}")
    assert {each.status_code for each in (disabled, wrong, deleted)} == {404}
    assert disabled.content == wrong.content == deleted.content
    assert disabled.headers == wrong.headers == deleted.headers


def test_a_refused_enrolment(brokered: Console):
    browser = brokered.owner()
    for fields in ({"uses": "0"}, {"uses": "x"}, {"lifetime": "9y"}, {"name": "a/b"}, {"tags": "a b=/"}):
        answer = browser.post("/enrolments", **{"uses": "1", "lifetime": "1h", **fields})
        assert answer.status_code == 400, fields
        assert 'role="alert"' in answer.text


def test_a_file_of_an_enrolment_that_has_expired_or_is_used_up(brokered: Console):
    controller = brokered.controller
    made, token = enrolments.create(controller, EnrolmentRequest(seconds=60))
    with controller.database.transaction() as transaction:
        enrolment_store.delete(transaction, made.id)
        ended = replace(made, expires=controller.now() - timedelta(seconds=1))
        enrolment_store.add(transaction, ended, enrolments._hash(token.reveal()))
    browser = brokered.browser()
    expired = browser.get(f"/enroll/{token.reveal()}")
    assert expired.status_code == 404
    assert expired.content == browser.get("/enroll/x").content


def test_the_rate_of_enrolment_files(console: Console):
    site = replace(console.site, tokens=Rates(0.001, 3))
    browser = replace(console, app=application(site)).browser()
    statuses = [browser.get("/enroll/x").status_code for _ in range(4)]
    assert statuses == [404, 404, 404, 429]
