"""The overview of the fleet: its content for each size, and the live view on a terminal."""

from __future__ import annotations

import os
import signal
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from assist_cli.cli.fleet_screen import frame
from assist_cli.cli.formatting import width
from assist_cli.cli.screen import Line
from assist_cli.model.instance import Health, Instance
from assist_cli.model.overview import FailedRecord, NextFiring, Running
from assist_cli.operations.controller import open_controller
from assist_cli.operations.observe.overview import Overview
from assist_cli.paths import Home
from tests.support.fleet import Fleet, enlist
from tests.support.program import Program
from tests.support.terminal import Terminal

NOW = datetime(2026, 11, 22, 8, tzinfo=timezone.utc)
REFUSED = Health(error_code="ClientNotRunning", error="nothing listens there")


def overview(count: int = 30, *, is_served: bool = True) -> Overview:
    """``web1`` and ``web2`` are down, the last one never answered, ``web3`` has most runs."""
    instances = [Instance(f"i-{number}", f"web{number}", "tls:x", NOW) for number in range(1, count + 1)]
    health = {each.id: Health(running=0, uptime=7200) for each in instances[:-1]}
    health |= {"i-1": REFUSED, "i-2": REFUSED, "i-3": Health(running=12, uptime=30)}
    return Overview(
        NOW,
        instances,
        health,
        [Running("t-01kbdk5g8w3m9v6yx2r4hq7cne", "restart@2", NOW - timedelta(seconds=5), False, 20, 5, 1)],
        [
            NextFiring("t-01kbdk5g8w3m9v6yx2r4hq7cne", "date", "rate(1h)", NOW - timedelta(minutes=55)),
            NextFiring("t-01kbdk5g8w3m9v6yx2r4hq7cnf", "true", "rate(30s)", NOW + timedelta(seconds=7)),
        ],
        [
            FailedRecord(
                "t-01kbdk5g8w3m9v6yx2r4hq7cng",
                f"db{number}",
                "backup",
                NOW - timedelta(minutes=2),
                3,
                "ExitCodeNonzero",
            )
            for number in range(1, 5)
        ],
        is_served,
    )


def texts(lines: Sequence[Line]) -> list[str]:
    return ["".join(cell.text for cell in line).rstrip() for line in lines]


def test_a_small_terminal_shows_all_of_it() -> None:
    shown = texts(frame(overview(), 80, 24))
    assert shown[0].endswith("27 of 30 online, 2 offline, 1 not checked yet; 12 records")
    assert shown[3:5] == ["web[1-2] (2)  ClientNotRunning", "web3      online       12 ▪▪▪▪▪▪▪▪  30 s"]
    assert shown[-9:] == [
        "RUNNING",
        "t-01kbdk5g8w  ███████░░░ 15/20, 1 failed  5 s ago  restart@2",
        "",
        "NEXT",
        "55 min overdue  t-01kbdk5g8w  rate(1h)   date",
        "in 7 s          t-01kbdk5g8w  rate(30s)  true",
        "",
        "FAILED",
        "2 min ago   t-01kbdk5g8w  exit 3  db[1-4]  backup",
    ]
    assert len(shown) == 24
    assert any(line.startswith("… and ") for line in shown)


@pytest.mark.parametrize(
    ("columns", "lines"), [(20, 5), (40, 10), (80, 24), (139, 24), (140, 24), (200, 60), (300, 12)]
)
@pytest.mark.parametrize("count", [0, 1, 3, 1000])
def test_it_fits_its_room(columns: int, lines: int, count: int) -> None:
    found = overview(max(count, 3))
    if count < 3:
        found = Overview(NOW, found.instances[:count], {}, (), (), (), True)
    shown = frame(found, columns, lines)
    assert len(shown) <= lines
    assert all(width(text) <= columns for text in texts(shown))


def test_sections_share_a_small_screen() -> None:
    found = overview(9)
    failed = [FailedRecord(f"t-{n}", f"web{n}" * 9, "backup", NOW, None, "ClientNotRunning") for n in range(9)]
    shown = texts(frame(replace(found, running=[*found.running] * 9, failures=failed), 80, 24))
    sizes = [len(section.splitlines()) for section in "\n".join(shown).split("\n\n")]
    assert (sum(sizes[1:]), sizes[0]) == (24 - 2 - 3, 1)
    assert min(sizes[1:]) >= 3
    assert shown[-1].endswith("  backup")


