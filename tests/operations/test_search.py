"""Search, comparison and pruning of the history."""

from __future__ import annotations

import os
import threading
from datetime import timedelta
from pathlib import Path

import pytest

from assist_cli.errors import Conflict, InvalidParameter, NotFound
from assist_cli.model import phrase
from assist_cli.model.instance import Instance
from assist_cli.model.invocation import Hit, Outcome, RepeatMode
from assist_cli.model.output import Output
from assist_cli.model.status import InvocationStatus, InvokeStatus
from assist_cli.model.target import Selection
from assist_cli.operations.controller import Controller
from assist_cli.operations.history import audit, history, prune, search
from assist_cli.operations.history.compare import compare
from assist_cli.operations.runs import recording
from assist_cli.operations.server import cleaner
from assist_cli.store import checkup, listing
from assist_cli.store import search as index
from tests.operations.conftest import Clock
from tests.support import past

DAY = timedelta(days=1)


@pytest.fixture
def web(controller: Controller) -> list[Instance]:
    return past.register(controller.database, ["web1", "web2", "web3"], controller.now())


def run(controller: Controller, where: list[Instance], texts: list[str | None], **settings: object) -> str:
    """Return the id of a run that printed these; None is a run in progress."""
    outcomes = [None if text is None else past.finished(text, at=controller.now()) for text in texts]
    invocation = past.invocation_on(where, controller.now(), **settings)
    return past.write(controller.database, invocation, outcomes).id


def found(controller: Controller, text: str, **conditions: object) -> list[tuple[str, str | None]]:
    return [(hit.invocation_id, hit.instance_name) for hit in search.search(controller, text, **conditions)]  # type: ignore[arg-type]


def test_words_are_found_in_order_with_anything_between(controller: Controller, web: list[Instance]) -> None:
    told = run(controller, web, ["write: No space\n left on /dev/sda1\n", "left no space", "space"])
    assert found(controller, "no SPACE left") == [(told, "web1")]
    assert found(controller, "/dev/sda1") == [(told, "web1")]
    assert found(controller, "dev sd*") == [(told, "web1")]
    assert found(controller, "dev sd") == []
    assert found(controller, 'no "space" AND left') == []
    (hit,) = search.search(controller, "sda1")
    assert hit == Hit(
        told, hit.record_id, web[0].id, "web1", None, controller.now(), "write: No space\n left on /dev/sda1\n"
    )


def test_scripts_and_names_are_found_and_no_secret_is(controller: Controller, web: list[Instance]) -> None:
    named = run(controller, web[:2], ["x", "y"], command_name="restart-all", content=b"systemctl restart nginx")
    for text in ("restart all", "nginx", "web2"):
        assert found(controller, text) == [(named, None)]
    (hit,) = search.search(controller, "nginx")
    assert (hit.record_id, hit.command_name, hit.snippet) == (None, "restart-all", "systemctl restart nginx")


def test_a_part_of_the_hits_of_some_instances_without_names(controller: Controller, web: list[Instance]) -> None:
    run(controller, web[:2], ["needle one", "needle two"], content=b"echo needle web3")
    words = phrase.parse("needle")
    every = search.search(controller, "needle")
    assert search.recall(controller, words, None, limit=2) == every[:2]
    assert search.recall(controller, words, None, limit=2, offset=2) == every[2:]
    seen = search.recall(controller, words, {web[1].id}, limit=9)
    assert {hit.snippet for hit in seen} == {"needle two", "echo needle web3"}
    assert search.recall(controller, phrase.parse("web1"), {web[1].id}, limit=9) == []
    assert len(search.recall(controller, phrase.parse("web1"), None, limit=9)) == 1


def test_the_parts_of_a_snippet() -> None:
    assert phrase.parse("no space").parts("a No  Space, no space") == [
        ("a ", False),
        ("No  Space", True),
        (", ", False),
        ("no space", True),
        ("", False),
    ]
    assert phrase.parse("spa*").parts("space") == [("", False), ("spa", True), ("ce", False)]
    assert phrase.parse("x").parts("nothing") == [("nothing", False)]


