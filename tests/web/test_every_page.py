"""Every page of the table of routes in a real browser, with data on it: light, dark, and at the width of a phone."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from assist_cli.web.routes import ROUTES, PageRoute
from tests.support import browser, showcase
from tests.support.application import Application
from tests.support.browser import DESK, PHONE, Window
from tests.support.program import Program

# Answers of GET that are not pages: parts of a page, text, and event streams.
NO_PAGES = {
    "/run/targets",
    "/run/due",
    "/invocations/{id}/stream",
    "/invocations/{id}/records/{record}/output",
    "/enroll/{token}",
}


def pages(assist: Application) -> dict[str, list[str]]:
    """The addresses to look at, of each route that is a page."""

    def found(*words: str) -> list[dict[str, str]]:
        return json.loads(assist(*words, "-o", "json").stdout)  # type: ignore[no-any-return]

    def ids(*words: str) -> list[str]:
        return [each["InvokeId"] for each in found(*words)]

    every = [f"/invocations/{each}" for each in ids("invocation", "list")]
    failed = "/invocations/" + ids("invocation", "list", "--command", "restart-service")[0]
    hits = [found("invocation", "search", text)[0] for text in ("unknown directive", "item-12")]
    records = [f"/invocations/{hit['InvokeId']}/records/{hit['RecordId']}" for hit in hits]
    schedules = [f"/schedules/{each}" for each in ids("schedule", "list")]
    command = "/commands/restart-service"
    return {
        "/": ["/", "/?check=1"],
        "/run": [
            "/run",
            "/run?command=restart-service&on=@role=web",
            "/run?command=join-pool",
            "/run?script=date&on=web*&canary=1",
            f"/run?rerun={failed.rpartition('/')[2]}",
        ],
        "/run/preview": ["/run/preview"],
        "/commands": ["/commands", "/commands?q=nothing"],
        "/commands/@new": ["/commands/@new"],
        "/commands/{name}": [command, f"{command}@1", "/commands/disk-usage"],
        "/commands/{name}/edit": [f"{command}/edit"],
        "/commands/{name}/diff": [f"{command}/diff", f"{command}/diff?from=1&to=2"],
        "/commands/{name}/delete": [f"{command}/delete"],
        "/instances": ["/instances", "/instances?on=@role=web", "/instances?on=nothing"],
        "/instances/{id}": ["/instances/local", "/instances/web07", "/instances/nothing"],
        "/instances/{id}/status": ["/instances/local/status"],
        "/invocations": ["/invocations", "/invocations?state=nothing", "/invocations?on=web07"],
        "/invocations/{id}": [*every, "/invocations/nothing"],
        "/invocations/{id}/records/{record}": records,
        "/invocations/{id}/diff": [f"{failed}/diff"],
        "/invocations/{id}/compare": [f"{failed}/compare", f"{failed}/compare?a=web01&b=web07"],
        "/invocations/{id}/stop": [f"{every[0]}/stop"],
        "/schedules": ["/schedules"],
        "/schedules/{id}": schedules,
        "/queue": ["/queue"],
        "/search": ["/search", "/search?q=nginx", "/search?q=nothing-at-all"],
        "/groups": ["/groups"],
        "/enrolments": ["/enrolments"],
        "/files": ["/files"],
        "/files/send": ["/files/send"],
        "/files/{id}": [f"/files/{each}" for each in ids("file", "list")],
        "/audit": ["/audit", "/audit?action=nothing"],
        "/keys": ["/keys"],
        "/users": ["/users"],
        "/open/{token}": ["/open/x"],
        "/login": ["/login"],  # the last one: without a session
    }


@pytest.fixture
def place(installed: Program, assist: Application, home: Path) -> Iterator[tuple[Window, dict[str, list[str]]]]:
    (home.parent / "app.conf").write_text("port = 80\n")
    with contextlib.ExitStack() as stack:
        stack.enter_context(showcase.furnished(assist, home))
        assert installed("run", "-c", "echo out; echo err >&2; exit 3").returncode == 3
        assert installed("send", "app.conf", "--to", home.parent / "to").returncode == 0
        assert installed("send", "app.conf", "--to", home.parent / "to").returncode != 0
        assert installed("run", "--every", "10s", "-c", "date").returncode == 0
        found = pages(assist)
        url = stack.enter_context(browser.served(installed))
        yield stack.enter_context(browser.window(installed, url)), found


@pytest.mark.long
@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    ("scheme", "size"), [("light", DESK), ("dark", DESK), ("dark", PHONE)], ids=["light", "dark", "phone"]
)
def test_every_page(place: tuple[Window, dict[str, list[str]]], scheme: str, size: dict[str, int]):
    window, found = place
    routes = {route.path for route in ROUTES if isinstance(route, PageRoute) and route.method == "GET"}
    assert routes - NO_PAGES == set(found)
    window.page.set_viewport_size(size)  # type: ignore[arg-type]
    window.page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
    wrong = []
    for path in (path for each in found.values() for path in each):
        window.problems.clear()
        if path == "/login":
            window.page.context.clear_cookies()
        window.open(path)
        wrong += [f"{path}: {each}" for each in window.findings()]
        wrong += [f"{path}: {window.sideways} pixels too wide"] if window.sideways > 0 else []
        wrong += [f"{path}: {each}" for each in window.problems if "status of 40" not in each]
    assert wrong == []


@pytest.mark.long
@pytest.mark.usefixtures("starts_processes")
def test_the_check_of_pages_finds_an_input_without_a_label():
    with browser.browser() as context:
        window = Window(context.new_page(), "")
        window.page.set_content("<html lang=en><title>A form</title><main><h1>A form</h1><input name=x></main></html>")
        (found,) = window.findings()
        assert found.startswith("label: input")
