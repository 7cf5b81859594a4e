"""Home, schedules, queue and search in a real browser: light, dark, a phone, keys, and without JavaScript."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from assist_cli.operations.controller import open_controller
from assist_cli.paths import Home
from tests.support import browser, past
from tests.support.agent import eventually
from tests.support.browser import DESK, PHONE
from tests.support.program import Program

LONG = "echo " + "very-long-word" * 30


@pytest.mark.long
def test_the_pages_of_plans_in_a_browser(installed: Program, home: Path):
    assert installed("run", "-c", "echo No space left on device; exit 3").returncode == 3
    assert installed("run", "--every", "10s", "-c", LONG).returncode == 0
    assert installed("run", "--cron", "0 30 2 * 3,10 SUN", "--timezone", "Europe/Berlin", "--", "true").returncode == 0
    with open_controller(Home(home)) as controller:
        past.register(controller.database, ["pos1", "pos2"], controller.now())
    assert installed("run", "-i", "pos*", "--queue", "2d", "--", "true").returncode == 75
    cron, rate = (each["InvokeId"] for each in json.loads(installed("schedule", "list", "-o", "json").stdout))
    paths = (
        "/",
        "/?check=1",
        "/schedules",
        f"/schedules/{rate}",
        f"/schedules/{cron}",
        "/queue",
        "/search?q=space+left",
    )
    with browser.served(installed) as url, browser.window(installed, url) as window:
        page = window.page
        for scheme, size in (("light", DESK), ("dark", DESK), ("light", PHONE)):
            page.set_viewport_size(size)
            page.emulate_media(color_scheme=scheme)
            for path in paths:
                window.open(path)
                assert window.sideways <= 0, (path, scheme, size)
        assert "Outcomes" not in page.content()

        # a phone: the pages are in a menu
        page.locator("details.bar-pages summary").click()
        page.get_by_role("link", name="Queue").click()
        page.wait_for_url("**/queue")
        page.set_viewport_size(DESK)

        # three answers without scrolling
        window.open("/")
        for name in ("Is anything broken?", "What runs now?", "What comes next?"):
            box = page.get_by_role("heading", name=name).bounding_box()
            assert box is not None
            assert box["y"] + box["height"] < DESK["height"]
        page.get_by_text("no answer at the last attempt: pos[1-2] (2)").wait_for()

        # keys: search from any page, its hits, and the pages
        page.keyboard.press("/")
        page.keyboard.type("no space")
        page.keyboard.press("Enter")
        page.wait_for_url("**/search?q=no+space")
        assert page.locator("mark").first.inner_text() == "No space"
        page.locator("main").focus()
        page.keyboard.press("j")
        assert re.search(r"/invocations/t-\w+", page.evaluate("document.activeElement.href"))
        page.keyboard.press("g")
        page.keyboard.press("s")
        page.wait_for_url("**/schedules")
        page.keyboard.press("j")
        page.keyboard.press("Enter")
        page.wait_for_url("**/schedules/t-*")

        # a schedule: its times where the clocks change, pause, resume, stop after a question
        window.open(f"/schedules/{cron}")
        assert page.locator("ol.firings li").count() == 20
        page.get_by_text("clock goes ahead 02:00-03:00").first.wait_for()
        page.get_by_role("button", name="Pause").click()
        page.get_by_text("Paused", exact=True).first.wait_for()
        page.get_by_role("button", name="Resume").click()
        page.get_by_role("button", name="Pause").wait_for()
        page.get_by_text("Stop…").click()
        page.get_by_role("button", name="Stop this schedule").click()
        page.get_by_text("It has ended, and does not run again.").wait_for()

        # the strip leads to its row, by the keyboard
        eventually(lambda: json.loads(installed("schedule", "slots", rate, "-o", "json").stdout))
        window.open(f"/schedules/{rate}")
        page.locator("ol.strip a").first.focus()
        page.keyboard.press("Enter")
        page.wait_for_url("**#s-*")
        assert page.locator("tr:target").count() == 1

        # the queue: all records are selected and dropped
        window.open("/queue")
        page.get_by_label("All records of this page").check()
        page.get_by_role("button", name="Drop the selected records").click()
        page.get_by_text("Dropped: 2 records.").wait_for()
        page.get_by_text("Nothing is queued.").wait_for()
        assert window.problems == []
