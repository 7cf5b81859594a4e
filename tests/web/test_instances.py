"""Instances in the console: the filter by facts and groups, and the page of an instance."""

from __future__ import annotations

import re
from urllib.parse import quote

import pytest

from assist_cli.model.access import Role
from assist_cli.model.instance import Contact, Instance
from assist_cli.model.target import Selection
from assist_cli.operations.runs import recording
from assist_cli.operations.runs.plans import RunRequest
from assist_cli.store import instances
from assist_cli.web.pages.instances import RECENT
from tests.support.console import DB, WEB, Browser, Console, names


@pytest.fixture(scope="module", autouse=True)
def facts(console: Console) -> None:
    now = console.controller.now()
    with console.controller.database.transaction() as transaction:
        web = {"os": "debian", "memory": 3 * 2**30, "addresses": ["10.0.0.1", "10.0.0.2"]}
        instances.note_heard(
            transaction, {WEB: Contact("linux", now, "", web), DB: Contact("linux", now, "", {"os": "alpine"})}
        )


def listed(browser: Browser, target: str) -> list[str]:
    return re.findall(r'class="row" href="/instances/([^"]+)"', browser.get(f"/instances?on={quote(target)}").text)


def test_the_filter_by_facts(console: Console):
    browser = console.owner()
    for target, found in (
        ("@os=debian", [WEB]),
        ("@memory=3GiB", [WEB]),
        ("@os=*", [DB, WEB]),
        ("@os=*,!@role=web", [DB]),
        ("@os=plan9", []),
    ):
        assert listed(browser, target) == found, target


def test_the_filter_reads_no_files(console: Console):
    for browser in (console.owner(), console.logged_in(Role.VIEWER, "web1")):
        text = browser.get("/instances?on=file:/etc/passwd").text
        assert "root:" not in text
        assert "cannot be used here" in text.replace("&#39;", "'")


def test_hints_have_no_names_outside_of_the_scope(console: Console):
    browser = console.logged_in(Role.VIEWER, "web1")
    assert browser.get("/instances/web1").status_code == browser.get("/instances/i-0").status_code == 200
    for text in ("db", "db2", "d*", "@os=alpine", "i-00000000000000000000000002"):
        for path in (f"/instances/{text}", f"/instances?on={text}", f"/files?on={text}"):
            found = browser.get(path).text.replace(quote(text), "").replace(text, "")
            assert not names(found, "db1"), path
            assert DB not in found, path


def run(console: Console, script: str) -> None:
    """Record a run on both instances, which nobody sends."""
    request = RunRequest(script.encode(), targets=Selection(("web1", "db1")))
    with recording.recorded(console.controller, request, token="nobody"):
        pass


def test_facts_and_records(console: Console):
    run(console, "echo seen")
    browser = console.logged_in(Role.VIEWER, "web1")
    text = browser.get(f"/instances/{WEB}").text
    assert 'href="/instances?on=%40os%3Ddebian"' in text
    assert "3GiB" in text
    assert "10.0.0.2" in text
    assert "echo seen" in text
    assert DB not in text
    assert browser.get(f"/instances/{DB}").status_code == 404


@pytest.mark.long
def test_records_in_pages(console: Console):
    for number in range(RECENT + 1):
        run(console, f"echo {number}")
    browser = console.owner()
    text = browser.get(f"/instances/{WEB}").text
    assert f"echo {RECENT}<" in text
    assert "echo 0<" not in text
    older = re.search(r'href="(\?after=r-[^"]*)" rel="next"', text)
    assert older is not None
    assert "echo 0<" in browser.get(f"/instances/{WEB}{older[1]}").text


def test_an_instance_that_dials_out_without_a_broker(console: Console):
    made = Instance(f"i-{40:026}", "pos1", f"nats:i-{40:026}", console.controller.now())
    with console.controller.database.transaction() as transaction:
        instances.register(transaction, made)
    text = console.owner().get(f"/instances/{made.id}/status").text
    assert "Connected" in text
    assert "no broker" in text
