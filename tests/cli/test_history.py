"""The history of a fleet: filters, summaries, and single records."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from assist_cli.cli.fanout import Fanout
from assist_cli.model.command import CommandType
from assist_cli.model.instance import Instance
from assist_cli.model.output import Output, Portion
from assist_cli.operations.controller import Controller, open_controller
from assist_cli.operations.runs import recording
from assist_cli.paths import Home
from tests.support import past
from tests.support.application import Application
from tests.support.captured import Captured
from tests.support.program import Program
from tests.support.terminal import Terminal

# docs/cli.md section 5, in its order.
RESULT_KEYS = [
    "InvokeId", "RecordId", "InstanceId", "InstanceName", "InvokeRecordStatus", "ExitCode", "Output", "Stdout",
    "Stderr", "Dropped", "DroppedAt", "Repeats", "StartTime", "FinishTime", "StopTime", "ErrorCode", "ErrorInfo",
]  # fmt: skip


@pytest.fixture
def controller(home: Path) -> Iterator[Controller]:
    with open_controller(Home(home)) as opened:
        yield opened


@pytest.fixture
def web(controller: Controller) -> list[Instance]:
    return past.register(controller.database, [f"web{number:03}" for number in range(1, 201)], controller.now())


@pytest.fixture
def wide(controller: Controller, web: list[Instance]) -> str:
    """A run on 200 instances: 180 succeeded, 12 ended with 3, and the other 8 failed, each for its own reason."""
    now = controller.now()
    outcomes = [past.finished("all is well\n", at=now)] * 180 + [past.finished("no\n", 3, at=now)] * 12
    outcomes += [past.failed("ClientNotOnline", f"cannot reach 10.0.0.{number}", at=now) for number in range(5)]
    outcomes += [past.failed("ClientNotRunning", "nothing listens there", at=now)] * 3
    return past.write(controller.database, past.invocation_on(web, now, content=b"check"), outcomes).id


def documents(assist: Application, *words: str) -> Any:
    done = assist(*words, "-o", "json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_a_summary_of_many_instances(assist: Application, wide: str) -> None:
    done = assist("invocation", "show", wide)
    lines = done.stdout.decode().splitlines()
    assert lines[0] == f"{wide}  PartialFailed, 20 failed"
    assert [re.split("  +", line.strip()) for line in lines[6:10]] == [
        ["180", "Finished", "-", "web[001-180]"],
        ["12", "Finished", "exit 3", "web[181-192]"],
        ["5", "Failed", "ClientNotOnline", "web[193-197]"],
        ["3", "Failed", "ClientNotRunning", "web[198-200]"],
    ]
    assert lines[10:] == [
        "",
        "exit 3: web[181-192]",
        "",
        "ClientNotOnline: web[193-197]",
        "  web193: cannot reach 10.0.0.0",
        "",
        "ClientNotRunning: web[198-200]",
        "  nothing listens there",
    ]
    assert f"assist invocation show {wide} --all" in done.stderr.decode()
    assert len(assist("invocation", "show", wide, "--all").stdout.decode().splitlines()) > 200


@pytest.mark.parametrize("columns", [80, 200])
def test_the_summary_fits_a_terminal(installed: Program, wide: str, isolation: Path, columns: int) -> None:
    with Terminal(installed.path, ["invocation", "show", wide], isolation, columns=columns) as terminal:
        assert terminal.end() == 0
    assert max(map(len, terminal.text.splitlines())) <= columns
    assert len(terminal.text.splitlines()) < 24
    assert "web[001-180]" in terminal.text


def test_results_are_one_object_per_instance(assist: Application, wide: str, web: list[Instance]) -> None:
    found = documents(assist, "invocation", "results", wide)
    assert len(found) == 200
    assert all(list(each) == RESULT_KEYS for each in found)
    assert {each["InvokeId"] for each in found} == {wide}
    first, last = found[0], found[-1]
    assert (first["InstanceId"], first["InvokeRecordStatus"], first["Stdout"]) == (
        web[0].id,
        "Finished",
        "all is well\n",
    )
    assert (last["InvokeRecordStatus"], last["ErrorCode"]) == ("Failed", "ClientNotRunning")
    some = documents(assist, "invocation", "results", wide, "-i", "web[001-003],!web002", "--history")
    assert [each["InstanceName"] for each in some] == ["web001", "web003"]
    assert assist("invocation", "results", wide, "-i", "db1").returncode == 66
    table = assist("invocation", "results", wide, "-i", "web001,web193").stdout.decode().splitlines()
    assert table[1].endswith("all is well")
    assert table[2].endswith("ClientNotOnline: cannot reach 10.0.0.0")


def test_the_list_is_filtered(assist: Application, controller: Controller, web: list[Instance]) -> None:
    now = controller.now()
    named = {"command_id": "c-01kbdk5g8w3m9v6yx2r4hq7cne", "command_name": "disk", "command_version": 2}
    old = past.invocation_on(web[:1], now - timedelta(days=3), **named)
    new = past.invocation_on(web[1:3], now - timedelta(hours=1))
    past.write(controller.database, old, [past.finished(at=now)])
    past.write(controller.database, new, [past.failed("ClientNotOnline", "it is away", at=now)] * 2)

    def listed(*words: str) -> list[str]:
        return [each["InvokeId"] for each in documents(assist, "invocation", "list", *words)]

    assert listed() == [new.id, old.id]
    assert listed("--status", "failed") == [new.id]
    assert listed("--status", "Failed", "--status", "FINISHED") == [new.id, old.id]
    assert listed("--command", "disk") == listed("--command", old.command_id) == [old.id]
    assert listed("--since", "2d") == [new.id]
    assert listed("-i", "web001") == [old.id]
    assert listed("-i", "web*") == [new.id, old.id]
    assert listed("--periodic") == []
    assert assist("invocation", "list", "--periodic").stderr == b"No invocations match.\n"
    assert assist("invocation", "list", "--command", "nobody").returncode == 66
    assert assist("invocation", "list", "-i", "nobody").returncode == 66
    assert assist("invocation", "list", "--status", "good").returncode == 2
    assert assist("instance", "remove", "web001").returncode == 0
    assert listed("-i", "web001") == [old.id]


def test_search_for_programs_and_for_people(assist: Application, controller: Controller, web: list[Instance]) -> None:
    now = controller.now()
    run = past.invocation_on(web[:3], now, command_id="c-1", command_name="disk", command_version=1)
    outcomes = [past.finished(f"/dev/sda1\nNo space left on device\n{rest}", at=now) for rest in ("", "", "really")]
    past.write(controller.database, run, outcomes)
    hits = documents(assist, "invocation", "search", "no space LEFT")
    assert [list(each) for each in hits] == [
        ["InvokeId", "RecordId", "InstanceId", "InstanceName", "CommandName", "Time", "Snippet"]
    ] * 3
    assert [each["InstanceName"] for each in hits] == ["web003", "web002", "web001"]
    assert hits[2]["Snippet"] == "/dev/sda1\nNo space left on device\n"
    lines = assist("invocation", "search", "no space left").stdout.decode().splitlines()
    assert [re.split("  +", line)[1:] for line in lines[1:]] == [
        ["web003", "just now", "disk", "/dev/sda1 ↵ No space left on device ↵ really"],
        ["web[001-002]", "just now", "disk", "/dev/sda1 ↵ No space left on device"],
    ] or "ago" in lines[1]
    nothing = assist("invocation", "search", "marzipan")
    assert (nothing.returncode, nothing.stdout) == (0, b"")
    assert nothing.stderr == b"No matches for 'marzipan' in the history.\n"
    assert assist("invocation", "search", "...").returncode == 65
    more = assist("invocation", "search", "no space left", "-n", "2", "-o", "json")
    assert len(json.loads(more.stdout)) == 2
    assert b"older matches" in more.stderr


@pytest.fixture
def halted(controller: Controller, web: list[Instance]) -> str:
    """A rollout on six instances that halted after one success and two failures."""
    now = controller.now()
    outcomes = [
        past.finished("ok\n", at=now),
        past.finished("no\n", 3, at=now),
        past.failed("ClientNotOnline", "x", at=now),
    ]
    outcomes += [past.unstarted("it was not started: 2 of 6 had failed, more than 1", at=now)] * 3
    return past.write(controller.database, past.invocation_on(web[:6], now, content=b"roll"), outcomes).id


def test_a_halted_rollout_shows_started_and_skipped_instances(assist: Application, halted: str) -> None:
    status = "Halted: 1 succeeded, 2 failed, 3 not started"
    assert re.split("  +", assist("invocation", "list").stdout.decode().splitlines()[1])[1] == status
    shown = assist("invocation", "show", halted).stdout.decode().splitlines()
    assert shown[0] == f"{halted}  {status}"
    assert [line.split()[-1] for line in shown if line.startswith("web00") and ":" not in line] == [
        "-", "ExitCodeNonzero", "ClientNotOnline", "started", "started", "started",
    ]  # fmt: skip
    assert shown[-2:] == [
        "web003: x",
        "web[004-006]: it was not started: 2 of 6 had failed, more than 1",
    ]
    waited = assist("invocation", "wait", halted)
    assert waited.returncode == 1
    assert "web[004-006]: it was not started: 2 of 6" in waited.stderr.decode()
    sums = ": 1 succeeded, 3 not started, 1 exit 3 on web002, 1 Failed (ClientNotOnline) on web003"
    assert waited.stderr.decode().splitlines()[-1].endswith(sums)
    watched = assist("invocation", "watch", halted)
    assert "web[004-006]: it was not started: 2 of 6" in watched.stdout.decode()
    assert json.loads(assist("invocation", "show", halted, "-o", "json").stdout)["InvokeStatus"] == "PartialFailed"


def test_a_record_that_never_ran_took_no_time(assist: Application, controller: Controller, web: list[Instance]) -> None:
    made = controller.now() - timedelta(seconds=20)
    lost = past.failed("ClientNotOnline", "it is away", at=controller.now())
    past.write(controller.database, past.invocation_on(web[:2], made, content=b"uptime"), [lost, lost])
    shown = re.split("  +", assist("invocation", "list").stdout.decode().splitlines()[1])
    assert (shown[1], shown[4:]) == ("Failed", ["-", "uptime"])
    assert b"took" not in assist("invocation", "show", "-").stdout
    assert assist("invocation", "wait", "-").stderr.decode().splitlines()[-1].startswith("2 instances: 2 Failed")
    later = past.invocation_on(web[:1], made + timedelta(seconds=1))
    past.write(controller.database, later, [past.finished(at=made + timedelta(seconds=6))])
    assert b", took 5.0 s\n" in assist("invocation", "show", later.id).stdout


def test_an_unreachable_agent_gets_a_hint(assist: Application, controller: Controller, web: list[Instance]) -> None:
    now = controller.now()
    lost = past.failed("ClientNotOnline", "it is away", at=now)
    for found, outcomes in ((web[:1], [lost]), (web[:2], [past.finished("x", at=now), lost])):
        written = past.write(controller.database, past.invocation_on(found, now), outcomes)
        said = assist("invocation", "wait", written.id).stderr.decode().splitlines()
        assert f"hint: check the route: assist doctor {found[-1].name}" in said


@pytest.mark.parametrize(
    ("kind", "words"),
    [("SHELL", "--type bat or --type powershell"), ("BAT", "--type shell"), ("POWERSHELL", "install")],
)
def test_a_script_of_another_system_gets_a_hint(
    assist: Application, controller: Controller, web: list[Instance], kind: str, words: str
) -> None:
    refused = past.failed("CommandNotApplicable", "it does not run there", at=controller.now())
    invocation = past.invocation_on(web[:1], controller.now())._replace(command_type=CommandType[kind])
    written = past.write(controller.database, invocation, [refused])
    hint = assist("invocation", "wait", written.id).stderr.decode().splitlines()[-1]
    assert hint.startswith("hint: ")
    assert words in hint


def test_the_unsuccessful_filter_shows_the_targets_of_a_rerun(
    assist: Application, controller: Controller, web: list[Instance], halted: str
) -> None:
    now = controller.now()
    good, bad = past.finished(at=now), past.finished("", 2, at=now)
    made = [
        past.write(controller.database, past.invocation_on(web[:2], now, content=b"x"), outcomes).id
        for outcomes in ([good, good], [good, bad], [bad, None], [good, past.failed("ClientNotOnline", "", at=now)])
    ]
    past.leave_open(controller, recording.recall(controller, made[2]))
    found = [each["InvokeId"] for each in documents(assist, "invocation", "list", "--unsuccessful")]
    assert found == sorted([halted, made[1], made[3]], reverse=True)
    told = assist("invocation", "list", "--status", "failed").stderr.decode()
    assert "An exit code other than 0 is Finished" in told
    assert "assist invocation list --unsuccessful" in told
    for each in found:
        assert assist("rerun", each, "--preview").returncode == 0
    done = assist("rerun", halted, "--preview")
    assert done.stdout.decode().split() == [f"web00{number}" for number in range(2, 7)]
    assert assist("rerun", halted, "--all", "--preview").stdout.decode().split()[0] == "web001"
    assert assist("rerun", made[0], "--preview").returncode == 65
    assert len(documents(assist, "invocation", "list")) == 5


def test_an_ambiguous_prefix_is_reported_with_its_ids(assist: Application, halted: str, wide: str) -> None:
    done = assist("invocation", "show", "t-0")
    assert done.returncode == 66
    assert f"hint: give more of it: {', '.join(sorted([halted, wide], reverse=True))}\n" in done.stderr.decode()


@pytest.mark.parametrize(
    ("status", "then", "now"),
    [
        (0, ["on", "on"], ["on", "on"]),
        (1, ["on", "on"], ["on", "off"]),
        (75, ["on", "on"], ["on", None]),
        (1, ["on", "on"], ["off", None]),
        (1, ["on", "on"], ["on"]),
    ],
)
def test_the_exit_status_of_diff(
    assist: Application,
    controller: Controller,
    web: list[Instance],
    status: int,
    then: list[str],
    now: list[str | None],
) -> None:
    moment = controller.now()
    for number, words in enumerate((then, now)):
        outcomes = [None if word is None else past.finished(word, at=moment) for word in words]
        made = past.invocation_on(web[: len(words)], moment + timedelta(seconds=number), content=b"check")
        past.write(controller.database, made, outcomes)
        past.leave_open(controller, made)
    ids = [each["InvokeId"] for each in documents(assist, "invocation", "list")]
    for form in ("table", "json"):
        assert assist("invocation", "diff", *ids[::-1], "-o", form).returncode == status


def test_diff_for_programs_and_for_people(assist: Application, controller: Controller, web: list[Instance]) -> None:
    now = controller.now()
    old = past.invocation_on(web[:3], now - timedelta(hours=1), content=b"check")
    new = past.invocation_on(web[:4], now, content=b"check")
    past.write(controller.database, old, [past.finished("on\n", at=now)] * 3)
    past.write(
        controller.database,
        new,
        [past.finished("off\n", 2, at=now)] * 2 + [past.finished("on\n", at=now)] * 2,
    )
    done = assist("invocation", "diff", old.id, "-")
    assert done.returncode == 1
    assert done.stdout.decode().splitlines() == [
        "=== web[001-002] (2): succeeded → exit 2 ===",
        "--- stdout before",
        "+++ stdout after",
        "@@ -1 +1 @@",
        "-on",
        "+off",
        "Only in the second: web004",
    ]
    assert done.stderr == b"2 of 3 instances differ.\n"
    document = json.loads(assist("invocation", "diff", old.id, new.id, "-o", "json").stdout)
    assert list(document) == ["From", "To", "Same", "Differences", "NotKnown", "OnlyFrom", "OnlyTo", "NotOver"]
    (difference,) = document["Differences"]
    assert difference == {
        "InstanceNames": ["web001", "web002"],
        "From": {"InvocationStatus": "Finished", "ExitCode": 0, "ErrorCode": ""},
        "To": {"InvocationStatus": "Finished", "ExitCode": 2, "ErrorCode": "ExitCodeNonzero"},
        "StdoutDiff": "--- stdout before\n+++ stdout after\n@@ -1 +1 @@\n-on\n+off\n",
        "StderrDiff": "",
    }
    equal = assist("invocation", "diff", new.id, new.id)
    assert (equal.returncode, equal.stdout, equal.stderr) == (0, b"", b"No change on 4 instances.\n")


def test_outputs_with_missing_bytes_are_not_shown_as_equal(
    assist: Application, controller: Controller, web: list[Instance]
) -> None:
    now = controller.now()
    part = past.finished(at=now)._replace(output=Output(b"first\nlast\n", (11,), cut=6, dropped=1_700_000))
    made = [past.invocation_on(web[:3], now - timedelta(hours=hours), content=b"check") for hours in (1, 0)]
    for each in made:
        past.write(controller.database, each, [part, part, past.finished("whole\n", at=now)])
    done = assist("invocation", "diff", *(each.id for each in made))
    assert done.returncode == 1
    assert done.stdout == b"Unknown, 1,700,000 bytes of output missing in the history: web[001-002]\n"
    assert done.stderr == b"0 of 3 instances differ, 2 unknown.\n"
    document = json.loads(assist("invocation", "diff", *(each.id for each in made), "-o", "json").stdout)
    assert (document["Same"], document["Differences"]) == (["web003"], [])
    assert document["NotKnown"] == [{"InstanceNames": ["web001", "web002"], "Dropped": 1_700_000}]


def test_a_halt_is_shown_one_time_with_groups(controller: Controller, halted: str) -> None:
    captured = Captured(terminal=False)
    places = recording.recall(controller, halted).instances
    view = Fanout(captured.printer, [place.instance_name for place in places], portion=Portion.NEWEST, groups=True)
    for place in places:
        view.replay(place)
    view.close(places)
    assert (captured.out + captured.err).count("it was not started") == 1


def test_a_future_run_is_scheduled(assist: Application, controller: Controller, web: list[Instance]) -> None:
    later = assist("run", "-i", "web001", "--in", "50h", "--", "true").stdout.decode().strip()
    again = assist("run", "-i", "web[001-030]", "--every", "3h", "--", "true").stdout.decode().strip()
    head, *rows = assist("invocation", "show", later).stdout.decode().splitlines()
    assert head == f"{later}  Scheduled, in 2 d"
    expression = documents(assist, "schedule", "show", later)["Frequency"]
    assert f"  Frequency  {expression}" in rows
    assert any(row.startswith("  Next       in 2 d (") for row in rows)
    assert any(row.startswith("web001    Scheduled ") for row in rows)
    assert "No output." not in rows
    assert "\n   30  Scheduled" in assist("invocation", "show", again).stdout.decode()
    listed = assist("invocation", "list").stdout.decode().splitlines()
    assert [re.split("  +", line)[1] for line in listed[1:]] == ["Scheduled, next in 2 h", "Scheduled, in 2 d"]
    planned = assist("schedule", "list").stdout.decode().splitlines()
    assert [re.split("  +", line)[1] for line in planned[1:]] == ["Scheduled", "Scheduled"]
    assert {each["InvokeStatus"] for each in documents(assist, "invocation", "list")} == {"Running"}
    past.write(controller.database, past.invocation_on(web[:1], controller.now()), [past.finished("x")])
    assert documents(assist, "schedule", "show", "-")["InvokeId"] == again
    assert assist("schedule", "pause", "-").stdout.decode() == f"{again}: Paused\n"
    assert assist("invocation", "show", again).stdout.decode().splitlines()[0] == f"{again}  Paused"


def test_prune_asks_only_where_somebody_can_answer(
    assist: Application, installed: Program, controller: Controller, web: list[Instance], isolation: Path
) -> None:
    now = controller.now()
    for days in (1, 200):
        then = now - timedelta(days=days)
        past.write(controller.database, past.invocation_on(web[:2], then), [past.finished("x", at=then)] * 2)
    assert assist("invocation", "prune").returncode == 2
    assert assist("invocation", "prune", "--keep", "1", "--older-than", "1d").returncode == 2
    refused = assist("invocation", "prune", "--older-than", "180d")
    assert refused.returncode == 65
    cut = (now - timedelta(days=180)).astimezone()
    assert f"cannot prune 1 invocation with 2 records older than {cut:%Y-%m-%d %H:}".encode() in refused.stderr
    preview = assist("invocation", "prune", "--older-than", "180d", "--preview")
    assert preview.stdout.startswith(f"To delete: 1 invocation with 2 records older than {cut:%Y-%m-%d}".encode())
    bare = assist("invocation", "prune", "--older-than", "90", "--yes")
    assert (bare.returncode, b"'90' has no unit; write 90d" in bare.stderr) == (2, True)
    assert len(documents(assist, "invocation", "list")) == 2
    words = ["invocation", "prune", "--older-than", "180d"]
    for answer, status, left in (("n\r", 130, 2), ("y\r", 0, 1)):
        with Terminal(installed.path, words, isolation) as terminal:
            terminal.wait_for("Delete 1 invocation with 2 records older than")
            terminal.type(answer)
            assert terminal.end() == status
        assert len(documents(assist, "invocation", "list")) == left
    nothing = assist(*words)
    assert (nothing.returncode, nothing.stderr[:24]) == (0, b"Pruned: 0 invocations wi")
    done = documents(assist, "invocation", "prune", "--keep", "0", "--yes")
    assert (done["Invocations"], done["Records"]) == (1, 2)
    assert documents(assist, "invocation", "list") == []
    assert [each["Action"] for each in documents(assist, "audit", "list")] == ["invocation.prune"] * 2
