"""The pages of invocations: lists and filters, groups, outputs, changes; and what a scope hides of them."""

from __future__ import annotations

import html
import re

import pytest

from assist_cli.model.access import Role
from assist_cli.model.invocation import Invocation, Outcome
from assist_cli.model.output import Output
from assist_cli.model.status import InvocationStatus
from assist_cli.operations.fleet import instances
from assist_cli.operations.history import audit
from assist_cli.operations.runs import recording
from tests.support import past
from tests.support.console import DB, WEB, Browser, Console
from tests.support.past import finished


def ran(console: Console, *outcomes: Outcome | None, **settings: object) -> Invocation:
    """An invocation on web1, and with two outcomes on db1 too."""
    where = [instances.get(console.controller, each) for each in (WEB, DB)[: len(outcomes)]]
    invocation = past.invocation_on(where, console.controller.now(), **settings)
    return past.write(console.controller.database, invocation, outcomes)


def rows(browser: Browser, query: str = "") -> list[str]:
    return re.findall(r'class="row" href="/invocations/([^"]+)"', browser.get(f"/invocations{query}").text)


def record_of(invocation: Invocation, position: int = 0) -> str:
    return invocation.instances[position].record.id


def test_the_list_and_its_filters(console: Console):
    good = ran(console, finished("ok"))
    bad = ran(console, finished("no", 3), finished("ok"))
    browser = console.owner()
    assert rows(browser)[:2] == [bad.id, good.id]
    assert good.id not in rows(browser, "?unsuccessful=1")
    assert rows(browser, "?unsuccessful=1")[0] == bad.id
    assert rows(browser, "?on=db1")[0] == bad.id
    assert good.id not in rows(browser, "?on=db1")
    assert rows(browser, "?state=Failed") == []
    assert rows(browser, "?since=1h")[0] == bad.id
    assert bad.id not in rows(browser, f"?after={bad.id}")
    assert (
        "assist invocation list --status Failed -i db1 --unsuccessful"
        in browser.get("/invocations?state=Failed&on=db1&unsuccessful=1").text
    )


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("state=Broken", "as a state"),
        ("since=90", "has no unit"),
        ("on=nothing", "cannot find an instance"),
        ("on=file:/etc/passwd", "file:"),
        ("command=nothing", "cannot find a command"),
    ],
)
def test_a_wrong_filter_is_an_error_on_the_page(console: Console, query: str, said: str):
    answer = console.owner().get(f"/invocations?{query}")
    assert said in answer.text
    assert "root:" not in answer.text
    assert f'value="{query.partition("=")[2]}"' in answer.text or query.startswith("state")


def test_a_page_shows_the_odd_ones_first_and_open(console: Console):
    invocation = ran(console, finished("active\n"), finished("inactive\n", 3))
    text = console.owner().get(f"/invocations/{invocation.id}").text
    groups = re.findall(r'<details class="group (\w+)" id="\S+" data-key="([^"]+)"( open)?>', text)
    assert groups == [("odd", record_of(invocation, 1), " open"), ("good", record_of(invocation), "")]
    assert "1 succeeded · 1 failed" in re.sub(r"<[^>]+>", "", text)
    assert f'id="{record_of(invocation, 1)}.L1"' in text
    assert '<span class="preview">active</span>' in text


def test_equal_outputs_are_one_group(console: Console):
    invocation = ran(console, finished("same\n"), finished("same\n"))
    text = console.owner().get(f"/invocations/{invocation.id}").text
    assert text.count('<details class="group') == 1
    assert text.count("same</span>") == 2  # the preview and the line


def test_output_is_no_markup_and_has_its_gap_in_words(console: Console):
    data = b"<script>alert(1)</script>\n\x1b[31mred\x1b[0m\n"
    output = Output(data, (len(data),), cut=26, dropped=1234)
    invocation = ran(console, finished()._replace(output=output), content=b"echo '<img src=x onerror=alert(1)>'")
    browser = console.owner()
    for path in ("", f"/records/{record_of(invocation)}", "/diff", "/stop", "/compare?a=web1&b=%3Cscript%3E"):
        text = browser.get(f"/invocations/{invocation.id}{path}").text
        assert "<script>" not in text
        assert "<img src=x" not in text
    text = browser.get(f"/invocations/{invocation.id}/records/{record_of(invocation)}").text
    assert '<span class="fg-red">red</span>' in text
    assert '<p class="gap">… 1,234 bytes are missing here …</p>' in text


def test_the_raw_output_is_text(console: Console):
    invocation = ran(console, Outcome(InvocationStatus.FINISHED, 0, output=Output(b"<b>\nerr\n", (4, 4))))
    browser = console.owner()
    path = f"/invocations/{invocation.id}/records/{record_of(invocation)}/output"
    answer = browser.get(path)
    assert answer.text == "<b>\nerr\n"
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert browser.get(f"{path}?stream=stderr").text == "err\n"
    assert browser.get(f"{path}?stream=x").status_code == 400
    assert browser.get(f"{path}?full=1").text == "<b>\nerr\n"
    assert browser.get(f"{path}?download=1").headers["content-disposition"] == (
        f"attachment; filename*=UTF-8''web1-{record_of(invocation)}.txt"
    )


