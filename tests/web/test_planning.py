"""Home, schedules, queue and search: what they show and change, and that nothing outside a scope is there."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import timedelta

import pytest

from assist_cli.model import frequency
from assist_cli.model.access import Role
from assist_cli.model.invocation import Invocation
from assist_cli.model.schedule import Slot, SlotOutcome, Timing
from assist_cli.model.status import InvocationStatus
from assist_cli.model.target import Selection
from assist_cli.operations.history import audit
from assist_cli.operations.runs import recording
from assist_cli.operations.runs.plans import RunRequest
from assist_cli.operations.server import schedules as planning
from assist_cli.store import instances, queue, records, slots
from assist_cli.web.templating import NAVIGATION
from tests.support import past
from tests.support.console import DB, WEB, Browser, Console

HOSTILE = "<script>alert(1)</script>\x1b[31m"


@dataclass(frozen=True)
class Plans:
    """Schedules, queued records and outputs on ``web1``, on ``db1``, and on both."""

    web: str
    db: str
    both: str
    queued: tuple[str, str]  # records on web1 and db1
    printed: tuple[str, str]  # invocations on web1 and on both


@pytest.fixture(scope="module")
def plans(console: Console) -> Plans:
    controller, now = console.controller, console.controller.now()

    def schedule(*names: str, text: str = "0 30 2 * * *") -> str:
        timing = Timing(frequency.parse(text, zone="Europe/Berlin", now=now))
        request = RunRequest(b"echo planned", targets=Selection(names))
        return recording.schedule(controller, request, timing)[0].id

    def waiting(name: str) -> str:
        request = RunRequest(f"echo late-{name}".encode(), targets=Selection((name,)))
        with recording.recorded(controller, request, wait=timedelta(days=1)) as invocation:
            pass
        record = invocation.instances[0].record.id
        with controller.database.transaction() as transaction:
            queue.put(transaction, record, now, f"cannot reach {name}")
        return record

    def printed(ids: list[str], texts: list[str]) -> str:
        known = [found for each in ids for found in instances.by_ids(controller.database, [each])]
        made: Invocation = past.invocation_on(known, now, content=b"echo shared-script")
        return past.write(controller.database, made, [past.finished(text, 3, at=now) for text in texts]).id

    made = Plans(
        schedule("web1"),
        schedule("db1"),
        schedule("web1", "db1", text="rate(1h)"),
        (waiting("web1"), waiting("db1")),
        (printed([WEB], [f"No space left {HOSTILE}"]), printed([WEB, DB], ["No space on web", "secretword on db"])),
    )
    with controller.database.transaction() as transaction:
        for number, (place, outcome) in enumerate(
            [(WEB, SlotOutcome.RAN), (DB, SlotOutcome.NOT_DELIVERED), (WEB, SlotOutcome.LATE)]
        ):
            due = now - timedelta(hours=3 - number)
            slots.add(transaction, made.both, [Slot(place, due, outcome, timedelta(seconds=number))])
    return made


PATHS = ("/", "/?check=1", "/schedules", "/schedules?ended=1", "/queue", "/search", "/search?q=shared")


@pytest.mark.parametrize("path", [*PATHS, "a schedule"])
def test_a_page_has_only_files_of_this_server(console: Console, plans: Plans, path: str):
    answer = console.owner().get(f"/schedules/{plans.both}" if path == "a schedule" else path)
    assert answer.status_code == 200
    assert not re.search(r"<style|\sstyle=|\son\w+=|<script(?! src=\"/static/)|https?://|undefined", answer.text)


def test_the_bar_has_what_the_role_may_open(console: Console):
    for browser, hidden in ((console.owner(), set()), (console.logged_in(Role.VIEWER), {"/audit", "/run"})):
        text = browser.get("/").text
        shown = {href for _, href, key in NAVIGATION if f'<a href="{href}" data-key="{key}"' in text}
        assert shown == {href for _, href, _ in NAVIGATION} - hidden
        assert 'action="/search"' in text
        assert "data-find" in text


def test_home_answers_three_questions(console: Console, plans: Plans):
    text = console.owner().get("/").text
    assert "the server is not running, so no schedule will fire" in text  # no server in this test
    assert "no answer at the last attempt: db1,web1 (2)" in text
    assert f'href="/invocations/{plans.printed[0]}"' in text
    assert "<strong>exit 3</strong> on db1,web1" in text
    assert f'href="/schedules/{plans.web}"' in text
    assert "echo late-db1" in text  # it is open


def test_home_shows_nothing_outside_a_scope(console: Console, plans: Plans):
    text = console.logged_in(Role.ADMIN, "@role=web").get("/").text
    assert "no answer at the last attempt: web1<" in text
    assert "<strong>exit 3</strong> on web1," in text
    assert f'href="/schedules/{plans.both}"' in text
    for hidden in ("db1", DB, plans.db, "secretword"):
        assert hidden not in text


def test_home_queries_agents_only_if_asked(console: Console):
    browser = console.owner()
    assert "offline" not in re.sub(r"<nav.*?</nav>", "", browser.get("/").text)
    text = browser.get("/?check=1").text
    assert "2 of 2 agents offline" in text


def test_schedules_in_a_list(console: Console, plans: Plans):
    browser = console.owner()
    text = browser.get("/schedules").text
    for each in (plans.web, plans.db, plans.both):
        assert f'href="/schedules/{each}"' in text
    assert "Scheduled" in text
    assert "0 30 2 * * * Europe/Berlin" in text
    scoped = console.logged_in(Role.OPERATOR, "@role=web").get("/schedules").text
    assert plans.web in scoped
    assert plans.both in scoped
    assert plans.db not in scoped
    assert "db1" not in scoped


def test_a_schedule_has_its_next_times_and_slots(console: Console, plans: Plans):
    text = console.owner().get(f"/schedules/{plans.web}").text
    firings = re.findall(r"\d{4}-\d\d-\d\d 0[123]:\d\d:\d\d [+]\d{4}", text)
    assert len(firings) == 20
    assert "assist schedule preview &#39;0 30 2 * * * Europe/Berlin&#39;" in text
    assert "No due time has passed yet." in text
    text = console.owner().get(f"/schedules/{plans.both}").text
    strip = re.search(r'<ol class="strip".*?</ol>', text, re.DOTALL)
    assert strip is not None
    assert re.findall(r"</span>(Ran|Late|NotDelivered)</span>", strip[0]) == ["Late", "NotDelivered", "Ran"]
    assert 'href="#s-' in strip[0]
    scoped = console.logged_in(Role.OPERATOR, "@role=web").get(f"/schedules/{plans.both}").text
    assert "NotDelivered" not in scoped
    assert DB not in scoped
    assert "outside your scope" in scoped


def test_a_clock_change_is_noted(console: Console):
    controller, now = console.controller, console.controller.now()
    made = Timing(frequency.parse("0 30 2 * 3 0 Europe/Berlin", zone="UTC", now=now))
    id = recording.schedule(controller, RunRequest(b"true", targets=Selection(("web1",))), made)[0].id
    assert "clock goes ahead 02:00-03:00" in console.owner().get(f"/schedules/{id}").text


def test_pause_resume_and_stop(console: Console, plans: Plans):
    controller = console.controller
    made = Timing(frequency.every(3600))
    id = recording.schedule(controller, RunRequest(b"true", targets=Selection(("web1",))), made)[0].id
    browser = console.logged_in(Role.OPERATOR, "@role=web")
    for what, state in (("pause", "Paused"), ("resume", "Scheduled"), ("stop", "Stopped")):
        answer = browser.post(f"/schedules/{id}/{what}")
        assert (answer.status_code, answer.headers["location"]) == (303, f"/schedules/{id}")
        assert f"</span>{state}</span>" in browser.get(f"/schedules/{id}").text
        entry = audit.entries(controller, since=None, limit=1)[0]
        assert entry.actor.login.startswith("user operator-")
    assert planning.show(controller, id).schedule.next is None
    answer = browser.post(f"/schedules/{id}/pause")
    assert answer.status_code == 409
    assert "it was stopped, and does not run again" in answer.text
    assert id not in browser.get("/schedules").text
    assert id in browser.get("/schedules?ended=1").text


@pytest.mark.parametrize("what", ["pause", "resume", "stop"])
def test_a_schedule_outside_a_scope_stays(console: Console, plans: Plans, what: str):
    browser = console.logged_in(Role.OPERATOR, "@role=web")
    assert browser.get(f"/schedules/{plans.db}").status_code == 404
    unknown, hidden = browser.post(f"/schedules/t-1/{what}"), browser.post(f"/schedules/{plans.db}/{what}")
    assert (unknown.status_code, hidden.status_code) == (404, 404)
    assert unknown.text.replace("t-1", plans.db).partition("<main")[2] == hidden.text.partition("<main")[2]
    partly = browser.post(f"/schedules/{plans.both}/{what}")
    assert partly.status_code == 403
    assert "beyond the scope" in partly.text
    for each in (plans.db, plans.both):
        found = planning.show(console.controller, each)
        assert found.is_waiting
        assert found.state.text == "Scheduled"


def test_the_queue(console: Console, plans: Plans):
    on_web, on_db = plans.queued
    text = console.owner().get("/queue").text
    assert on_web in text
    assert on_db in text
    assert "cannot reach db1" in text
    assert (
        "checkbox" not in console.logged_in(Role.VIEWER).get("/queue").text.partition("<main")[2].partition("</main")[0]
    )
    browser = console.logged_in(Role.OPERATOR, "@role=web")
    text = browser.get("/queue").text
    assert on_web in text
    for hidden in (on_db, "db1", DB):
        assert hidden not in text
    assert browser.post("/queue/drop", record=on_db).status_code == 404
    assert browser.post("/queue/drop").status_code == 400
    assert records.get(console.controller.database, on_db).status is InvocationStatus.RUNNING  # type: ignore[union-attr]


def test_dropping_a_queued_record(console: Console, plans: Plans):
    request = RunRequest(b"true", targets=Selection(("web1",)))
    with recording.recorded(console.controller, request, wait=timedelta(days=1)) as invocation:
        record = invocation.instances[0].record.id
    with console.controller.database.transaction() as transaction:
        queue.put(transaction, record, console.controller.now(), "away")
    browser = console.logged_in(Role.OPERATOR, "@role=web")
    answer = browser.post("/queue/drop", record=record)
    assert (answer.status_code, answer.headers["location"]) == (303, "/queue?dropped=1")
    assert "Dropped: 1 record." in browser.get("/queue?dropped=1").text
    found = records.get(console.controller.database, record)
    assert found is not None
    assert found.status is InvocationStatus.STOPPING  # the server ends it
    assert record not in browser.get("/queue").text
    assert browser.post("/queue/drop", record=record).status_code == 404


def hits(browser: Browser, text: str) -> str:
    answer = browser.get(f"/search?q={text}")
    assert answer.status_code == 200
    return answer.text.partition("<main")[2].partition("</main")[0]


def test_search_marks_what_it_finds(console: Console, plans: Plans):
    text = hits(console.owner(), "no+space+left")
    assert "<mark>No space left</mark> &lt;script&gt;alert(1)&lt;/script&gt;\\x1b[31m" in text
    assert f'href="/invocations/{plans.printed[0]}#r-' in text
    assert "assist invocation search &#39;no space left&#39;" in text
    assert "No matches for &#39;zzz&#39;" in hits(console.owner(), "zzz")
    assert "it has no word" in hits(console.owner(), "--")
    assert "500 at most" in hits(console.owner(), "x" * 501)
    assert "<script>" not in hits(console.owner(), "%3Cscript%3E%22%3E")


def test_search_finds_nothing_outside_a_scope(console: Console, plans: Plans):
    browser = console.logged_in(Role.ADMIN, "@role=web")
    assert "<mark>secretword</mark>" in hits(console.owner(), "secretword")
    assert "No matches" in hits(browser, "secretword")
    assert "<mark>db1</mark>" in hits(console.owner(), "db1")
    for text in ("db1", "web1+db1"):  # names of instances beside its own
        assert "No matches" in hits(browser, text)
    found = hits(browser, "shared+script")
    assert found.count('<a class="row"') == 2
    assert "db1" not in found


def test_search_has_pages(console: Console, plans: Plans):
    controller, now = console.controller, console.controller.now()
    known = instances.by_ids(controller.database, [WEB])
    for number in range(52):
        made = past.invocation_on(known, now, content=f"echo pagedword {number}".encode())
        past.write(controller.database, made, [past.finished(at=now)])
    first = hits(console.owner(), "pagedword")
    assert first.count("<mark>") == 50
    assert 'href="?q=pagedword&amp;page=2" rel="next"' in first
    second = hits(console.owner(), "pagedword&page=2")
    assert second.count("<mark>") == 2
    assert 'href="?q=pagedword&amp;page=1" rel="prev"' in second
    assert not set(re.findall(r"pagedword</mark> (\d+)", first)) & set(re.findall(r"pagedword</mark> (\d+)", second))