def test_the_newest_are_first_and_the_limit_holds(controller: Controller, web: list[Instance], clock: Clock) -> None:
    runs = []
    for _ in range(4):
        clock.forward(86_400)
        runs.insert(0, run(controller, web[:2], ["a needle", "hay"], content=b"echo needle"))
    assert [each for each, _ in found(controller, "needle", limit=3)] == [runs[0], runs[0], runs[1]]
    assert len(found(controller, "needle")) == 8
    assert {each for each, _ in found(controller, "needle", since=clock.moment - 1.5 * DAY)} == set(runs[:2])
    assert found(controller, "needle", since=clock.moment + DAY) == []
    assert [name for _, name in found(controller, "needle", where=Selection(("web2",)))] == [None] * 4
    assert found(controller, "needle", where=Selection(("web3",))) == []
    with pytest.raises(NotFound):
        search.search(controller, "needle", where=Selection(("db1",)))


@pytest.mark.parametrize("text", ["", "*", "!!!", '"', " - "])
def test_a_search_without_a_word_is_refused(controller: Controller, text: str) -> None:
    with pytest.raises(InvalidParameter, match="it has no word"):
        search.search(controller, text)


def test_any_bytes_may_be_searched(controller: Controller, web: list[Instance]) -> None:
    """Binary output and broken UTF-8 go in and come out, and every document is indexed in bounded steps."""
    text = "grün \N{SNOWMAN} \udcff\x00 tail\n"
    invocation = past.invocation_on(web[:1], controller.now())
    outcome = past.finished("x", at=controller.now())
    data = text.encode("utf-8", "surrogateescape") * 100_000
    output = type(outcome.output)(data[: 1024 * 1024], (1024 * 1024,))
    past.write(controller.database, invocation, [type(outcome)(outcome.status, 0, output=output)])
    assert found(controller, "grun") == found(controller, "tail") == [(invocation.id, "web1")]
    assert "�" in search.search(controller, "tail", limit=1)[0].snippet
    assert index.behind(controller.database) == 0


def test_one_transaction_indexes_a_bounded_share(controller: Controller, web: list[Instance]) -> None:
    run(controller, web, ["one", "two", "three"])
    taken = []
    while not taken or taken[-1]:
        with controller.database.transaction() as transaction:
            taken.append(index.index_some(transaction, most=6))
    assert taken == [2, 1, 1, 0]


def test_diff_shows_instances_with_a_new_answer(controller: Controller, web: list[Instance], clock: Clock) -> None:
    same = {"command_id": "c-1", "content": b"check"}
    old = run(controller, web, ["ok 1\n", "ok 2\n", "fine\n"], **same)
    clock.forward(60)
    more = past.register(controller.database, ["web4"], controller.now())
    now = controller.now()
    new = past.invocation_on([*web[:3], *more], now, **same)
    outcomes = [
        past.finished("bad 1\n", 3, at=now),
        past.finished("bad 2\n", 3, at=now),
        past.finished("fine\n", at=now),
    ]
    past.write(controller.database, new, [*outcomes, None])
    told = compare(controller, old, new.id)
    assert told.same == ("web3",)
    assert (told.only_before, told.only_after, told.not_over) == ((), ("web4",), ())
    assert [each.names for each in told.differences] == [("web1",), ("web2",)]
    assert told.differences[0].stdout == ("--- stdout before", "+++ stdout after", "@@ -1 +1 @@", "-ok 1", "+bad 1")
    assert told.differences[0].before.exit_code == 0
    assert told.differences[0].after.ending[1:] == (3, "ExitCodeNonzero")
    assert compare(controller, old, old).differences == ()
    with pytest.raises(Conflict) as refused:
        compare(controller, old, run(controller, web, ["", "", ""], content=b"another"))
    assert refused.value.code == "DifferentCommands"


def test_equal_changes_are_grouped(controller: Controller, web: list[Instance]) -> None:
    """Also where the rest of the output differs, and contains the id of the record."""
    before = [f"{name}\nstate: on\n" for name in ("a", "a", "b")]
    after = [f"{name}\nstate: off\n" for name in ("a", "a", "b")]
    told = compare(controller, run(controller, web, before), run(controller, web, after))
    assert [each.names for each in told.differences] == [("web1", "web2"), ("web3",)]


def test_a_change_with_missing_bytes_is_shown_alone(controller: Controller, web: list[Instance]) -> None:
    old = run(controller, web, ["on\n"] * 3)
    new = past.invocation_on(web, controller.now())
    part = Outcome(InvocationStatus.FINISHED, 0, output=Output(b"off\n", (4,), cut=4, dropped=9))
    past.write(controller.database, new, [part, part, past.finished("off\n", at=controller.now())])
    told = compare(controller, old, new.id)
    assert [each.names for each in told.differences] == [("web1",), ("web2",), ("web3",)]