def test_a_full_output_whose_agent_is_away_is_that_of_the_history(console: Console):
    invocation = ran(console, Outcome(InvocationStatus.FINISHED, 0, output=Output(b"a\nb\n", (4,), cut=2, dropped=9)))
    answer = console.owner().get(f"/invocations/{invocation.id}/records/{record_of(invocation)}/output?full=1")
    assert answer.text == "a\n\n… 9 bytes are missing here …\nb\n"


def test_a_scope_hides_records_and_invocations(console: Console):
    both = ran(console, finished("from web1"), finished("from db1 only"))
    hidden = past.write(
        console.controller.database,
        past.invocation_on([instances.get(console.controller, DB)], console.controller.now()),
        [finished("hidden text")],
    )
    browser = console.logged_in(Role.OPERATOR, "@role=web")
    assert both.id in rows(browser)
    assert hidden.id not in rows(browser)
    text = browser.get(f"/invocations/{both.id}").text
    assert "from web1" in text
    assert "db1" not in text
    paths = [f"/invocations/{hidden.id}{path}" for path in ("", "?part=1", "/stream", "/diff", "/compare", "/stop")]
    paths += [f"/invocations/{each.id}/records/{record_of(each, -1)}" for each in (both, hidden)]
    paths += [f"{path}/output" for path in paths[-2:]]
    paths += [f"/invocations/{both.id}/stream?record={record_of(both, 1)}"]
    paths += [f"/invocations/{both.id}/records/{record_of(hidden)}"]
    for path in paths:
        answer = browser.get(path)
        assert answer.status_code == 404, path
        assert "hidden text" not in answer.text
        assert "db1 only" not in answer.text
    assert browser.post(f"/invocations/{hidden.id}/stop").status_code == 404
    said = browser.get(f"/invocations/{both.id}/diff?with={hidden.id}").text
    assert "cannot find an invocation" in said
    assert "hidden text" not in said
    assert "cannot find the instance" in browser.get(f"/invocations/{both.id}/compare?a=web1&b=db1").text
    assert "cannot find an instance" in browser.get("/invocations?on=db1").text


def test_a_stop_asks_first_and_stops_only_the_scope(console: Console):
    invocation = ran(console, None, None)
    browser = console.logged_in(Role.OPERATOR, "@role=web")
    assert "Stop this invocation?" in browser.get(f"/invocations/{invocation.id}/stop").text
    assert browser.post(f"/invocations/{invocation.id}/stop").headers["location"] == f"/invocations/{invocation.id}"
    after = recording.recall(console.controller, invocation.id)
    assert {each.instance_name: each.status.value for each in after.instances} == {"web1": "Stopping", "db1": "Running"}
    newest = audit.entries(console.controller, since=None, limit=1)[0]
    assert (newest.action, newest.subject) == ("invocation.stop", invocation.id)
    assert "by the console" in str(newest.actor)


def test_a_record_that_is_still_to_be_sent_has_a_place_for_its_output(console: Console):
    invocation = ran(console, None)
    text = console.owner().get(f"/invocations/{invocation.id}").text
    assert f'data-record="{record_of(invocation)}" data-offset="0"' in text
    assert f'data-stream="/invocations/{invocation.id}/stream"' in text
    assert ">Refresh</a>" in text


def test_a_viewer_sees_no_button_that_would_be_refused(console: Console):
    invocation = ran(console, finished("", 1))
    text = console.logged_in(Role.VIEWER).get(f"/invocations/{invocation.id}").text
    assert "Rerun" not in text
    assert "Diff with" in text


def test_a_run_that_has_ended_leads_to_its_reruns(console: Console):
    invocation = ran(console, finished("", 1), finished("ok"))
    browser = console.owner()
    text = browser.get(f"/invocations/{invocation.id}").text
    for which, number in (("", "1 instance"), ("&amp;which=all", "2 instances")):
        path = f"/run?rerun={invocation.id}{which}"
        assert f'href="{path}"' in text
        chosen = re.search(
            r'name="which" value="(\w+)" checked> [^:]*: ([^<]*?) ?<', browser.get(html.unescape(path)).text
        )
        assert chosen is not None
        assert chosen[2] == number
    assert "Rerun" not in browser.get(f"/invocations/{ran(console, None).id}").text


def test_a_diff_and_a_comparison(console: Console):
    before = ran(console, finished("one\n"), content=b"same script")
    after = ran(console, finished("two\n"), finished("three\n"), content=b"same script")
    browser = console.owner()
    choice = browser.get(f"/invocations/{after.id}/diff").text
    assert f"?with={before.id}" in choice
    text = browser.get(f"/invocations/{after.id}/diff?with={before.id}").text
    assert "-one" in text
    assert "+two" in text
    assert "Only in this one: db1" in text
    text = browser.get(f"/invocations/{after.id}/compare?a=web1&b=db1").text
    assert "-two" in text
    assert "+three" in text


def test_an_unknown_invocation(console: Console):
    browser = console.owner()
    for path in ("t-nothing", "t-nothing/records/r-1", "-", "%3Cscript%3E"):
        answer = browser.get(f"/invocations/{path}")
        assert answer.status_code == 404
        assert "<script>" not in answer.text
