"""Backups while a server fires a hundred records a second; backups and restores that are killed, or find no room."""

from __future__ import annotations

import contextlib
import hashlib
import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from assist_cli.model.instance import Instance
from assist_cli.operations.controller import open_controller
from assist_cli.paths import Home
from assist_cli.store import instances
from tests.support.fleet import ROOT
from tests.support.program import Program

AGENTS = 100
SCHEDULES = 10
GUARD = 60.0
FIRED = "SELECT count(*) FROM slots WHERE outcome IN ('Ran', 'Late') AND due_at > ?"


@pytest.fixture
def stand_ins(starts_processes: None, home: Path) -> Iterator[None]:
    """Agents that run nothing, which the home knows."""
    words = [sys.executable, "-m", "tests.support.standin", str(home.parent), str(AGENTS)]
    with subprocess.Popen(words, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        with open_controller(Home(home)) as controller, controller.database.transaction() as transaction:
            for number in range(AGENTS):
                address = f"unix:{home.parent}/{number}.sock"
                instances.register(transaction, Instance(f"i-{number:026}", f"n{number}", address, controller.now()))
        yield
        process.communicate(b"")


@contextlib.contextmanager
def serving(installed: Program, home: Path, *words: str) -> Iterator[subprocess.Popen[bytes]]:
    with (home.parent / f"{home.name}.log").open("wb") as log:
        process = subprocess.Popen(
            [str(installed.path), "serve", *words],
            stdin=subprocess.DEVNULL, stdout=log, stderr=log, env={**os.environ, "ASSIST_HOME": str(home)},
        )  # fmt: skip
    try:
        yield process
        assert process.poll() is None
        process.terminate()
        assert process.wait(GUARD) == 0
    finally:
        process.kill()
        process.wait()


def fired(home: Path, since: float) -> int:
    with contextlib.closing(sqlite3.connect(home / "assist.db", timeout=GUARD)) as database:
        return int(database.execute(FIRED, [int(since * 1000)]).fetchone()[0])


def until_fired(home: Path, since: float, least: int) -> float:
    """Wait until this many records of due times after ``since`` have arrived. Return the time."""
    end = time.monotonic() + GUARD
    while fired(home, since) < least:
        assert time.monotonic() < end
        time.sleep(0.02)  # another process does it, and reports no event
    return time.time()


def faults(database: Path) -> list[str]:
    with contextlib.closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as connection:
        rows = connection.execute("PRAGMA integrity_check").fetchall()
        return [row[0] for row in rows if row[0] != "ok"] + connection.execute("PRAGMA foreign_key_check").fetchall()


def hashes(home: Path) -> dict[str, str]:
    """The content of every file, but for the index of the write-ahead log, and a log without changes."""
    files = [each for each in home.rglob("*") if each.is_file() and not each.name.endswith("-shm")]
    files = [each for each in files if not each.name.endswith("-wal") or each.stat().st_size]
    return {str(each): hashlib.sha256(each.read_bytes()).hexdigest() for each in files}


@pytest.mark.long
@pytest.mark.timeout(300)
def test_backups_under_load(installed: Program, home: Path, stand_ins: None) -> None:
    for _ in range(SCHEDULES):
        assert installed("run", "--all", "--every", "10s", "--", "true").returncode == 0
        time.sleep(1.0 - time.time() % 1.0)  # so that a hundred records are due in each second
    file, copy = home.parent / "a.backup", home.parent / "copy"
    with serving(installed, home) as server:
        begin = time.time()
        until_fired(home, begin, 10 * AGENTS)

        # what the backup itself changes: the server is stopped in the middle of its work
        for _ in range(5):
            time.sleep(random.uniform(0.1, 0.5))
            server.send_signal(signal.SIGSTOP)
            try:
                before = hashes(home)
                assert installed("backup", str(file)).returncode == 0
                assert hashes(home) == before
            finally:
                server.send_signal(signal.SIGCONT)
            assert faults(file) == []

        took = []
        for _ in range(5):
            began, count = time.time(), fired(home, begin)
            assert installed("backup", str(file)).returncode == 0
            took.append(time.time() - began)
            assert faults(file) == []
            assert fired(home, begin) >= count

        began = time.time()
        copied = {"ASSIST_HOME": str(copy)}
        assert installed("restore", str(file), env=copied).returncode == 0
        with serving(installed, copy, "--take-over"):
            first = until_fired(copy, began, 1) - began
            until_fired(copy, began, 5 * AGENTS)
        rate = fired(home, begin) / (time.time() - begin)
    assert faults(copy / "assist.db") == []
    assert faults(home / "assist.db") == []
    assert first < 5, f"the first firing of the copy came after {first:.1f} s; firings a second: {rate:.0f}"
    assert rate > 60, f"firings a second: {rate:.0f}; seconds for a backup: {took}"


def killed_at(number: int, home: Path, *words: str) -> int:
    """Run a command that dies at this boundary. Return the number of boundaries, 0 if it died."""
    count = home.parent / "count"
    count.unlink(missing_ok=True)
    done = subprocess.run(
        [sys.executable, "-m", "tests.support.killed", str(number), str(count), *words],
        cwd=ROOT, stdin=subprocess.DEVNULL, capture_output=True, timeout=GUARD,
        env={**os.environ, "ASSIST_HOME": str(home)},
    )  # fmt: skip
    assert done.returncode in (0, -signal.SIGKILL), done.stderr
    return int(count.read_text()) if count.exists() else 0


@pytest.mark.long
def test_a_killed_backup_leaves_the_older_one_and_the_home_as_they_were(installed: Program, home: Path) -> None:
    assert installed("command", "create", "one", "-c", "true").returncode == 0
    file = home.parent / "a.backup"
    number, ended = 1, 0
    while not ended:
        assert installed("backup", str(file)).returncode == 0
        before, whole = hashes(home), file.read_bytes()
        ended = killed_at(number, home, "backup", str(file))
        assert hashes(home) == before
        if not ended:
            assert file.read_bytes() == whole
        assert faults(file) == []
        number += 1
    assert number > 8


@pytest.mark.long
@pytest.mark.timeout(300)
@pytest.mark.parametrize("exists", [False, True], ids=["absent", "an empty folder"])
def test_a_killed_restore_leaves_no_home_and_the_next_one_succeeds(
    installed: Program, home: Path, exists: bool
) -> None:
    assert installed("command", "create", "one", "-c", "true").returncode == 0
    file, folder = home.parent / "a.backup", home.parent / "new"
    assert installed("backup", str(file)).returncode == 0
    folder.mkdir()
    count = killed_at(0, folder / "whole", "restore", str(file))
    assert count > 100
    # most of them are in the check of the backup, and the changes come last
    for number in [*range(1, count - 20, 20), *range(count - 20, count + 1)]:
        root = folder / str(number)
        if exists:
            root.mkdir(0o700)
        assert killed_at(number, root, "restore", str(file)) == 0
        assert not (root / "assist.db").exists()
        done = installed("restore", str(file), env={"ASSIST_HOME": str(root)})
        assert done.returncode == 0, done
        assert faults(root / "assist.db") == []
        assert not list(folder.glob(".assist-restore-*")) + list(root.glob(".assist-restore-*"))


@pytest.mark.long
def test_a_full_disk_leaves_nothing(installed: Program, home: Path) -> None:
    """A limit of the size of files stands for the disk."""
    assert installed("command", "create", "one", "-c", "true").returncode == 0
    file, root = home.parent / "a.backup", home.parent / "new"
    assert installed("backup", str(file)).returncode == 0
    whole, before = file.read_bytes(), sorted(each.name for each in home.parent.iterdir())
    for limit in (0, 1, 100, len(whole) // 1024 - 1):
        for words in (f"backup '{file}'", f"restore '{file}'"):
            done = subprocess.run(
                ["bash", "-c", f"ulimit -f {limit}; exec '{installed.path}' {words}"],
                stdin=subprocess.DEVNULL, capture_output=True, timeout=GUARD,
                env={**os.environ, "ASSIST_HOME": str(root if words.startswith("restore") else home)},
            )  # fmt: skip
            assert done.returncode == 74, done
            assert done.stderr.count(b"\n") == 2, done
            assert file.read_bytes() == whole
            assert sorted(each.name for each in home.parent.iterdir()) == before
