"""A new script for a periodic invocation: kept data, the search index, and deleted data."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from assist_cli.errors import Refused
from assist_cli.model.frequency import parse
from assist_cli.model.instance import Instance
from assist_cli.model.invocation import Filter, Invocation
from assist_cli.model.phrase import Phrase
from assist_cli.model.schedule import Timing
from assist_cli.model.secret import Secret
from assist_cli.operations.controller import Controller, open_controller
from assist_cli.operations.history import audit, history
from assist_cli.operations.runs import recording
from assist_cli.operations.runs.plans import RunRequest
from assist_cli.operations.server import schedules
from assist_cli.operations.server.scripts import Script
from assist_cli.paths import Home
from assist_cli.store import instances, listing, search
from assist_cli.store.prune import Batch, delete

AWAY = Instance(f"i-{1:026}", "away", "tls:127.0.0.1:1", created=None, os_type="linux")  # type: ignore[arg-type]


@pytest.fixture
def controller(home: Path) -> Iterator[Controller]:
    with open_controller(Home(home)) as opened:
        with opened.database.transaction() as transaction:
            instances.register(transaction, AWAY._replace(created=opened.now()))
        yield opened


def started(controller: Controller, content: str, **values: str | Secret) -> Invocation:
    timing = Timing(parse("rate(1h)", zone=None, now=controller.now()))
    request = RunRequest(content.encode(), parameters=values, targets=(AWAY._replace(created=controller.now()),))
    return recording.schedule(controller, request, timing)[0]


def changed(controller: Controller, found: Invocation, content: str, **values: str) -> Invocation:
    schedules.change(controller, found.id, None, (), Script(content.encode(), True, values))
    return recording.recall(controller, found.id, output=False)


def hits(controller: Controller, word: str) -> int:
    with controller.database.transaction() as transaction:
        while search.index_some(transaction):
            pass
        transaction.execute("INSERT INTO invocation_words (invocation_words) VALUES ('integrity-check')")
    return len(search.search(controller.database, Phrase(word, open_end=False)))


def test_the_search_index_follows_the_script(controller: Controller) -> None:
    found = started(controller, "echo before {{a}}", a="1")
    assert (hits(controller, "before"), hits(controller, "after")) == (1, 0)
    changed(controller, found, "echo after {{a}}")
    assert (hits(controller, "before"), hits(controller, "after")) == (0, 1)
    with controller.database.transaction() as transaction:
        delete(transaction, Batch((found.id,), ()))
    assert hits(controller, "after") == 0
    assert controller.database.query("SELECT * FROM former_scripts") == []


def test_the_same_script_is_not_a_change(controller: Controller) -> None:
    found = started(controller, "echo {{a}}", a="1")
    assert changed(controller, found, "echo {{a}}", A="1") == recording.recall(controller, found.id, output=False)
    assert history.former(controller, found) == []
    other = changed(controller, found, "echo {{b}}", b="2")
    ((_, before),) = history.former(controller, other)
    assert (before.content, before.command_id, dict(before.parameters)) == (b"echo {{a}}", found.command_id, {"a": "1"})
    assert other.command_id != found.command_id
    (entry,) = (each for each in audit.entries(controller, since=None, limit=None) if each.action == "schedule.change")
    assert entry.detail == f"script {found.command_id} to {other.command_id}"


def test_it_is_listed_by_the_command_that_it_ran_before(controller: Controller) -> None:
    found = started(controller, "echo 1")
    other = changed(controller, found, "echo 2")
    for text in (found.command_id, other.command_id):
        wanted = Filter(command_ids=tuple(listing.commands_run(controller.database, text)))
        (summary,) = listing.summaries(controller.database, None, wanted)
        assert summary.invocation.id == found.id


def test_a_secret_keeps_its_reference(controller: Controller, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOKEN", "s3cret")
    found = started(controller, "echo {{token}}", token=Secret("s3cret", "env:TOKEN"))
    with pytest.raises(Refused):
        changed(controller, found, "echo {{token}}", token="other")
    after = changed(controller, found, "echo {{token}} {{a}}", a="1")
    assert isinstance(after.parameters["token"], Secret)
    assert after.parameters["a"] == "1"
    assert "s3cret" not in str(controller.database.query("SELECT * FROM former_scripts")[0]["parameters"])