def test_columns_stand_below_each_other() -> None:
    running = [Running("t-1", "a", NOW, False, 20, 5, 1, waiting=4), Running("t-2", "b", NOW, False, 3, 1, 0)]
    failed = [
        FailedRecord("t-1", "a", "one", NOW - timedelta(hours=1), 3, "ExitCodeNonzero"),
        FailedRecord("t-1", "longer", "two", NOW - timedelta(hours=30), None, "ClientNotOnline"),
        FailedRecord("t-1", "b", "three", NOW - timedelta(hours=2), 127, "ExitCodeNonzero"),
    ]
    found = overview()
    shown = texts(frame(replace(found, running=running, failures=failed), 139, 60))
    rows = shown[shown.index("RUNNING") + 1 :]
    assert rows[:2] == [
        "t-1  ███████░░░ 15/20, 1 failed, 4 waiting  just now  a",
        "t-2  ██████░░░░ 2/3                         just now  b",
    ]
    assert shown[shown.index("FAILED") + 1 :] == [
        "1 h ago     t-1  exit 3           a       one",
        "1 d ago     t-1  ClientNotOnline  longer  two",
        "2 h ago     t-1  exit 127         b       three",
    ]


def test_a_wide_terminal_has_two_aligned_columns_for_any_names() -> None:
    found = overview()
    named = [Instance(each.id, "机器" + each.name, each.address, NOW) for each in found.instances]
    shown = texts(
        frame(Overview(NOW, named, found.health, found.running, found.firings, found.failures, False), 200, 40)
    )
    titles = ("RUNNING", "NEXT, the server is not running: assist serve", "FAILED")
    starts = {width(row[: row.index(title)]) for title in titles for row in shown if title in row}
    assert starts == {200 * 2 // 5 + 2}


def test_without_a_terminal_it_is_printed_one_time_and_starts_nothing(installed: Program, home: Path) -> None:
    result = installed("top")
    assert (result.returncode, result.stderr) == (0, b"")
    assert b"no instances: " in result.stdout
    assert not (home / "agent" / "agentd.sock").exists()


def test_it_is_live_can_be_resized_and_restores_the_terminal(installed: Program, home: Path, isolation: Path) -> None:
    folder = isolation / "fleet"
    folder.mkdir()
    fifo = isolation / "fifo"
    os.mkfifo(fifo)
    with open_controller(Home(home)) as controller, Fleet(folder, controller, 3, refusing=1, hanging=1) as fleet:
        enlist(controller, fleet.members)
        with Terminal(installed.path, ["top"], isolation, lines=24) as terminal:
            terminal.wait_for("1 of 3 online, 1 offline")
            terminal.wait_for("n1  ClientNotRunning")  # a frame may arrive in pieces
            started = installed("run", "-i", "n3", "--detach", "-c", f"read x < {fifo}; exit 3").stdout.decode()[:12]
            terminal.wait_for(f"{started}  ░░░░░░░░░░ 0/1")
            assert not terminal.echoes
            fifo.write_text("go\n")
            installed("invocation", "wait", "-")
            terminal.wait_for("exit 3  n3")
            before = len(terminal.raw)
            terminal.resize(200, 50)
            terminal.wait_for("INSTANCE  STATE     RECORDS         UP FOR" + " " * 40)
            assert len(terminal.raw) > before
            terminal.type("xq")
            assert terminal.end() == 0
            assert terminal.echoes
    assert terminal.raw.rindex("\x1b[?1049l") > terminal.raw.rindex("\x1b[?1049h")
    assert terminal.raw.rindex("\x1b[?25h") > terminal.raw.rindex("\x1b[?25l")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_too(installed: Program, isolation: Path, number: signal.Signals) -> None:
    with Terminal(installed.path, ["top"], isolation) as terminal:
        terminal.wait_for("no instances: ")
        terminal.interrupt(number)
        assert terminal.end() == 0
        assert terminal.echoes
    assert terminal.raw.rindex("\x1b[?1049l") > terminal.raw.rindex("\x1b[?1049h")
