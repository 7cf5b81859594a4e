"""``assist schedule preview``: what a person sees of a frequency before anything is made of it."""

from __future__ import annotations

import json
import re
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from tests.support.application import Application
from tests.support.program import Program
from tests.support.terminal import Terminal


def test_the_next_firings_as_a_table_and_as_json(assist: Application, isolation: Path) -> None:
    """An expression for the days on which Berlin changes its clocks: one is always near enough to be seen."""
    words = ("schedule", "preview", "0 30 2 ? 3,10 SUNL", "--timezone", "Europe/Berlin", "-n", "2")
    table = assist(*words)
    assert table.returncode == 0
    title, first, second = table.stdout.decode().splitlines()
    assert title.split() == ["LOCAL", "TIME", "UTC", "WHEN", "NOTE"]
    assert sorted([first.split()[-2:], second.split()[-2:]]) == [["gap", "02:00-03:00"], ["overlap", "02:00-03:00"]]
    assert b"Local times are those of Europe/Berlin.\ngap: clocks leave out these times" in table.stderr

    documents = json.loads(assist(*words, "-o", "json").stdout)
    assert [list(each) for each in documents] == [["Time", "LocalTime", "Note"]] * 2
    for each in documents:
        moment = datetime.fromisoformat(each["LocalTime"])
        assert f"{moment.astimezone(timezone.utc):%Y-%m-%dT%H:%M:%SZ}" == each["Time"]
        assert each["LocalTime"][10:] == {"gap": "T03:00:00+02:00", "overlap": "T02:30:00+02:00"}[each["Note"]]

    lines = assist(*words, "-o", "jsonl").stdout.splitlines()
    assert [json.loads(line) for line in lines] == documents
    assert not (isolation / "assist").exists()  # looking makes nothing


def test_what_needs_no_zone_is_shown_in_one(installed: Program) -> None:
    done = installed("schedule", "preview", "rate(10s)", "-o", "json", env={"TZ": "Asia/Shanghai"})
    documents = json.loads(done.stdout)
    assert len(documents) == 20
    assert all(each["LocalTime"].endswith("+08:00") and each["Note"] is None for each in documents)
    times = [datetime.fromisoformat(each["LocalTime"]) for each in documents]
    assert times[-1] - times[0] == timedelta(seconds=190)


def test_without_a_zone_it_is_that_of_the_machine(installed: Program) -> None:
    done = installed("schedule", "preview", "0 0 9 * * *", "-n", "1", env={"TZ": "Asia/Shanghai"})
    assert b" 09:00:00  " in done.stdout
    assert b"Local times are those of Asia/Shanghai." in done.stderr
    done = installed("schedule", "preview", "0 0 9 * * *", env={"TZ": "CET-1CEST"})
    assert done.returncode == 65
    assert b"cannot tell the name of this machine's time zone" in done.stderr


def test_one_that_ends_says_so(assist: Application) -> None:
    done = assist("schedule", "preview", "at(2099-12-31 23:59:59 UTC)")
    assert len(done.stdout.splitlines()) == 2
    assert b"It does not fire again" in done.stderr


@pytest.mark.parametrize(
    ("words", "status", "said"),
    [
        (["0,55 * * * * *"], 65, "the second field '0,55' fires at "),
        (["0 0 0 30 2 *"], 65, "it never fires"),
        (["0 0 9 * * * UTC", "--timezone", "GMT+8"], 2, "cannot use two time zones"),
        (["0 0 9 * * *", "--timezone", "Mars/Olympus"], 65, "cannot find the time zone 'Mars/Olympus'"),
        (["0", "30", "2", "*", "*", "*"], 2, "a frequency is one word, in quotes"),
        (["rate(10s)", "-n", "0"], 2, "cannot understand this"),
    ],
)
def test_what_is_refused(assist: Application, words: list[str], status: int, said: str) -> None:
    done = assist("schedule", "preview", *words)
    assert (done.returncode, done.stdout) == (status, b"")
    assert said in done.stderr.decode()


def test_it_fits_a_terminal_of_eighty_columns(installed: Program, isolation: Path) -> None:
    words = ["schedule", "preview", "0 30 2 ? 3,10 SUNL Europe/Berlin", "-n", "60"]
    with Terminal(installed.path, words, isolation) as terminal:
        assert terminal.end() == 0
    assert max(map(len, terminal.text.splitlines())) <= 80
    assert " overlap 02:00-03:00" in terminal.text
    assert "…" not in terminal.text


def test_a_long_command_is_cut_and_its_row_stays_one_line(
    assist: Application, installed: Program, isolation: Path
) -> None:
    assert assist("run", "--at", "2099-12-01 02:00:00", "-c", "echo long\n" * 20).returncode == 0
    with Terminal(installed.path, ["schedule", "list"], isolation) as terminal:
        assert terminal.end() == 0
    (row,) = (line for line in terminal.text.splitlines() if line.startswith("t-"))
    assert re.fullmatch(r"t-\w+  Running  at\(2099-12-.*…  in \d+ d +local  echo long.*…", row)
    assert max(map(len, terminal.text.splitlines()[:3])) <= 80
