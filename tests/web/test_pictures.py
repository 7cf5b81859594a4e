"""The pictures of the documentation, of invented data: with ``--pictures FOLDER`` they are written there."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.support import browser, showcase
from tests.support.application import Application
from tests.support.browser import PHONE, Window
from tests.support.program import Program

DESK = {"width": 1200, "height": 660}
MOST_BYTES = 150_000
DOCUMENTATION = Path(__file__).parents[2] / "docs/pictures"


@pytest.mark.long
def test_the_pictures_of_the_documentation(
    installed: Program, assist: Application, home: Path, tmp_path: Path, request: pytest.FixtureRequest
):
    folder = Path(request.config.getoption("--pictures") or tmp_path / "pictures")
    folder.mkdir(exist_ok=True)
    with showcase.furnished(assist, home):
        found = assist("invocation", "list", "--command", "restart-service", "-o", "json")
        failed = json.loads(found.stdout)[0]["InvokeId"]
        with browser.served(installed) as url, browser.window(installed, url) as window:
            page = window.page
            page.context.clear_cookies()
            page.goto(f"{url}/login")
            page.get_by_label("Name").fill("ana")
            page.get_by_label("Password").fill(showcase.PASSWORD)
            page.get_by_role("button", name="Log in").click()
            page.wait_for_url(f"{url}/")
            take(window, folder / "home.png", "/")
            take(window, folder / "invocation.png", f"/invocations/{failed}")
            take(window, folder / "invocation-dark.png", f"/invocations/{failed}", scheme="dark")
            take(window, folder / "phone.png", f"/invocations/{failed}", size=PHONE)
            preview(window)
            window.page.screenshot(path=folder / "run.png")
            assert window.problems == []
    made = {each.name: each.stat().st_size for each in folder.iterdir()}
    assert max(made.values()) < MOST_BYTES
    assert made.keys() == {each.name for each in DOCUMENTATION.iterdir()}


def take(window: Window, path: Path, address: str, *, scheme: str = "light", size: dict[str, int] = DESK) -> None:
    window.page.set_viewport_size(size)  # type: ignore[arg-type]
    window.page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
    window.open(address)
    assert window.sideways <= 0
    browser.screenshot(window, path)


def preview(window: Window) -> None:
    page = window.page
    page.set_viewport_size(DESK)  # type: ignore[arg-type]
    page.emulate_media(color_scheme="light")
    window.open("/run?command=restart-service&on=@role=web&p.service=nginx&canary=2&batch=25%25&max_errors=1")
    page.get_by_role("button", name="Preview").last.click()
    page.wait_for_selector("text=nothing runs yet")
