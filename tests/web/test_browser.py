"""The console in a real browser: light, dark and at the width of a phone, with keys only, and without JavaScript."""

from __future__ import annotations

import re

import pytest

from tests.support import browser
from tests.support.browser import DESK, PHONE
from tests.support.program import Program

MAIN = ("/", "/run", "/invocations", "/commands", "/schedules", "/instances", "/files")


def test_a_script_from_the_link_to_its_output(installed: Program):
    with browser.served(installed) as url, browser.window(installed, url) as window:
        page = window.page
        assert page.url == f"{url}/"
        page.goto(f"{url}/run?on=local")
        page.get_by_role("textbox", name="Script", exact=True).fill("echo from the browser; exit 3")
        page.get_by_role("button", name="Preview").last.click()
        page.wait_for_selector("text=nothing runs yet")
        page.get_by_role("button", name="Run on 1 instance").click()
        page.wait_for_url("**/invocations/t-*")
        page.wait_for_selector(".output .l:has-text('from the browser')")
        page.wait_for_selector(".headline:has-text('exit 3')")  # without a reload
        assert window.problems == []


@pytest.mark.long
def test_the_main_pages_on_a_phone_in_the_dark(installed: Program):
    with browser.served(installed) as url, browser.window(installed, url) as window:
        page = window.page
        page.set_viewport_size(PHONE)
        page.emulate_media(color_scheme="dark")
        for path in MAIN:
            page.goto(url + path)
            assert window.sideways <= 0, path
        background = page.evaluate("getComputedStyle(document.body).backgroundColor")
        assert max(map(int, re.findall(r"\d+", background)[:3])) < 64
        assert window.problems == []


@pytest.mark.long
def test_the_pages_in_a_browser(installed: Program):
    assert installed("run", "--", "echo", "hello").returncode == 0
    with browser.served(installed) as url, browser.window(installed, url) as window:
        page = window.page
        assert page.url == f"{url}/"
        for scheme, size in (("light", DESK), ("dark", DESK), ("light", PHONE)):
            page.set_viewport_size(size)
            page.emulate_media(color_scheme=scheme)
            for path in ("/", "/instances"):
                window.open(path)
                assert window.sideways <= 0, (path, scheme)
        page.set_viewport_size(DESK)

        # keys: the filter, the rows, a page, the list of keys, and its switch
        window.open("/")
        page.keyboard.press("g")
        page.keyboard.press("i")
        page.wait_for_url("**/instances")
        page.keyboard.press("j")
        page.keyboard.press("Enter")
        page.wait_for_url("**/instances/i-*")
        page.wait_for_selector("text=online")  # the health of the agent, loaded by the script
        page.keyboard.press("?")
        page.get_by_role("switch").uncheck()
        page.get_by_role("button", name="Close").click()
        page.keyboard.press("g")
        page.keyboard.press("i")
        page.keyboard.press("?")
        assert not page.locator("#keys").is_visible()

        # a form, and the log out
        page.get_by_role("textbox", name="Key").fill("role")
        page.get_by_role("textbox", name="Value").fill("web")
        page.get_by_role("button", name="Set tag").click()
        page.wait_for_selector("a.tag:has-text('role=web')")
        page.locator("details.menu summary").click()
        page.get_by_role("button", name="Log out").click()
        page.wait_for_url("**/login")
        window.open("/instances")
        assert "/login?next=" in page.url
        assert window.problems == []
