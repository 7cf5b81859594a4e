"""Files in the console: from the form over the preview to the outcome, one time, and within the scope."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from assist_cli.model.access import Role
from assist_cli.model.instance import Instance
from assist_cli.model.target import Selection
from assist_cli.operations.history import audit
from assist_cli.operations.runs import files
from assist_cli.operations.runs.files import SendRequest
from assist_cli.store import instances
from assist_cli.web import security
from tests.support.console import DB, WEB, Browser, Console, names

FIELDS = {"on": "web1", "directory": "/etc/app", "mode": "0640", "owner": "app", "overwrite": "1"}


def upload(browser: Browser, content: bytes, file: str = "app.conf", **fields: str):
    return browser.client.post(
        "/files/send",
        data={"token": security.form_token(browser.cookie), "once": file, **FIELDS, **fields},
        files={"file": (file, content)},
        headers={"sec-fetch-site": "same-origin"},
    )


def hidden(text: str) -> dict[str, str]:
    """Return the hidden fields of the form on a page that sends a file."""
    found = dict(re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)">', text))
    return {name: value for name, value in found.items() if name != "token"}


def test_a_file_from_the_form_to_the_outcome(console: Console):
    browser = console.logged_in(Role.OPERATOR)
    shown = upload(browser, b"secret content of a file")
    assert shown.status_code == 200
    assert "/etc/app/app.conf" in shown.text
    assert "assist send app.conf -i web1 --to /etc/app --owner app --mode 0640 --overwrite" in shown.text
    sent = [browser.post("/files", **hidden(shown.text)) for _ in range(2)]
    assert [each.status_code for each in sent] == [303, 303]
    assert sent[0].headers["location"] == sent[1].headers["location"]

    page = browser.get(sent[0].headers["location"])
    assert "/etc/app/app.conf" in page.text
    assert "web1" in page.text
    assert "secret content" not in page.text
    assert "/etc/app/app.conf" in browser.get("/files").text
    assert "/etc/app/app.conf" in browser.get("/files?on=web1").text
    assert "/etc/app/app.conf" not in browser.get("/files?on=db1").text
    entry = next(each for each in audit.entries(console.controller, limit=9) if each.action == "file.send")
    assert entry.actor.login.startswith("user operator")
    assert entry.actor.origin.endswith("by the console")

    changed = upload(browser, b"other content")
    again = browser.post("/files", **hidden(changed.text))
    assert again.headers["location"] != sent[0].headers["location"]


@pytest.mark.parametrize(
    ("content", "fields", "reason"),
    [
        (b"x" * 24_577, {}, "32,768"),
        (b"x" * 2_000_000, {}, "32,768"),
        (b"x", {"mode": "9"}, "it is not an octal number"),
        (b"x", {"directory": "etc"}, "it is not an absolute path"),
        (b"x", {"name": "a/b"}, "it is not a file name"),
        (b"x", {"owner": "-x"}, "it is not a user name"),
        (b"x", {"on": ""}, "no target given"),
        (b"x", {"on": "web9"}, "cannot find an instance"),
        (b"x", {"on": "file:/etc/passwd"}, "cannot be used here"),
    ],
)
def test_a_refused_file(console: Console, content: bytes, fields: dict[str, str], reason: str):
    answer = upload(console.logged_in(Role.OPERATOR), content, **fields)
    assert answer.status_code in (400, 404)
    assert reason in answer.text.replace("&#39;", "'")
    assert 'value="1" checked' in answer.text  # the input is kept
    assert "root:" not in answer.text
    if len(content) == 1:
        assert hidden(answer.text)["content"] == "eA=="


def test_the_form_again_with_the_same_content(console: Console):
    browser = console.logged_in(Role.OPERATOR)
    shown = upload(browser, b"")
    form = browser.post("/files/send", edit="1", **hidden(shown.text))
    assert 'value="/etc/app"' in form.text
    assert "0 bytes" in form.text
    preview = browser.post("/files/send", **{**hidden(form.text), **FIELDS, "name": "new.conf"})
    assert "/etc/app/new.conf" in preview.text
    assert browser.post("/files", **{**hidden(preview.text), "content": "?"}).status_code == 400


@pytest.fixture
def many(console: Console) -> Iterator[list[str]]:
    """Ids of eleven instances with the tag ``many``."""
    ids = [f"i-{number:026}" for number in range(20, 31)]
    made = [
        Instance(each, f"n{each[-2:]}", "tls:127.0.0.1:1", console.controller.now(), tags={"many": ""}) for each in ids
    ]
    with console.controller.database.transaction() as transaction:
        for instance in made:
            instances.register(transaction, instance)
    yield ids
    with console.controller.database.transaction() as transaction:
        for each in ids:
            instances.remove(transaction, each, console.controller.now())


def test_more_than_ten_instances_must_be_counted(console: Console, many: list[str]):
    browser = console.logged_in(Role.OPERATOR)
    fields = hidden(upload(browser, b"x", "many.conf", on="@many").text)
    for count in ("", "10", "eleven"):
        answer = browser.post("/files", count=count, **fields)
        assert answer.status_code == 409
        assert "type 11" in answer.text
    with console.controller.database.transaction() as transaction:
        instances.set_tags(transaction, WEB, {"role": "web", "many": ""})
    try:
        answer = browser.post("/files", count="11", **fields)  # as in the preview, but there are 12 now
        assert answer.status_code == 409
        assert "other instances than in the preview" in answer.text
        answer = browser.post("/files", count="12", **hidden(answer.text))
        assert answer.status_code == 303
    finally:
        with console.controller.database.transaction() as transaction:
            instances.set_tags(transaction, WEB, {"role": "web"})


def test_a_scope_hides_files_and_instances(console: Console):
    request = SendRequest(b"x", "both.conf", "/srv/both", targets=Selection(("web1", "db1")))
    with files.recorded(console.controller, request, token="nobody") as both:
        pass
    with files.recorded(console.controller, request.replace(targets=Selection(("db1",))), token="nobody") as other:
        pass
    browser = console.logged_in(Role.OPERATOR, "@role=web")
    page = browser.get(f"/files/{both.id}")
    assert page.status_code == 200
    assert "web1" in page.text
    for path in ("/files", f"/files/{both.id}", f"/files/{both.id}?part=1", "/files?on=db1", "/files/send?on=web1"):
        answer = browser.get(path)
        assert DB not in answer.text
        assert other.id not in answer.text
        assert not names(answer.text, "db1") or path == "/files?on=db1"
    missing = browser.get(f"/files/{other.id}")
    assert missing.status_code == browser.get("/files/f-nothing").status_code == 404
    assert browser.get(f"/files/{WEB}").status_code == 404
    assert upload(browser, b"x", on="db1").status_code == 404
    assert upload(browser, b"x", on="web1,@role=db").status_code == 404
    forged = hidden(upload(browser, b"x").text)
    assert browser.post("/files", **{**forged, "on": "db1"}).status_code == 404


def test_a_hostile_name_of_a_file(console: Console):
    shown = upload(console.logged_in(Role.OPERATOR), b"x", '"><img src=x>.conf')
    assert "<img src=x" not in shown.text
