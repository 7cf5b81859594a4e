"""Files and the administration in a real browser: light, dark and at the width of a phone, and without JavaScript."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support import browser
from tests.support.browser import DESK, PHONE
from tests.support.program import Program

PATHS = ("/files", "/files/send", "/groups", "/enrolments", "/audit", "/keys", "/users", "/instances/local")


@pytest.mark.long
def test_a_file_is_sent_from_the_browser(installed: Program, tmp_path: Path):
    assert installed("run", "--", "true").returncode == 0
    (tmp_path / "app.conf").write_text("port = 80\n")
    to = tmp_path / "to"
    with browser.served(installed) as url, browser.window(installed, url) as window:
        page = window.page
        window.open("/files/send?on=local")
        page.set_input_files("input[type=file]", tmp_path / "app.conf")
        page.get_by_label("Folder").fill(str(to))
        page.get_by_role("button", name="Preview").click()
        page.get_by_role("button", name="Change").click()
        page.get_by_label("Mode").fill("0600")
        page.get_by_role("button", name="Preview").click()
        page.get_by_role("button", name="Send to 1 instance").dblclick()
        page.wait_for_url("**/files/f-*")
        page.wait_for_selector("text=succeeded")  # the outcome, loaded again by the script
        assert (to / "app.conf").read_text() == "port = 80\n"
        assert (to / "app.conf").stat().st_mode & 0o777 == 0o600
        sent = installed("file", "list", "-o", "json").stdout
        assert sent.count(b'"app.conf"') == 1
        assert window.problems == []


@pytest.mark.long
def test_the_pages_of_the_administration(installed: Program):
    assert installed("run", "--", "true").returncode == 0
    for words in (("group", "add", "here", "local"), ("accesskey", "create", "ci")):
        assert installed(*words).returncode == 0
    with browser.served(installed) as url, browser.window(installed, url) as window:
        page = window.page
        for scheme, size in (("light", DESK), ("dark", DESK), ("light", PHONE)):
            page.set_viewport_size(size)
            page.emulate_media(color_scheme=scheme)
            for path in PATHS:
                window.open(path)
                assert window.sideways <= 0, (path, scheme)
        page.set_viewport_size(DESK)

        # a key: its secret is on one page
        window.open("/keys")
        page.get_by_label("Name").fill("console")
        page.get_by_role("button", name="Create key").click()
        secret = page.locator("dl.secret dd").nth(1).inner_text()
        assert len(secret) == 40
        page.get_by_role("link", name="back to the keys").click()
        assert secret not in page.content()
        page.locator("summary[aria-label='Delete console']").click()
        page.get_by_role("button", name="Delete console").click()
        page.wait_for_url("**/keys?paused=0")
        assert page.get_by_text("console", exact=True).count() == 0

        # a user, who logs in
        window.open("/users")
        page.get_by_label("Name").fill("ana")
        page.get_by_label("Password", exact=True).fill("correct horse battery")
        page.get_by_label("The same again").fill("correct horse battery")
        page.get_by_role("button", name="Add user").click()
        page.wait_for_selector("td:has-text('ana')")
        page.locator("details.menu summary").last.click()
        page.get_by_role("button", name="Log out").click()
        page.get_by_label("Name").fill("ana")
        page.get_by_label("Password").fill("correct horse battery")
        page.get_by_role("button", name="Log in").click()
        page.wait_for_url(f"{url}/")
        window.open("/audit?action=user.add")
        assert "cannot do this" in page.content()  # an operator
        assert [each for each in window.problems if "403" not in each] == []
