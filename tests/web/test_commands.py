"""Saved commands in the console: versions, bytes that a browser does not keep, and who may change them."""

from __future__ import annotations

import html
import re

import pytest

from assist_cli.model.access import Role
from assist_cli.model.command import Command, CommandType, CommandVersion
from assist_cli.model.parameters import Definition
from assist_cli.operations.commands import commands
from assist_cli.operations.fleet import instances
from assist_cli.operations.history import audit
from assist_cli.operations.runs import recording
from assist_cli.operations.runs.plans import InvokeRequest
from assist_cli.web.scripts import content_of, text_of
from tests.support.console import Browser, Console

SCRIPT = "\n#!/bin/sh\n\techo 'é' {{who|sh}} </textarea><b>\n"


def field(page: str, name: str) -> str:
    """Return the text of a textarea, as a browser reads it."""
    found = re.search(rf'<textarea name="{name}"[^>]*>\n(.*?)</textarea>', page, re.DOTALL)
    assert found is not None
    return html.unescape(found[1])


def created(browser: Browser, name: str, **fields: str) -> None:
    answer = browser.post("/commands", name=name, **{"script": "true\n", **fields})
    assert answer.status_code == 303, answer.text
    assert answer.headers["location"] == f"/commands/{name}"


def edited(browser: Browser, command: Command, **fields: str) -> int:
    """Save the form of a command with some other fields, as a browser does; return the status."""
    page = browser.get(f"/commands/{command.name}/edit").text
    sent = {
        "name": command.name,
        "description": command.description,
        "timeout": f"{command.version.timeout}s",
        "type": command.version.type.word,
        "latest": str(command.latest),
        "definitions": field(page, "definitions"),
    }
    if 'name="script"' in page:
        sent["script"] = field(page, "script")
    if "checked" in page:
        sent["enabled"] = "1"
    return browser.post(f"/commands/{command.name}", **{**sent, **fields}).status_code


def test_a_command_is_created_and_edited_as_versions(console: Console):
    browser = console.owner()
    definitions = "who default='the \"world\"' choices='the \"world\",x' description='to greet'\r\n\r\n"
    created(browser, "greet", script=SCRIPT.replace("\n", "\r\n"), definitions=definitions, timeout="2m")
    first = commands.get(console.controller, "greet")
    assert first.version.content.decode() == SCRIPT
    assert first.version.timeout == 120
    assert first.version.definitions == (
        Definition("who", default='the "world"', choices=('the "world"', "x"), description="to greet"),
    )
    page = browser.get("/commands/greet/edit").text
    assert field(page, "script") == SCRIPT
    assert edited(browser, first) == 303
    assert commands.get(console.controller, "greet").latest == 1
    assert edited(browser, first, script="echo {{who|sh}}\r\n", description="Greet", definitions="") == 303
    second = commands.get(console.controller, "greet")
    assert (second.latest, second.description) == (2, "Greet")
    assert second.version.content == b"echo {{who|sh}}\n"
    assert second.version.definitions == (Definition("who"),)
    shown = browser.get("/commands/greet@1").text
    assert "version 2 is the newest" in shown
    assert browser.get("/commands/greet/diff?from=1&to=2").text.count('class="l added') == 2
    assert browser.post("/commands/greet/rollback", version="1").status_code == 303
    third = commands.get(console.controller, "greet")
    assert (third.latest, third.version.content.decode()) == (3, SCRIPT)
    assert browser.post("/commands/greet/rollback", version="1").status_code == 400
    assert browser.post("/commands/greet", name="greet", script="x", latest="2").status_code == 409
    assert edited(browser, third, name="welcome", enabled="") == 303
    assert commands.get(console.controller, "welcome").version.definitions == ()
    assert commands.get(console.controller, "welcome").id == first.id
    actions = [each.action for each in audit.entries(console.controller, since=None, limit=9)]
    assert {"command.create", "command.clone", "command.rollback", "command.modify"} <= set(actions)


@pytest.mark.parametrize(
    ("content", "is_editable"),
    [
        (b"echo \xff\n", False),
        (b"echo a\r\necho b\n", False),
        (b"echo a\recho b\n", False),
        (b"echo \0\n", False),
        (b"@echo a\r\n@echo b\r\n", True),
        ("\ufeffecho \u00e9\x1b[0m\n\n".encode(), True),
    ],
)
def test_no_byte_of_a_script_changes_by_an_edit_of_something_else(console: Console, content: bytes, is_editable: bool):
    browser, name = console.owner(), f"bytes-{abs(hash(content))}"
    made = commands.create(console.controller, name, CommandVersion(content, CommandType.BAT, timeout=60))
    page = browser.get(f"/commands/{name}/edit").text
    assert ('name="script"' in page) == is_editable
    assert ("cannot edit this script" in page) != is_editable
    assert edited(browser, made, timeout="90s") == 303
    found = commands.get(console.controller, name)
    assert (found.latest, found.version.content, found.version.timeout) == (2, content, 90)
    assert browser.post(f"/commands/{name}/delete").headers["location"] == "/commands"


