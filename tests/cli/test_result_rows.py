"""``-o jsonl`` and ``-o csv`` of a run: the result of each instance as it ends."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from assist_cli.operations.controller import open_controller
from assist_cli.paths import Home
from tests.support.application import Application
from tests.support.fleet import Fleet, enlist


@pytest.fixture
def fleet(starts_processes: None, home: Path) -> Iterator[Fleet]:
    """Three instances; nothing listens at the first one."""
    folder = home.parent / "fleet"
    folder.mkdir()
    with open_controller(Home(home)) as controller, Fleet(folder, controller, 3, refusing=1) as fleet:
        enlist(controller, fleet.members)
        yield fleet


def test_each_instance_is_a_row(assist: Application, fleet: Fleet) -> None:
    words = ("run", "-i", "n[1-3]", "-c", "echo 'a, \"b'; echo c >&2; exit 3")
    done = assist(*words, "-o", "jsonl")
    assert done.returncode == 1
    rows = {row["InstanceName"]: row for row in map(json.loads, done.stdout.splitlines())}
    assert rows.keys() == {"n1", "n2", "n3"}
    stored = json.loads(assist("invocation", "results", "-", "-o", "json").stdout)
    assert rows == {row["InstanceName"]: row for row in stored}
    assert rows["n1"]["InvokeRecordStatus"] == "Failed"
    assert rows["n2"]["Stdout"] == 'a, "b\n'

    done = assist(*words, "-o", "csv")
    assert done.returncode == 1
    title, *lines = csv.reader(io.StringIO(done.stdout.decode()))
    assert title == list(rows["n2"])
    table = {line[title.index("InstanceName")]: dict(zip(title, line, strict=True)) for line in lines}
    assert table.keys() == rows.keys()
    assert (table["n2"]["ExitCode"], table["n2"]["Stdout"], table["n1"]["ExitCode"]) == ("3", 'a, "b\n', "")


def test_an_id_in_the_background_is_a_row_too(assist: Application, fleet: Fleet) -> None:
    title, (id, _) = csv.reader(io.StringIO(assist("run", "--in", "1h", "-o", "csv", "--", "true").stdout.decode()))
    assert title == ["InvokeId", "CommandId"]
    assert id.startswith("t-")
    refused = assist("run", "-i", "nobody", "-o", "csv", "--", "true")
    assert (refused.returncode, refused.stdout) == (66, b"")
    assert refused.stderr.startswith(b"error: ")


def test_preview_has_rows(assist: Application, fleet: Fleet) -> None:
    done = assist("run", "-i", "n[1-2]", "--preview", "-o", "csv", "--", "true")
    assert (done.returncode, [row["InstanceName"] for row in csv.DictReader(io.StringIO(done.stdout.decode()))]) == (
        0,
        ["n1", "n2"],
    )
