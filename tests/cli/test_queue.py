"""``--queue`` and ``assist queue``: what a user sees of records that wait for an instance that is away."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from assist_cli.model.instance import Instance
from assist_cli.operations.controller import open_controller
from assist_cli.operations.runs.senders import sender
from assist_cli.operations.server import lease
from assist_cli.paths import Home
from assist_cli.store import figures, instances
from tests.support.application import Application

KEYS = ["InvokeId", "RecordId", "InstanceId", "InstanceName", "Since", "DeliverBy", "LastTried", "Why"]
DOWN = (
    "The server is not running, so queued records are not delivered. Start it: assist serve, or assist service install"
)
TIME = r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d[+-]\d\d:\d\d"


@pytest.fixture
def away(home: Path, isolation: Path) -> Iterator[list[Instance]]:
    """Three instances; nobody listens at any of them."""
    now = datetime.now(timezone.utc)
    found = [Instance(f"i-{number:026}", f"n{number}", f"unix:{isolation}/{number}", now) for number in (1, 2, 3)]
    with open_controller(Home(home)) as controller:
        with controller.database.transaction() as transaction:
            for each in found:
                instances.register(transaction, each)
        yield found


def document(assist: Application, *words: str | Path) -> Any:
    return json.loads(assist(*words, "-o", "json").stdout)


def run(assist: Application, *words: str) -> str:
    """Run something that waits for ``n1``, or where ``words`` say so; its id."""
    done = assist("run", "--queue", "2d", "-o", "json", *(words or ("-i", "n1")), "--", "true")
    assert done.returncode == 75
    return str(json.loads(done.stdout)["InvokeId"])


def test_one_that_is_away_is_said_to_be_queued_until_when_and_why(assist: Application, away: list[Instance]) -> None:
    done = assist("run", "-i", "n1", "--queue", "2d", "--", "true")
    assert (done.returncode, done.stdout) == (75, b"")
    line, hint, down = done.stderr.decode().splitlines()
    why = f"cannot reach an agent at '{away[0].address.removeprefix('unix:')}'"
    assert re.match(f"n1: queued until {TIME}: {re.escape(why)}", line)
    assert (hint, down) == ("Queued: 1 record. To list the queue: assist queue list", DOWN)
    found = document(assist, "invocation", "show", "-")
    (place,) = found["InvokeInstances"]
    assert (found["InvokeStatus"], place["InvocationStatus"], place["ErrorCode"]) == ("Running", "Running", "")
    since, until = (datetime.fromisoformat(place[key].replace("Z", "+00:00")) for key in ("QueuedSince", "DeliverBy"))
    assert timedelta(days=2) - timedelta(seconds=2) <= until - since <= timedelta(days=2)
    (result,) = document(assist, "invocation", "results", "-")
    assert (result["QueuedSince"], result["DeliverBy"]) == (place["QueuedSince"], place["DeliverBy"])
    assert "Running, queued" in assist("invocation", "list").stdout.decode()
    shown = assist("invocation", "show", "-").stdout.decode()
    assert re.search(f"n1: queued since {TIME}, until {TIME}: {re.escape(why)}", shown)
    assert "queued until " in assist("invocation", "results", "-").stdout.decode()


def test_several_are_folded_and_counted(assist: Application, away: list[Instance]) -> None:
    done = assist("run", "--all", "--queue", "1h", "--gather", "--", "true")
    assert done.returncode == 75
    assert done.stdout.decode().splitlines()[0] == "--- n[1-3] (3): queued ---"
    assert done.stderr.decode().splitlines()[:2] == [
        "3 instances: 3 queued",
        "Queued: 3 records. To list the queue: assist queue list",
    ]
    assert "Running, 3 queued" in assist("invocation", "list").stdout.decode()
    lines = assist("run", "--all", "--queue", "1h", "--canary", "1", "--max-errors", "0", "--", "true")
    told = lines.stderr.decode().splitlines()
    assert [line.partition(" until")[0] for line in told[:3]] == ["n1: queued", "n2: queued", "n3: queued"]


def test_a_file_waits_too(assist: Application, away: list[Instance], isolation: Path) -> None:
    source = isolation / "app.conf"
    source.write_text("key = value\n")
    sent = assist("send", source, "-i", "n[1-2]", "--to", "/etc/app", "--queue", "1h", "-o", "json")
    assert sent.returncode == 75
    place = json.loads(sent.stdout)["InvokeInstances"][0]
    assert place["QueuedSince"] < place["DeliverBy"]
    shown = assist("file", "show", "-").stdout.decode()
    assert "    2  Running  queued  n[1-2]\n" in shown
    assert "queued: n[1-2]\n" in shown


def test_who_waits_or_watches_ends_when_only_queued_ones_are_left(assist: Application, away: list[Instance]) -> None:
    made = run(assist)
    for verb in ("wait", "watch"):
        done = assist("invocation", verb, made)
        assert done.returncode == 75
        assert b"queued" in done.stdout + done.stderr
        assert b"assist queue list" in done.stderr
    waited = assist("invocation", "wait", made, "--wait", "0.1")
    assert waited.returncode == 75
    assert b"error: cannot wait any longer" in waited.stderr
    assert assist("run", "-i", "n1", "--queue", "1h", "--wait", "0.1", "--", "true").returncode == 75


def test_detached_it_says_what_is_queued_and_returns(assist: Application, away: list[Instance]) -> None:
    done = assist("run", "-i", "n1", "--queue", "1h", "--detach", "--", "true")
    assert done.returncode == 0
    first, *rest = done.stderr.decode().splitlines()
    assert first.startswith("n1: queued until ")
    assert rest == ["Queued: 1 record. To list the queue: assist queue list", DOWN]


def test_a_server_that_runs_is_not_called_for(assist: Application, away: list[Instance], home: Path) -> None:
    with open_controller(Home(home)) as controller, sender(Home(home)) as token:
        lease.take(controller, token)
        done = assist("run", "-i", "n1", "--queue", "1h", "--", "true")
        assert b"The server" not in done.stderr
        assert "ok   queue" in assist("doctor").stdout.decode()
        lease.release(controller, token)
    assert re.search(
        "BAD  queue .* 1 record for 1 instance, and the server is not running", assist("doctor").stdout.decode()
    )


@pytest.mark.parametrize(
    "words",
    [
        ("--queue", "0"),
        ("--queue", "366d"),
        ("--queue", "-1"),
        ("--queue", "nan"),
        ("--queue", "soon"),
        ("--queue", "1h", "--every", "30s"),
        ("--queue", "1h", "--cron", "0 0 2 * * *"),
        ("--queue", "1h", "--in", "10m"),
        ("--queue", "1h", "--at", "2099-01-01 00:00"),
    ],
)
def test_what_cannot_wait_is_refused_and_nothing_is_written(
    words: tuple[str, ...], assist: Application, away: list[Instance]
) -> None:
    done = assist("run", "-i", "n1", *words, "--", "true")
    assert (done.returncode, done.stdout) == (2, b"")
    assert document(assist, "invocation", "list") == []


def test_a_rerun_of_what_is_queued_is_refused_with_what_to_do(assist: Application, away: list[Instance]) -> None:
    made = run(assist)
    done = assist("rerun", made, "--preview")
    assert done.returncode == 65
    assert done.stderr.decode().splitlines() == [
        f"error: cannot rerun {made}: it is queued for n1",
        f"hint: assist queue drop {made}",
    ]
    assert assist("stop", made).returncode == 0
    again = assist("rerun", made, "--queue", "1h")
    assert again.returncode == 75
    assert b"n1: queued until" in again.stderr


def test_a_command_waits_and_a_secret_only_by_reference(assist: Application, away: list[Instance], home: Path) -> None:
    assist("command", "create", "login", "-c", "echo $ASSIST_PARAM_KEY", "--param-def", "key required secret")
    without = assist("invoke", "login", "-i", "n1", "--queue", "1h")
    assert (without.returncode, b"'key'" in without.stderr) == (65, True)
    done = assist("invoke", "login", "-i", "n1", "--queue", "1h", "--secret", "key=env:K", env={"K": "canary-value"})
    assert done.returncode == 75
    for path in home.rglob("assist.db*"):
        assert b"canary-value" not in path.read_bytes()


def test_the_queue_as_documents(assist: Application, away: list[Instance]) -> None:
    assert document(assist, "queue", "list") == []
    assert assist("queue", "list").stderr.decode().startswith("Nothing is queued.")
    first, second = run(assist), run(assist, "--all")
    found = document(assist, "queue", "list")
    assert all(list(each) == KEYS for each in found)
    assert [each["InvokeId"] for each in found] == [first, second, second, second]
    assert [each["InstanceName"] for each in found] == ["n1", "n1", "n2", "n3"]
    assert found[0]["Since"] == found[0]["LastTried"] < found[0]["DeliverBy"]
    assert "cannot reach an agent" in found[0]["Why"]
    assert document(assist, "queue", "list", "-i", "n2,n3") == found[2:]
    assert document(assist, "queue", "list", "-n", "1") == found[:1]
    assert document(assist, "queue", "show", found[1]["RecordId"]) == found[1]
    assert document(assist, "queue", "show", second) == found[1:]
    assert document(assist, "queue", "show", "-") == found[1:]
    table = assist("queue", "list", "-n", "1").stdout.decode().splitlines()[1].split()
    assert document(assist, "queue", "show", table[0]) == found[0]
    assert "Sent       never" in assist("queue", "show", first).stdout.decode()
    for wrong in ("r-7", "t-7", "n1", "r-", first[:8] if first[:8] == second[:8] else "x"):
        assert assist("queue", "show", wrong).returncode == 66, wrong


def test_what_is_dropped_is_stopped(assist: Application, away: list[Instance]) -> None:
    first, second, third = run(assist), run(assist, "--all"), run(assist, "--all")
    assert document(assist, "queue", "drop", first)[0]["InvokeRecordStatus"] == "Stopped"
    assert document(assist, "invocation", "show", first)["InvokeStatus"] == "Stopped"
    one = document(assist, "queue", "list", "-i", "n2")[0]
    assert assist("queue", "drop", one["RecordId"][:20]).stderr == b"Dropped: 1 record.\n"
    states = [each["InvocationStatus"] for each in document(assist, "invocation", "show", second)["InvokeInstances"]]
    assert states == ["Running", "Stopped", "Running"]
    refused = assist("queue", "drop", "-i", "n1,n3")
    assert (refused.returncode, b"add --yes" in refused.stderr) == (65, True)
    assert assist("queue", "drop", "-i", "n1,n3", "--yes").stderr == b"Dropped: 4 records.\n"
    assert [each["InstanceName"] for each in document(assist, "queue", "list")] == ["n2"]
    assert assist("stop", third).returncode == 0
    assert document(assist, "queue", "list") == []
    for words in (("drop",), ("drop", "-", "-i", "n1")):
        assert assist("queue", *words).returncode == 2
    dropped = [each for each in document(assist, "audit", "list") if each["Action"] == "queue.drop"]
    assert [each["Detail"] for each in dropped] == [
        "2 queued for n[1,3]",
        "2 queued for n[1,3]",
        "1 queued for n2",
        "1 queued for n1",
    ]


def test_the_register_the_metrics_and_the_overview_know_it(
    assist: Application, away: list[Instance], home: Path
) -> None:
    run(assist, "--all")
    run(assist)
    assert "never, 2 queued" in assist("instance", "list").stdout.decode()
    assert "Queued   2 records: assist queue list -i n1" in assist("instance", "show", "n1").stdout.decode()
    with open_controller(Home(home)) as controller:
        assert figures.open_records(controller.database) == {"waiting": 0, "queued": 4, "running": 0, "stopping": 0}
    assert "0/3, 3 queued" in assist("top", "--once").stdout.decode()
    (audited, *_) = document(assist, "audit", "list")
    assert re.fullmatch(r"a script of 4 bytes on n1, queued until [-0-9]{10} [:0-9]{8}Z", audited["Detail"])


def test_ids_of_the_queue_are_completed(assist: Application, away: list[Instance]) -> None:
    made = run(assist)
    line = {"COMP_LINE": "assist queue show ", "COMP_POINT": "18"}
    form, *offers = assist("completion", "answer", "zsh", env=line).stdout.decode().splitlines()
    assert form == "words"
    assert any(made in each and "1 queued" in each for each in offers)
    assert any(each.startswith("r-") and "for n1" in each for each in offers)


@pytest.mark.parametrize(
    ("setting", "remedy"),
    [
        ("restored", "Make this restored home the controller in place of the original: assist serve --take-over"),
        ("replaced", "Use the home of the server that has taken over from this one"),
    ],
)
def test_a_home_whose_server_is_refused_has_another_remedy(
    assist: Application, away: list[Instance], home: Path, setting: str, remedy: str
) -> None:
    run(assist)
    with open_controller(Home(home)) as controller, controller.database.transaction() as transaction:
        transaction.set(setting, "1")
    for words in (
        ("queue", "list"),
        ("run", "-i", "n2", "--queue", "1d", "--", "true"),
        ("run", "--every", "1h", "-i", "n1", "--", "true"),
        ("schedule", "list"),
    ):
        said = assist(*words).stderr.decode()
        assert (remedy in said, "service install" in said) == (True, False)
    examined = assist("doctor").stdout.decode()
    assert (remedy[1:] in " ".join(examined.split()), "service install" in examined) == (True, False), examined
