"""The form of a run in the console: what it asks for, where it may run, and that it runs one time."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator

import pytest

from assist_cli.model.access import Role
from assist_cli.model.command import CommandVersion
from assist_cli.model.instance import Instance
from assist_cli.model.invocation import Invocation
from assist_cli.model.parameters import Definition
from assist_cli.operations.access import clients, users
from assist_cli.operations.commands import commands
from assist_cli.operations.fleet import groups
from assist_cli.operations.history import audit
from assist_cli.operations.runs import recording
from assist_cli.operations.server import schedules
from assist_cli.store import instances
from tests.support.console import DB, WEB, Browser, Console

SECRET = "open sesame \u2026"
SCRIPT = "#!/bin/sh\n\n  echo 'a\tb' \u00e9 {{x}}\n\necho <b>&amp;\n"


@pytest.fixture(scope="module")
def command(console: Console) -> str:
    """A command with parameters of all kinds: its name with the version."""
    version = CommandVersion(
        b"echo {{service|sh}} {{how}} {{note}} {{token|sh}}\n",
        parameters_enabled=True,
        definitions=(
            Definition("service", description="the name of a service"),
            Definition("how", default="soft", choices=("soft", "hard")),
            Definition("note", default="none"),
            Definition("token", secret=True),
        ),
    )
    return f"{commands.create(console.controller, 'restart', version).name}@1"


def previewed(browser: Browser, **fields: str) -> dict[str, str]:
    """Return the hidden fields of a preview."""
    answer = browser.post("/run/preview", **fields)
    assert answer.status_code == 200, answer.text
    assert "nothing runs yet" in answer.text, answer.text
    found = re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)">', answer.text)
    return {name: html.unescape(value) for name, value in found if name != "token"}


def ran(console: Console, browser: Browser, form: dict[str, str], **fields: str) -> Invocation:
    """Send the form of a preview, and return the invocation that it recorded."""
    answer = browser.post("/run", **{**form, **fields})
    assert answer.status_code == 303, answer.text
    path = answer.headers["location"]
    assert path.startswith(("/invocations/t-", "/schedules/t-"))
    return recording.recall(console.controller, path.rpartition("/")[2])


def number_of_runs(console: Console) -> int:
    entries = audit.entries(console.controller, since=None, limit=1000)
    return sum(each.action in ("invocation.run", "invocation.invoke") for each in entries)


def test_a_script_arrives_with_all_of_its_bytes(console: Console):
    browser = console.logged_in(Role.OPERATOR)
    form = previewed(browser, what="script", script=SCRIPT.replace("\n", "\r\n"), on="web1", timeout="5m")
    found = ran(console, browser, {**form, "script": form["script"].replace("\n", "\r\n")})
    assert found.content.decode() == SCRIPT
    assert (found.timeout, found.username, found.working_dir) == (300, None, None)
    assert [each.instance_name for each in found.instances] == ["web1"]


def test_a_run_belongs_to_its_user(console: Console):
    browser = console.logged_in(Role.OPERATOR)
    found = ran(console, browser, previewed(browser, script="true", on="web1"))
    (user,) = [each for each in users.listing(console.controller) if each.role is Role.OPERATOR and not each.scope]
    (entry,) = [each for each in audit.entries(console.controller, since=None, limit=1000) if each.subject == found.id]
    assert entry.actor.login.startswith("user operator")
    assert "by the console" in entry.actor.origin
    assert clients.labels_of(console.controller, [found.id])[found.id].principal == user.id


def test_a_repeated_form_runs_one_time(console: Console):
    for browser in (console.logged_in(Role.OPERATOR), console.owner()):
        form = previewed(browser, script="true", on="web1")
        before = number_of_runs(console)
        first = browser.post("/run", **form).headers["location"]
        assert browser.post("/run", **form).headers["location"] == first
        assert number_of_runs(console) == before + 1
        changed = browser.post("/run", **{**form, "script": "false"})
        assert changed.status_code == 409
        assert number_of_runs(console) == before + 1
        again = previewed(browser, script="true", on="web1")
        assert browser.post("/run", **again).headers["location"] != first


def test_back_shows_a_preview_again(console: Console):
    browser = console.logged_in(Role.OPERATOR)
    assert browser.get("/run/preview").status_code == 200
    for answer in (browser.get("/run?on=web1"), browser.post("/run/preview", script="true", on="web1")):
        assert answer.headers["cache-control"] == "private, no-cache"


def test_no_run_without_a_preview(console: Console):
    browser, before = console.logged_in(Role.OPERATOR), number_of_runs(console)
    assert "nothing runs yet" in browser.post("/run", script="true", on="web1").text
    form = previewed(browser, script="true", on="web1")
    answer = browser.post("/run", **{**form, "on": "web1,db1", "once": "another"})
    assert answer.status_code == 409
    assert "other instances than in the preview" in answer.text
    assert number_of_runs(console) == before


@pytest.fixture
def many(console: Console) -> Iterator[None]:
    """Twelve more instances: n1 to n12."""
    made = [Instance(f"i-{100 + n:026}", f"n{n}", "tls:127.0.0.1:1", console.controller.now()) for n in range(1, 13)]
    with console.controller.database.transaction() as transaction:
        for each in made:
            instances.register(transaction, each)
    yield
    with console.controller.database.transaction() as transaction:
        for each in made:
            instances.remove(transaction, each.id, console.controller.now())


def test_the_number_of_many_instances_is_typed(console: Console, many: None):
    browser = console.logged_in(Role.OPERATOR)
    assert "<strong>12 instances</strong>" in browser.get("/run/targets?on=n*").text
    form = previewed(browser, script="true", on="n*")
    for wrong in ("", "11", "yes"):
        answer = browser.post("/run", **form, count=wrong)
        assert answer.status_code == 409
        assert "type 12" in answer.text
    assert len(ran(console, browser, form, count="12").instances) == 12


def test_a_command_has_a_form_of_its_parameters(console: Console, command: str):
    browser = console.logged_in(Role.OPERATOR)
    text = browser.get(f"/run?command={command}&on=web1&p.note=x%22y").text
    assert re.search(r'name="p\.service"[^>]* required', text)
    assert '<option value="soft" selected>' in text
    assert 'value="x&#34;y"' in text
    assert "the name of a service" in text
    assert 'name="p.token"' not in text
    assert 'name="s.token"' not in text
    assert 'value="web1"' in text
    given = {"p.service": "A;B", "p.how": "never"}
    answer = browser.post("/run/preview", what="command", command=command, on="web1", **given)
    assert answer.status_code == 400
    assert "it is not one of" in answer.text
    assert 'value="A;B"' in answer.text
    missing = browser.post("/run/preview", what="command", command=command, on="web1", **{"p.service": ""})
    assert "cannot run without the parameter" in missing.text


def test_another_command_is_chosen(console: Console, command: str):
    """The list has the choice that counts, also where its parameters were not shown yet."""
    commands.create(console.controller, "other", CommandVersion(b"echo other"))
    browser = console.logged_in(Role.OPERATOR)
    fields = {"what": "command", "command": command, "on": "web1", "p.service": "nginx"}
    form = previewed(browser, **fields, name="other")
    assert form["command"] == "other@1"
    assert "p.service" not in form
    assert ran(console, browser, form).content == b"echo other"
    shown = browser.post("/run/preview", what="command", on="web1", name="restart", do="load").text
    assert 'name="p.service"' in shown
    assert 'value="web1"' in shown


def test_a_secret_is_on_no_page(console: Console, command: str):
    browser = console.logged_in(Role.OPERATOR)
    fields = {"what": "command", "command": "restart", "on": "web1", "p.service": "nginx", "p.note": "a'b"}
    form = previewed(browser, **fields)
    assert form["command"] == command
    page = html.unescape(browser.post("/run/preview", **fields).text)
    assert "token=••••••••" in page
    assert "echo nginx soft a'b '********'" in page
    assert "assist invoke restart@1 -i web1 -p service=nginx -p 'note=a'\"'\"'b' --secret token=env:TOKEN" in page
    refused = browser.post("/run", **form, **{"s.token": "a wrong\0secret"})
    assert refused.status_code == 400
    assert "a wrong" not in refused.text
    found = ran(console, browser, form, **{"s.token": SECRET})
    assert str(found.parameters["token"]) == "********"
    files = [each for each in console.controller.home.root.iterdir() if each.name.startswith("assist.db")]
    assert not any(SECRET.encode() in each.read_bytes() for each in files)
    later = browser.post("/run/preview", when="every", every="1h", **fields)
    assert later.status_code == 400
    assert "typed in, and its value is not stored" in later.text


def test_a_rerun_asks_for_secrets_again(console: Console, command: str):
    browser = console.logged_in(Role.OPERATOR)
    fields = {"what": "command", "command": command, "on": "web1,db1", "p.service": "nginx"}
    then = ran(console, browser, previewed(browser, **fields), **{"s.token": SECRET})
    with console.controller.database.transaction() as transaction:
        transaction.execute(
            "UPDATE records SET status = 'Finished', exit_code = instance_id = ? WHERE invocation_id = ?", [DB, then.id]
        )
        transaction.execute("UPDATE invocation_instances SET status = 'Finished' WHERE invocation_id = ?", [then.id])
        transaction.execute("UPDATE invocations SET status = 'Finished' WHERE id = ?", [then.id])
    page = browser.get(f"/run?rerun={then.id}").text
    assert "1 instance" in page
    form = previewed(browser, what="rerun", rerun=then.id)
    again = ran(console, browser, form, **{"s.token": SECRET})
    assert [each.instance_name for each in again.instances] == ["db1"]
    assert again.content == then.content
    everywhere = previewed(browser, what="rerun", rerun=then.id, which="all")
    assert len(ran(console, browser, everywhere, **{"s.token": SECRET}).instances) == 2
    limited = console.logged_in(Role.OPERATOR, "@role=web")
    places = ran(console, limited, previewed(limited, what="rerun", rerun=then.id, which="all"), **{"s.token": SECRET})
    assert [each.instance_name for each in places.instances] == ["web1"]


def test_a_schedule(console: Console):
    browser = console.logged_in(Role.OPERATOR)
    text = browser.get("/run/due?when=cron&cron=0+30+2+*+*+*&timezone=UTC").text
    assert text.count("02:30:00 +0000") == 5
    assert "is not a duration" in browser.get("/run/due?when=every&every=soon").text
    fields = {
        "script": "true",
        "on": "web1",
        "when": "cron",
        "cron": "0 30 2 * * *",
        "timezone": "UTC",
        "jitter": "30s",
    }
    form = previewed(browser, **fields)
    answer = browser.post("/run", **form)
    assert browser.post("/run", **form).headers["location"] == answer.headers["location"]
    planned = schedules.show(console.controller, answer.headers["location"].removeprefix("/schedules/"))
    assert planned.schedule.expression == "0 30 2 * * * UTC"
    assert planned.schedule.jitter.total_seconds() == 30
    for more in ({"canary": "1"}, {"queue": "2d"}):
        assert browser.post("/run/preview", **fields, **more).status_code == 400


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("timeout", "soon"),
        ("canary", "x"),
        ("concurrency", "0"),
        ("queue", "0.1s"),
        ("user", "a b:c"),
        ("type", "perl"),
    ],
)
def test_a_wrong_field_keeps_the_input(console: Console, name: str, value: str):
    answer = console.logged_in(Role.OPERATOR).post("/run/preview", script="echo kept", on="web1", **{name: value})
    assert answer.status_code == 400
    assert "echo kept" in answer.text
    assert f'value="{value}"' in answer.text or name == "type"


@pytest.mark.parametrize("target", ["file:/etc/passwd", "web1,file:/etc/passwd", "", "nothing"])
def test_a_wrong_target(console: Console, target: str):
    answer = console.logged_in(Role.OPERATOR).post("/run/preview", script="true", on=target)
    assert answer.status_code in (400, 404)
    assert "cannot" in answer.text
    assert "root:" not in answer.text


def test_a_scope_is_all_there_is(console: Console):
    """Names, ids, patterns, groups and reruns of others lead nowhere; a group has only the own instances."""
    if "both" not in {group.name for group, _ in groups.listing(console.controller)}:
        groups.add(console.controller, "both", "web1,db1")
        groups.add(console.controller, "theirs", "db1")
        groups.add(console.controller, "misspelt", "web1,db2")
    others = ran(console, console.owner(), previewed(console.owner(), script="echo theirs", on="db1"))
    browser = console.logged_in(Role.OPERATOR, "@role=web")
    for target in ("db1", DB, "web1,db1", "group:theirs", "group:misspelt", "local"):
        answer = browser.post("/run/preview", script="true", on=target)
        assert answer.status_code == 404
        assert "nothing runs yet" not in answer.text
        if target.startswith("group:"):
            assert "db1" not in answer.text + browser.get(f"/run/targets?on={target}").text
    for target in ("*", "group:both", "@role=web"):
        form = previewed(browser, script="true", on=target)
        assert [each.instance_id for each in ran(console, browser, form).instances] == [WEB]
    answer = browser.post("/run/preview", what="rerun", rerun=others.id)
    assert answer.status_code == 404
    assert "echo theirs" not in answer.text
    assert browser.get(f"/run?rerun={others.id}").status_code == 404
    assert DB not in browser.get("/run").text


def test_an_instance_that_leaves_the_scope_before_the_run(console: Console):
    browser = console.logged_in(Role.OPERATOR, "@role=web")
    form, before = previewed(browser, script="true", on="web1"), number_of_runs(console)
    with console.controller.database.transaction() as transaction:
        instances.set_tags(transaction, WEB, {})
    try:
        assert browser.post("/run", **form).status_code == 404
    finally:
        with console.controller.database.transaction() as transaction:
            instances.set_tags(transaction, WEB, {"role": "web"})
    assert number_of_runs(console) == before


def test_foreign_text_in_a_run_is_no_markup(console: Console):
    browser = console.logged_in(Role.OPERATOR)
    evil = "</textarea><script>alert(1)</script>\x1b[31m"
    for answer in (
        browser.post("/run/preview", script=evil, on="web1"),
        browser.post("/run/preview", script=evil, on=evil, timeout=evil),
        browser.post("/run/preview", what="command", command=evil, on="web1"),
        browser.get("/run/targets?on=%3Cscript%3E"),
        browser.get("/run?rerun=%3Cscript%3E&on=%22%3E%3Cscript%3E"),
    ):
        assert "<script>" not in answer.text
        assert not re.search(r"<style|\sstyle=|\son\w+=\"", answer.text)


def test_the_command_line_of_a_run(console: Console):
    browser = console.logged_in(Role.OPERATOR)
    fields = {"script": "echo 'a'\nexit 3\n", "on": "web*", "canary": "1", "max_errors": "5%", "queue": "2d"}
    page = html.unescape(browser.post("/run/preview", **fields).text)
    line = "assist run -i 'web*' --canary 1 --max-errors 5% --queue 2d -c 'echo '\"'\"'a'\"'\"'\nexit 3\n'"
    assert f'data-copy="{line.replace(chr(34), chr(34))}"' in page


def test_an_unknown_command_is_refused(console: Console):
    answer = console.logged_in(Role.OPERATOR).get("/run?command=nothing")
    assert answer.status_code == 404
    assert "cannot find a command" in answer.text


def test_a_new_version_after_the_preview_changes_nothing(console: Console):
    commands.create(console.controller, "pinned", CommandVersion(b"echo one"))
    browser = console.logged_in(Role.OPERATOR)
    form = previewed(browser, what="command", command="pinned", on="web1")
    commands.clone(console.controller, "pinned", commands.Changes(content=b"echo two"))
    found = ran(console, browser, form)
    assert (found.content, found.command_version) == (b"echo one", 1)