def test_prune_deletes_old_invocations_and_keeps_open_ones(
    controller: Controller, web: list[Instance], clock: Clock
) -> None:
    old = run(controller, web, ["old needle"] * 3)
    going_on = run(controller, web[:1], [None], content=b"open needle")
    clock.forward(86_400)
    new = run(controller, web, ["new needle"] * 3)
    search.catch_up(controller)
    what = prune.limit(controller, older_than=timedelta(hours=12))
    assert prune.count(controller, what) == (1, 3)
    done = prune.prune_history(controller, what)
    assert (done.invocations, done.records) == (1, 3)
    assert prune.prune_history(controller, what).invocations == 0
    assert recording.recall(controller, going_on).status is InvokeStatus.RUNNING
    assert {each for each, _ in found(controller, "needle")} == {going_on, new}
    with pytest.raises(NotFound):
        recording.recall(controller, old)
    assert checkup.faults(controller.database) == []
    assert checkup.disagreements(controller.database) == []
    (line,) = [each for each in audit.entries(controller, since=None, limit=None) if each.action == "invocation.prune"]
    assert line.detail == "1 invocation, 3 records: ended before 2026-11-22 20:00:00 UTC"


def test_the_newest_are_kept(controller: Controller, web: list[Instance], clock: Clock) -> None:
    runs = []
    for text in ("one", "two", None, "three"):
        clock.forward(1)
        runs.append(run(controller, web[:1], [text]))
    done = prune.prune_history(controller, prune.limit(controller, keep=1))
    assert (done.invocations, done.records) == (2, 2)
    assert [each.invocation.id for each in listing.summaries(controller.database, None)] == [runs[3], runs[2]]
    assert prune.prune_history(controller, prune.limit(controller, keep=0)).invocations == 1
    assert [each.invocation.id for each in listing.summaries(controller.database, None)] == [runs[2]]


def test_the_server_prunes_after_half_a_year(controller: Controller, web: list[Instance], clock: Clock) -> None:
    run(controller, web, ["old"] * 3)
    for days, left in ((179, 1), (2, 0)):
        clock.forward(days * 86_400)
        cleaner.prune_history(controller, threading.Event())
        assert len(listing.summaries(controller.database, None)) == left


def test_prune_deletes_old_records_of_a_periodic_invocation(
    controller: Controller, web: list[Instance], clock: Clock
) -> None:
    again = {"repeat_mode": RepeatMode.PERIOD, "frequency": "rate(1h)"}
    periodic = run(controller, web[:1], ["first"], **again)
    with controller.database.transaction() as transaction:
        transaction.execute("UPDATE invocation_instances SET status = 'Running', repeats = 2")
        transaction.execute("UPDATE invocations SET status = 'Running', finished_at = NULL")
        transaction.execute(
            """
            INSERT INTO records (id, invocation_id, instance_id, number, status, sender, deadline_at, finished_at)
            SELECT 'r-2', invocation_id, instance_id, 2, status, sender, deadline_at, finished_at FROM records
            """
        )
    clock.forward(86_400)
    done = prune.prune_history(controller, prune.limit(controller, older_than=timedelta(hours=1)))
    assert (done.invocations, done.records) == (0, 1)
    assert [place.record.id for place in history.results(controller, periodic, every=True)] == ["r-2"]


@pytest.mark.long
def test_the_file_shrinks_while_others_write(controller: Controller, web: list[Instance], clock: Clock) -> None:
    for _ in range(300):
        run(controller, web, [os.urandom(4000).hex()] * 3)
    search.catch_up(controller)
    controller.database.query("PRAGMA wal_checkpoint(TRUNCATE)")
    path = Path(controller.home.database)
    before = path.stat().st_size
    clock.forward(86_400)
    last = run(controller, web, ["kept"] * 3)
    done = prune.prune_history(controller, prune.limit(controller, older_than=timedelta(hours=1)))
    assert done.invocations == 300
    assert path.stat().st_size < before / 4
    assert done.freed > before / 2
    assert found(controller, "kept") == [(last, "web3"), (last, "web2"), (last, "web1")]
    assert checkup.faults(controller.database) == []
    with controller.database.transaction() as transaction:
        transaction.execute("INSERT INTO output_words (output_words) VALUES ('integrity-check')")
        transaction.execute("INSERT INTO invocation_words (invocation_words) VALUES ('integrity-check')")
