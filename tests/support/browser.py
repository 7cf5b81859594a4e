"""A real browser, and the console of ``assist serve`` for it.

Chromium comes from Debian, and Playwright drives it. A test without them is skipped; ``.ci/run`` installs both.
"""

from __future__ import annotations

import contextlib
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest

from tests.support import programs
from tests.support.program import Program

if TYPE_CHECKING:
    from playwright.sync_api import BrowserContext, Page

GUARD = 60.0
AXE = Path(__file__).parents[1] / "vendor/axe-core-4.14.1/axe.min.js"
PHONE = {"width": 390, "height": 844}
DESK = {"width": 1200, "height": 800}


@dataclass
class Window:
    """A window of the browser at the console, logged in as the user of the home. ``problems`` are errors in it."""

    page: Page
    url: str
    problems: list[str] = field(default_factory=list)

    def open(self, path: str) -> None:
        self.page.goto(self.url + path)
        self.page.wait_for_load_state("networkidle")

    @property
    def sideways(self) -> int:
        """The pixels by which the page is wider than the window."""
        return int(self.page.evaluate("document.documentElement.scrollWidth - window.innerWidth"))

    def findings(self) -> list[str]:
        """Return what axe-core finds on the page that is serious or critical: the rule, the element, the reason."""
        self.page.evaluate(f"{AXE.read_text(encoding='utf-8')}; undefined")
        found = self.page.evaluate("axe.run(document, {resultTypes: ['violations']})")
        return [
            f"{each['id']}: {' '.join(node['target'])}: {node['failureSummary']}"
            for each in found["violations"]
            if each["impact"] in ("serious", "critical")
            for node in each["nodes"]
        ]


@contextlib.contextmanager
def served(assist: Program, *words: str, port: int = 0) -> Iterator[str]:
    """The URL of the console, served by a process during the block; ``port`` 0 is any."""
    process = assist.start("serve", "--web", f"127.0.0.1:{port}", *words)
    assert process.stderr is not None
    try:
        end = time.monotonic() + GUARD
        while time.monotonic() < end:
            found = re.search(rb"the console is at (\S+)", process.stderr.readline())
            if found:
                break
        else:
            raise AssertionError("the console is not served")
        yield found[1].decode()
    finally:
        process.terminate()
        process.communicate(timeout=GUARD)


@contextlib.contextmanager
def browser() -> Iterator[BrowserContext]:
    """A new browser without cookies. Skips the test if there is none."""
    chromium = programs.need("chromium")
    playwright = pytest.importorskip("playwright.sync_api", reason="needs playwright")
    with playwright.sync_playwright() as started:
        running = started.chromium.launch(executable_path=str(chromium), args=["--no-sandbox"])
        try:
            yield running.new_context(viewport=DESK)
        finally:
            running.close()


@contextlib.contextmanager
def window(assist: Program, url: str) -> Iterator[Window]:
    """A window that has logged in by a one-time link."""
    link = urlsplit(assist("console", "open").stdout.decode().strip())
    with browser() as context:
        page = context.new_page()
        found = Window(page, url)
        page.on("pageerror", lambda error: found.problems.append(str(error)))
        page.on("console", lambda said: found.problems.append(said.text) if said.type == "error" else None)
        page.goto(url + link.path)
        yield found


def screenshot(window: Window, path: Path) -> None:
    """Take a picture of the page."""
    window.page.screenshot(path=path)