def test_line_ends_of_a_script():
    assert content_of("a\r\nb\r\n") == b"a\nb\n"
    assert content_of("a\r\nb\r\n", b"x\r\ny\r\n") == b"a\r\nb\r\n"
    for script in ("", "a", "\n", "a\n\n", " \ta\x0b\x0c\u2028\u0085\n"):
        text = text_of(script.encode())
        assert text is not None
        assert content_of(text.replace("\n", "\r\n")) == script.encode()


def test_a_definition_that_a_line_cannot_have_stays(console: Console):
    odd = Definition("odd", default="two\nlines")
    made = commands.create(
        console.controller, "odd", CommandVersion(b"echo {{odd}} {{b}}", parameters_enabled=True, definitions=(odd,))
    )
    browser = console.owner()
    assert "These stay as they are, because a line cannot contain them: odd" in browser.get("/commands/odd/edit").text
    assert edited(browser, made, definitions="b default=1") == 303
    found = commands.get(console.controller, "odd").version.definitions
    assert set(found) == {odd, Definition("b", default="1")}


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"name": "a,b"}, "cannot use the name"),
        ({"name": "x", "script": " \n"}, "empty script"),
        ({"name": "x", "timeout": "soon"}, "not a duration"),
        ({"name": "x", "definitions": "key default='"}, "a quote is not closed"),
        ({"name": "x", "script": "x" * 12_289}, "of at most 16,384"),
    ],
)
def test_a_wrong_command_keeps_the_input(console: Console, fields: dict[str, str], message: str):
    answer = console.owner().post("/commands", **{"script": "echo kept\n", "description": "kept too", **fields})
    assert answer.status_code == 400
    assert message in html.unescape(answer.text)
    assert 'value="kept too"' in answer.text
    assert field(answer.text, "script") == fields.get("script", "echo kept\n")


def run_of(console: Console, name: str, where: str) -> InvokeRequest:
    """A request to run a command on one instance."""
    found = instances.get(console.controller, where)
    return InvokeRequest(commands.get(console.controller, name), targets=(found,))


def test_a_command_that_runs_is_not_deleted(console: Console):
    browser = console.owner()
    created(browser, "busy")
    assert "Delete busy?" in browser.get("/commands/busy/delete").text
    with recording.recorded(console.controller, run_of(console, "busy", "web1")):
        answer = browser.post("/commands/busy/delete")
        assert answer.status_code == 409
        assert "still uses it" in answer.text


def test_a_scope_protects_the_commands_of_others(console: Console):
    """Others may run a command anywhere, so an admin of some instances changes only own ones."""
    created(console.owner(), "theirs")
    browser = console.logged_in(Role.ADMIN, "@role=web")
    for path in ("/commands/theirs", "/commands/theirs/rollback", "/commands/theirs/delete"):
        answer = browser.post(path, name="theirs", script="evil", latest="1", version="1")
        assert answer.status_code == 403
        assert "did not create it" in answer.text
    for path in ("/commands/theirs/edit", "/commands/theirs/delete"):
        assert browser.get(path).status_code == 403
    page = browser.get("/commands/theirs").text
    assert "/commands/theirs/edit" not in page
    created(browser, "mine")
    assert edited(browser, commands.get(console.controller, "mine"), script="echo mine") == 303
    with recording.recorded(console.controller, run_of(console, "mine", "db1"), token="nobody"):
        pass
    page = browser.get("/commands/mine").text
    assert "It has not run on an instance of yours" in page
    assert "db1" not in page
    assert browser.post("/commands/mine", name="mine", script="x", latest="2").status_code == 403
    assert commands.get(console.controller, "theirs").latest == 1


def test_a_viewer_sees_commands_and_no_buttons(console: Console):
    created(console.owner(), "seen", description="<script>alert(1)</script>")
    browser = console.logged_in(Role.VIEWER)
    for path in ("/commands", "/commands/seen", "/commands/seen/diff", "/commands?q=alert"):
        answer = browser.get(path)
        assert answer.status_code == 200
        assert "<script>" not in answer.text
        assert not re.search(r'href="/run|/edit"|/delete"|@new"', answer.text.replace('href="/run" data-key', ""))
    assert browser.get("/commands/nothing").status_code == 404
    assert browser.get("/commands/seen@7").status_code == 404
    assert browser.get("/commands/seen/diff?from=x").status_code == 400
