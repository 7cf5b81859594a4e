"""Forms of the console without JavaScript, and a run without a mouse, in a real browser."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.support import browser
from tests.support.browser import Window
from tests.support.program import Program

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = pytest.mark.long


@pytest.fixture
def plain(installed: Program) -> Iterator[Window]:
    """A window without JavaScript, logged in as the user of the home."""
    with browser.served(installed) as url:
        link = installed("console", "open").stdout.decode().strip()
        with browser.browser() as context:
            page = context.browser.new_context(java_script_enabled=False).new_page()  # type: ignore[union-attr]
            page.goto(link)
            yield Window(page, url)


def said(assist: Program, *words: str) -> Any:
    return json.loads(assist(*words, "-o", "json").stdout)


def test_a_run_its_stop_and_its_rerun(plain: Window, installed: Program):
    page = plain.page
    page.goto(f"{plain.url}/run?on=local")
    page.get_by_role("textbox", name="Script", exact=True).fill("sleep 600")
    page.locator("form.steps > button:not(.default)").click()
    page.get_by_role("button", name="Run on 1 instance").click()
    first = page.url.rpartition("/")[2]
    page.get_by_text("Stop …").click()
    page.get_by_role("button", name="Stop").click()
    assert installed("invocation", "wait", first).returncode != 0
    page.goto(f"{plain.url}/invocations/{first}")
    assert "Stopped" in page.locator(".headline").inner_text()
    page.get_by_text("Rerun all …").click()
    page.locator("form.steps > button:not(.default)").click()
    page.get_by_role("button", name="Run on 1 instance").click()
    again = page.url.rpartition("/")[2]
    assert again != first
    assert installed("stop", again).returncode == 0


def test_a_file_a_tag_and_a_user(plain: Window, installed: Program, tmp_path: Path):
    page = plain.page
    installed("run", "--", "true")
    (tmp_path / "app.conf").write_text("port = 80\n")
    page.goto(f"{plain.url}/files/send?on=local")
    page.set_input_files("input[type=file]", tmp_path / "app.conf")
    page.get_by_label("Folder").fill(str(tmp_path / "to"))
    page.get_by_role("button", name="Preview").click()
    page.get_by_role("button", name="Send to 1 instance").click()
    sent = page.url.rpartition("/")[2]
    installed("invocation", "wait", sent)
    browser_sees(page, "succeeded")
    assert (tmp_path / "to/app.conf").read_text() == "port = 80\n"

    page.goto(f"{plain.url}/instances/local")
    page.get_by_role("textbox", name="Key").fill("role")
    page.get_by_role("textbox", name="Value").fill("web")
    page.get_by_role("button", name="Set tag").click()
    assert said(installed, "instance", "show", "local")["Tags"] == {"role": "web"}

    page.goto(f"{plain.url}/users")
    page.get_by_role("textbox", name="Name").fill("ana")
    page.get_by_label("Password", exact=True).last.fill("correct horse battery")
    page.get_by_label("The same again").last.fill("correct horse battery")
    page.get_by_role("button", name="Add user").click()
    assert [each["Name"] for each in said(installed, "user", "list")] == ["ana"]


def browser_sees(page: Page, text: str) -> None:
    """Load the page again until it has this text."""
    for _ in range(100):
        if text in page.content():
            return
        page.wait_for_timeout(200)  # nothing tells a page without JavaScript of a change
        page.reload()
    raise AssertionError(f"the page does not show {text!r}")


def test_a_schedule_and_a_command(plain: Window, installed: Program):
    page = plain.page
    installed("run", "--every", "1h", "--", "true")
    installed("command", "create", "greet", "-c", "echo hello")
    (schedule,) = (each["InvokeId"] for each in said(installed, "schedule", "list"))
    page.goto(f"{plain.url}/schedules/{schedule}")
    page.get_by_role("button", name="Pause").click()
    assert said(installed, "schedule", "list")[0]["Paused"]
    page.get_by_role("button", name="Resume").click()
    assert not said(installed, "schedule", "list")[0]["Paused"]

    page.goto(f"{plain.url}/commands/greet/edit")
    page.get_by_role("textbox", name="Script", exact=True).fill("echo good evening")
    page.get_by_role("button", name="Save as a new version").click()
    assert re.search(r"greet(@2)?$", page.url)
    assert b"good evening" in installed("command", "show", "greet").stdout


def test_a_run_without_a_mouse(installed: Program):
    """From the home page to the output."""
    installed("run", "--", "true")
    with browser.served(installed) as url, browser.window(installed, url) as window:
        page = window.page
        keys = page.keyboard

        def tab_to(expression: str) -> None:
            for _ in range(60):
                keys.press("Tab")
                if page.evaluate(f"(each => {expression})(document.activeElement)"):
                    return
            raise AssertionError(f"no element with the focus is {expression}")

        tab_to("each.getAttribute('href') === '/run'")
        keys.press("Enter")
        page.wait_for_url("**/run")
        tab_to("each.name === 'script'")
        keys.type("echo by the keyboard")
        tab_to("each.name === 'on'")
        keys.type("local")
        keys.press("Enter")
        page.wait_for_selector("text=nothing runs yet")
        tab_to("each.textContent.startsWith('Run on')")
        keys.press("Enter")
        page.wait_for_url("**/invocations/t-*")
        page.wait_for_selector(".output .l:has-text('by the keyboard')")
        page.wait_for_selector(".headline:has-text('Finished')")
        tab_to("each.tagName === 'SUMMARY' && each.closest('.group') !== null")
        assert window.problems == []
