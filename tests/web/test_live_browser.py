"""Live output in a real browser: as it arrives, for a reader elsewhere, after a restart, and without JavaScript."""

from __future__ import annotations

import contextlib
import os
import time
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.support import browser, fleet, relay
from tests.support.browser import Window
from tests.support.program import Program

pytestmark = pytest.mark.long

# Prints a line for each line of the file, when it is there.
SCRIPT = 'tail -n +1 -F "{file}" 2>/dev/null | while read -r line; do [ "$line" = end ] && exit 3; echo "$line"; done'


class Told:
    """A script whose output the test decides, line by line."""

    def __init__(self, folder: Path, installed: Program) -> None:
        self._file = folder / "lines"
        self._file.touch()
        script = SCRIPT.format(file=self._file)
        self.id = installed("run", "--detach", "-c", script).stdout.decode().split()[0]

    def says(self, *lines: str) -> None:
        with self._file.open("a") as file:
            file.write("".join(f"{line}\n" for line in lines))


def texts(window: Window) -> list[str]:
    return window.page.locator("#live .output .l").all_inner_texts()


def open_page(window: Window, invocation_id: str) -> None:
    window.page.goto(f"{window.url}/invocations/{invocation_id}")


def wait_for_line(window: Window, text: str) -> None:
    window.page.wait_for_selector(f"#live .output .l:has-text('{text}')")


def test_output_arrives_and_a_reader_is_left_alone(installed: Program, tmp_path: Path):
    told = Told(tmp_path, installed)
    with browser.served(installed) as url, browser.window(installed, url) as window:
        page = window.page
        open_page(window, told.id)
        page.wait_for_selector("#connection:has-text('Live')")
        began = time.monotonic()
        told.says("first")
        wait_for_line(window, "first")
        assert time.monotonic() - began < 5  # it is less than 1 s on a machine that does nothing else

        told.says(*(f"line {number}" for number in range(100)))
        wait_for_line(window, "line 99")
        log = page.locator(".output.live")
        at_end = "each => each.scrollHeight - each.scrollTop - each.clientHeight <= 40"
        assert log.evaluate(at_end)
        log.evaluate("each => { each.scrollTop = 0; }")
        told.says("while reading")
        page.wait_for_selector("button.more-lines:has-text('1 new line')")
        assert log.evaluate("each => each.scrollTop") == 0
        page.locator("button.more-lines").click()
        assert log.evaluate(at_end)

        # a second tab shows the same, and the link to a line leads to it
        other = Window(page.context.new_page(), url)
        other.page.goto(f"{url}/invocations/{told.id}")
        wait_for_line(other, "while reading")
        assert texts(other) == texts(window) == ["first", *(f"line {number}" for number in range(100)), "while reading"]
        number = page.locator("#live .output .l").nth(41).get_attribute("id")
        other.page.goto(f"{url}/invocations/{told.id}#{number}")
        other.page.wait_for_selector(f"[id='{number}']:target")
        other.page.close()

        told.says("end")
        page.wait_for_selector(".headline:has-text('exit 3')")
        page.wait_for_selector("text=It has ended.")
        page.get_by_role("button", name="Rerun 1 unsuccessful").wait_for()
        page.go_back()
        page.go_forward()
        wait_for_line(window, "while reading")
        assert window.problems == []


def test_the_page_survives_a_restart_of_the_server(installed: Program, tmp_path: Path):
    told = Told(tmp_path, installed)
    with contextlib.ExitStack() as first, contextlib.ExitStack() as stack:
        url = first.enter_context(browser.served(installed))
        window = stack.enter_context(browser.window(installed, url))
        open_page(window, told.id)
        told.says("before")
        wait_for_line(window, "before")
        first.close()
        window.page.wait_for_selector("#connection:has-text('The connection is lost: reconnecting')")
        told.says("meanwhile")
        stack.enter_context(browser.served(installed, port=urlsplit(url).port or 0))
        wait_for_line(window, "meanwhile")
        window.page.wait_for_selector("#connection:has-text('Live')")
        told.says("after")
        wait_for_line(window, "after")
        assert texts(window) == ["before", "meanwhile", "after"]
        told.says("end")
        window.page.wait_for_selector("text=It has ended.")


