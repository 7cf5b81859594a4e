"""``assist schedule preview``: the firings of a frequency before it is used."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from assist_cli.operations.controller import Controller, open_controller
from assist_cli.paths import Home
from tests.support import past
from tests.support.application import Application
from tests.support.program import Program
from tests.support.terminal import Terminal


@pytest.fixture
def controller(home: Path) -> Iterator[Controller]:
    with open_controller(Home(home)) as opened:
        yield opened


def test_the_next_firings_as_a_table_and_as_json(assist: Application, isolation: Path) -> None:
    """An expression for the days on which Berlin changes its clocks: one of them is always near."""
    words = ("schedule", "preview", "0 30 2 ? 3,10 SUNL", "--timezone", "Europe/Berlin", "-n", "2")
    table = assist(*words)
    assert table.returncode == 0
    title, first, second = table.stdout.decode().splitlines()
    assert title.split() == ["LOCAL", "TIME", "UTC", "WHEN", "NOTE"]
    assert sorted([first.split()[-2:], second.split()[-2:]]) == [["gap", "02:00-03:00"], ["overlap", "02:00-03:00"]]
    assert b"Local times are in Europe/Berlin.\ngap: this local time does not exist" in table.stderr

    documents = json.loads(assist(*words, "-o", "json").stdout)
    assert [list(each) for each in documents] == [["Time", "LocalTime", "Note", "NoteFrom", "NoteTo"]] * 2
    for each in documents:
        moment = datetime.fromisoformat(each["LocalTime"])
        assert f"{moment.astimezone(timezone.utc):%Y-%m-%dT%H:%M:%SZ}" == each["Time"]
        assert [each[name] for name in ("NoteFrom", "NoteTo")] == [
            each["LocalTime"][:10] + f"T0{n}:00:00" for n in (2, 3)
        ]
        assert each["LocalTime"][10:] == {"gap": "T03:00:00+02:00", "overlap": "T02:30:00+02:00"}[each["Note"]]

    lines = assist(*words, "-o", "jsonl").stdout.splitlines()
    assert [json.loads(line) for line in lines] == documents
    assert not (isolation / "assist").exists()  # a preview creates nothing


def test_a_frequency_without_a_zone_is_shown_in_one(installed: Program) -> None:
    done = installed("schedule", "preview", "rate(10s)", "-o", "json", env={"TZ": "Asia/Shanghai"})
    documents = json.loads(done.stdout)
    assert len(documents) == 20
    assert all(each["LocalTime"].endswith("+08:00") and each["Note"] is None for each in documents)
    times = [datetime.fromisoformat(each["LocalTime"]) for each in documents]
    assert times[-1] - times[0] == timedelta(seconds=190)


def test_the_default_zone_is_that_of_the_machine(installed: Program) -> None:
    done = installed("schedule", "preview", "0 0 9 * * *", "-n", "1", env={"TZ": "Asia/Shanghai"})
    assert b" 09:00:00+08  " in done.stdout
    assert b"Local times are in Asia/Shanghai." in done.stderr
    done = installed("schedule", "preview", "0 0 9 * * *", env={"TZ": "CET-1CEST"})
    assert done.returncode == 65
    assert b"cannot find the name of this machine's time zone" in done.stderr


def test_times_have_their_zone(assist: Application, controller: Controller, monkeypatch: pytest.MonkeyPatch) -> None:
    """A schedule of one zone that is shown in another, as for a traveller."""
    past.register(controller.database, ["web1"], controller.now())
    monkeypatch.setenv("TZ", "Europe/Berlin")
    time.tzset()
    try:
        made = assist("run", "-i", "web1", "--at", "2099-01-01 02:00", "--timezone", "Asia/Tokyo", "--", "true")
        both = "2099-01-01 02:00:00 Asia/Tokyo = 2098-12-31 18:00:00+01:00"
        told = f"at(2099-01-01 02:00:00 Asia/Tokyo) on 1 instance, first at {both}; to stop it"
        assert told in made.stderr.decode()
        listed = assist("schedule", "list", "--plain").stdout.decode()
        assert "  at(2099-01-01 02:00:00 Asia/Tokyo)  " in listed
        assert f"({both})" in assist("schedule", "show", "-").stdout.decode()
        assert "  at(2099-01-01 02:00:00 Asia/Tokyo)  true" in assist("top", "--once").stdout.decode()
        monkeypatch.setenv("TZ", "Asia/Tokyo")
        time.tzset()
        assert "(2099-01-01 02:00:00+09:00)" in assist("schedule", "show", "-").stdout.decode()
    finally:
        monkeypatch.delenv("TZ")
        time.tzset()
    assert assist("stop", "-").returncode == 0
    waited = assist("invocation", "wait", "-")
    assert (waited.returncode, waited.stderr) == (1, b"web1: Stopped, not started\n")
    assert re.split("  +", assist("invocation", "list").stdout.decode().splitlines()[1])[1] == "Stopped, not started"


def test_a_frequency_that_ends_says_so(assist: Application) -> None:
    done = assist("schedule", "preview", "at(2099-12-31 23:59:59 UTC)")
    assert len(done.stdout.splitlines()) == 2
    assert b"There are no more due times" in done.stderr


@pytest.mark.parametrize(
    ("words", "status", "said"),
    [
        (["0,55 * * * * *"], 65, "the second field '0,55' fires at "),
        (["0 0 0 30 2 *"], 65, "it never fires"),
        (["0 0 9 * * * UTC", "--timezone", "GMT+8"], 2, "cannot use two time zones"),
        (["0 0 9 * * *", "--timezone", "Mars/Olympus"], 65, "cannot find the time zone 'Mars/Olympus'"),
        (["0", "30", "2", "*", "*", "*"], 2, "put the frequency in quotes"),
        (["rate(10s)", "-n", "0"], 2, "cannot understand this"),
        (["5m"], 65, "did you mean rate(5m)?"),
        (["rate(5 minutes)"], 65, "did you mean rate(5m)?"),
        (["@every 5m"], 65, "did you mean rate(5m)?"),
        (["daily"], 65, "did you mean @daily?"),
        (["cron(0 2 * * ? *)"], 65, "did you mean '0 0 2 * * ? *'? the first field is the second"),
        (["at(2026-12-01 2:00 PM)"], 65, "write 14:00 for '2:00 PM'"),
        (["--cron", "0 0 2 * * *"], 2, "put the frequency in quotes"),
    ],
)
def test_a_refused_frequency(assist: Application, words: list[str], status: int, said: str) -> None:
    done = assist("schedule", "preview", *words)
    assert (done.returncode, done.stdout) == (status, b"")
    assert said in done.stderr.decode()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--every", "daily"], "did you mean --cron @daily?"),
        (["--every", "*/5 * * * *"], "did you mean --cron '*/5 * * * *'?"),
        (["--cron", "daily"], "did you mean @daily?"),
        (["--cron", "5m"], "did you mean --every 5m?"),
        (["--at", "5m"], "did you mean --in 5m?"),
        (["--at", "+5m"], "did you mean --in 5m?"),
        (["--at", "now"], "to run now, omit --at"),
        (["--at", "2:00 PM"], "write 14:00 for '2:00 PM'"),
    ],
)
def test_a_time_for_another_option_gets_its_name(assist: Application, words: list[str], said: str) -> None:
    done = assist("run", *words, "--", "true")
    assert done.returncode in (2, 65)
    assert said in done.stderr.decode()


def test_the_preview_fits_a_terminal_of_eighty_columns(installed: Program, isolation: Path) -> None:
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
    assert re.fullmatch(r"t-\w+  Scheduled  at\(2099-12-.*…  in \d+ d +local  echo long.*…", row)
    assert max(map(len, terminal.text.splitlines()[:3])) <= 80


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("--cron", "0 9 * * MON", "--timezone", "Asia/Shanghai"), "0 0 9 * * MON Asia/Shanghai"),
        (("--cron", "CRON_TZ=UTC @daily"), "0 0 0 * * * UTC"),
        (("--at", "2099-12-01 02:00+08:00"), "at(2099-12-01 02:00:00 GMT+8:00)"),
        (("--every", "90s"), "rate(90s)"),
    ],
)
@pytest.mark.usefixtures("starts_processes", "home")
def test_a_frequency_is_shown_in_a_form_that_can_be_used_again(
    assist: Application, words: tuple[str, ...], expected: str
) -> None:
    made = assist("run", *words, "--", "true").stdout.decode().strip()
    listed = json.loads(assist("schedule", "show", made, "-o", "json").stdout)
    shown = json.loads(assist("invocation", "show", made, "-o", "json").stdout)
    assert listed["Frequency"] == shown["Frequency"] == expected
    next_time = json.loads(assist("schedule", "preview", expected, "-n", "1", "-o", "json").stdout)[0]["Time"]
    assert expected.startswith("rate") or listed["NextTime"] == next_time


def test_often_misunderstood_expressions_cause_a_warning(assist: Application) -> None:
    for form in ("table", "json"):
        done = assist("schedule", "preview", "0 0 9 1 * 2", "-o", form)
        assert done.returncode == 0
        assert b"either of them matches" in done.stderr
        assert b"1 is Monday" in done.stderr
    assert assist("schedule", "preview", "0 0 9 ? * MON", "-o", "json").stderr == b""
