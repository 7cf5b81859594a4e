"""Runs from a real browser on real agents: with a form, with and without JavaScript, and when the server is killed."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from assist_cli.model.instance import Instance
from assist_cli.operations.controller import open_controller
from assist_cli.operations.history import audit
from assist_cli.paths import Home
from assist_cli.store import instances
from tests.support import browser
from tests.support.browser import DESK, PHONE, Window
from tests.support.fleet import Fleet, enlist
from tests.support.program import Program

NUMBER = 12
SCRIPT = "#!/bin/sh\n# tabs\tand \u00e9\necho \"$0\" | wc -l\nprintf 'a\\nb\\n'\n"

pytestmark = pytest.mark.long


@pytest.fixture
def fleet(starts_processes: None, home: Path) -> Iterator[Fleet]:
    folder = home.parent / "fleet"
    folder.mkdir()
    with open_controller(Home(home)) as controller, Fleet(folder, controller, NUMBER) as found:
        enlist(controller, found.members)
        yield found


def invocation(assist: Program, window: Window) -> dict[str, object]:
    """Return the invocation whose page the browser was sent to, at its end."""
    window.page.wait_for_url("**/invocations/t-*")
    invoke_id = window.page.url.rpartition("/")[2]
    assist("invocation", "wait", invoke_id)
    found: dict[str, object] = json.loads(assist("invocation", "show", invoke_id, "-o", "json").stdout)
    return found


def test_a_script_runs_from_the_browser(installed: Program, home: Path, fleet: Fleet):
    with browser.served(installed) as url, browser.window(installed, url) as window:
        page = window.page
        window.open("/run")
        for scheme, size in (("dark", DESK), ("light", PHONE), ("light", DESK)):
            page.emulate_media(color_scheme=scheme)
            page.set_viewport_size(size)
            assert window.sideways <= 0
        page.get_by_role("textbox", name="Script", exact=True).fill(SCRIPT)
        page.get_by_role("textbox", name="Targets").fill("n*")
        page.wait_for_selector(f"#targets strong:has-text('{NUMBER} instances')")
        page.get_by_role("textbox", name="Every").fill("5m")
        page.wait_for_selector("ol.due li >> nth=4")
        page.get_by_role("radio", name="Now").check()
        page.get_by_role("button", name="Preview").last.click()
        page.wait_for_selector("text=nothing runs yet")
        assert "assist run -i 'n*'" in page.locator(".cli code").inner_text()
        page.get_by_role("button", name="Run on").click()
        assert page.url.endswith("/run/preview")  # the number is not typed yet
        page.get_by_role("button", name="Change").click()
        assert page.get_by_role("textbox", name="Script", exact=True).input_value() == SCRIPT
        for _ in range(2):
            page.go_back()  # to the preview, and to the form
        assert page.get_by_role("textbox", name="Script", exact=True).input_value() == SCRIPT
        page.wait_for_selector(f"#targets strong:has-text('{NUMBER} instances')")
        page.get_by_role("button", name="Preview").last.click()
        page.get_by_label("the number of instances").fill(str(NUMBER))
        page.get_by_role("button", name="Run on").dblclick()
        found = invocation(installed, window)
        places = found["InvokeInstances"]
        assert isinstance(places, list)
        assert found["CommandContent"] == SCRIPT
        assert {(each["InvocationStatus"], each["ExitCode"], each["Output"]) for each in places} == {
            ("Finished", 0, "1\na\nb\n")
        }
        assert len(places) == NUMBER
        assert not [each for each in window.problems if "404" not in each]
    with open_controller(Home(home)) as controller:
        ran = [each for each in audit.entries(controller, since=None, limit=99) if each.action == "invocation.run"]
    assert len(ran) == 1
    assert "by the console" in ran[0].actor.origin


def test_a_command_runs_without_javascript(installed: Program, fleet: Fleet):
    installed("command", "create", "greet", "-c", "echo {{who|sh}}; sleep {{time}}", "--enable-parameters")
    with browser.served(installed) as url, browser.window(installed, url) as window:
        context = window.page.context.browser.new_context(java_script_enabled=False)  # type: ignore[union-attr]
        page = context.new_page()
        page.goto(installed("console", "open").stdout.decode().strip())
        page.goto(f"{url}/run")
        page.get_by_role("button", name="Saved command").click()
        page.get_by_role("combobox", name="Command").select_option("greet")
        page.get_by_role("button", name="Show its parameters").click()
        page.get_by_role("textbox", name="who").fill("it's me")
        page.get_by_role("textbox", name="time", exact=True).fill("0")
        page.get_by_role("textbox", name="Targets").fill("n[01-03]")
        page.locator("form.steps > button:not(.default)").click()
        assert "echo 'it'\"'\"'s me'; sleep 0" in page.locator(".script").inner_text()
        page.get_by_role("button", name="Run on").click()
        found = invocation(installed, Window(page, url))
        places = found["InvokeInstances"]
        assert isinstance(places, list)
        assert [each["Output"] for each in places] == ["it's me\n"] * 3


def test_a_run_survives_the_server(installed: Program, tmp_path: Path, fleet: Fleet):
    begun, go = tmp_path / "begun", tmp_path / "go"
    os.mkfifo(begun)
    script = f"echo begun | tee {begun}; while [ ! -e {go} ]; do sleep 0.05; done; echo over"
    server = installed.start("serve", "--web", "127.0.0.1:0")
    assert server.stderr is not None
    url = next(found[1].decode() for line in server.stderr if (found := re.search(rb"the console is at (\S+)", line)))
    with browser.window(installed, url) as window:
        page = window.page
        window.open("/run?on=n01,n02")
        page.get_by_role("textbox", name="Script", exact=True).fill(script)
        page.get_by_role("button", name="Preview").last.click()
        page.get_by_role("button", name="Run on").click()
        page.wait_for_url("**/invocations/t-*")
        invoke_id = page.url.rpartition("/")[2]
    with begun.open("r+b", 0) as pipe:  # also open for writing: it does not end between two scripts
        heard = b""
        while len(heard) < len(b"begun\n") * 2:
            heard += pipe.read(100)
    server.kill()
    server.communicate()
    go.touch()
    with browser.served(installed):
        assert installed("invocation", "wait", invoke_id).returncode == 0
    found = json.loads(installed("invocation", "show", invoke_id, "-o", "json").stdout)
    assert [each["Output"] for each in found["InvokeInstances"]] == ["begun\nover\n"] * 2


def test_waves_and_the_queue(installed: Program, home: Path, fleet: Fleet):
    """A failed canary stops the launching, and a record for an instance that is away is queued."""
    with open_controller(Home(home)) as controller, controller.database.transaction() as transaction:
        away = Instance(f"i-{1:026}", "away", "tls:127.0.0.1:1", controller.now())
        instances.register(transaction, away)
    with browser.served(installed) as url, browser.window(installed, url) as window:
        page = window.page
        for query in (
            "on=n0[1-5]&canary=1&batch=2&max_errors=0&script=exit+3",
            "on=n01,away&queue=1h&script=echo+here",
        ):
            window.open(f"/run?{query}")
            page.get_by_role("button", name="Preview").last.click()
            page.get_by_role("button", name="Run on").click()
            page.wait_for_url("**/invocations/t-*")
        newest = page.url.rpartition("/")[2]
        assert installed("invocation", "wait", newest, "--wait", "30s").returncode == 75
        (queued,) = json.loads(installed("queue", "list", "-o", "json").stdout)
        assert (queued["InstanceName"], queued["InvokeId"]) == ("away", newest)
        listed = json.loads(installed("invocation", "list", "-o", "json").stdout)
    assert listed[1]["Counts"] == {"Finished": 1, "Stopped": 4}