def test_a_lost_connection(installed: Program, tmp_path: Path):
    told = Told(tmp_path, installed)
    with (
        browser.served(installed) as url,
        relay.relaying(urlsplit(url).port or 0) as network,
        browser.window(installed, f"http://127.0.0.1:{network.port}") as window,
    ):
        page = window.page
        open_page(window, told.id)
        told.says("before")
        wait_for_line(window, "before")
        network.hold()
        network.cut()
        page.wait_for_selector("#connection:has-text('The connection is lost: reconnecting')")
        told.says("meanwhile")
        network.go_on()
        wait_for_line(window, "meanwhile")
        page.wait_for_selector("#connection:has-text('Live')")
        told.says("after", "end")
        page.wait_for_selector("text=It has ended.")
        assert texts(window) == ["before", "meanwhile", "after"]


def test_a_logout_elsewhere_is_said(installed: Program, tmp_path: Path):
    told = Told(tmp_path, installed)
    with browser.served(installed) as url, browser.window(installed, url) as window:
        open_page(window, told.id)
        window.page.wait_for_selector("#connection:has-text('Live')")
        other = window.page.context.new_page()
        other.goto(url)
        other.locator("details.menu summary").click()
        other.get_by_role("button", name="Log out").click()
        other.wait_for_url("**/login")
        window.page.wait_for_selector("#connection:has-text('Your session has ended')", timeout=5000)
        told.says("end")


def test_without_javascript_the_page_shows_the_state_of_now(installed: Program, tmp_path: Path):
    told = Told(tmp_path, installed)
    with browser.served(installed) as url:
        link = installed("console", "open").stdout.decode().strip()
        with browser.browser() as context:
            quiet = context.browser.new_context(java_script_enabled=False)
            page = quiet.new_page()
            page.goto(link)
            told.says("one")
            window = Window(page, url)
            open_page(window, told.id)
            end = time.monotonic() + browser.GUARD
            while "one" not in texts(window) and time.monotonic() < end:
                page.get_by_role("link", name="Refresh").click()
            assert texts(window) == ["one"]
            told.says("end")
            while not page.locator(".headline:has-text('exit 3')").count() and time.monotonic() < end:
                page.reload()
            page.get_by_role("button", name="Rerun all").click()
            page.locator("form.steps > button:not(.default)").click()
            page.get_by_role("button", name="Run on 1 instance").click()
            assert told.id not in page.url


def test_a_large_output(installed: Program):
    assert installed("run", "-c", "yes 0123456 | head -n 120000").returncode == 0
    with browser.served(installed) as url, browser.window(installed, url) as window:
        page = window.page
        window.open("/invocations")
        page.locator("a.row").first.click()
        page.wait_for_load_state("load")
        shown = page.evaluate("performance.timing.domContentLoadedEventEnd - performance.timing.navigationStart")
        assert page.locator("#live .output .l").count() == 120_000
        assert page.locator("#live .output pre").count() == 120
        last = page.locator("#live .output .l").last.get_attribute("id")
        page.goto(f"{page.url}#{last}")
        page.wait_for_function("id => document.getElementById(id).getBoundingClientRect().top < innerHeight", arg=last)
        assert shown < 20_000  # milliseconds; benchmarks measure it
        assert window.problems == []


def test_many_instances(installed: Program, tmp_path: Path):
    home, go = Path(os.environ["ASSIST_HOME"]), tmp_path / "go"
    with (
        fleet.enlisted(home, 30, refusing=2),
        browser.served(installed) as url,
        browser.window(installed, url) as window,
    ):
        page = window.page
        script = f"echo begun; while [ ! -e '{go}' ]; do sleep 0.2; done; echo ended"
        done = installed("run", "-i", "n*", "--detach", "-c", script)
        open_page(window, done.stdout.decode().split()[0])
        page.locator("details.panel summary").nth(1).click()  # its output is followed from then on
        page.wait_for_selector("details.panel[open] .l:has-text('begun')")
        go.touch()
        page.wait_for_selector("#news:has-text('new result')")  # a person who has opened one is reading
        page.locator("#news").click()
        page.wait_for_selector("details.group.bad[open] .names:has-text('(2)')")
        page.wait_for_selector("text=It has ended.")
        page.wait_for_selector("details.group.good .names:has-text('(28)')")
        assert page.locator("details.group").count() == 2
        assert page.locator("details.group").first.get_attribute("open") is not None
        assert window.sideways <= 0
        assert window.problems == []
