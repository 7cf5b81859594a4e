"""Senders: the lock shows if the process that sends a record is alive."""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from assist_cli.operations.runs.senders import is_alive, sender
from assist_cli.paths import Home

BE_A_SENDER = """
import pathlib, sys
from assist_cli.operations.runs.senders import sender
from assist_cli.paths import Home
with sender(Home(pathlib.Path(sys.argv[1]))) as token:
    print(token, flush=True)
    sys.stdin.read()
"""


def test_a_sender_lives_as_long_as_its_block(home: Path) -> None:
    rooms = Home(home)
    with sender(rooms) as token:
        assert is_alive(rooms, token)
        assert is_alive(rooms, token)
    assert not is_alive(rooms, token)
    assert list(rooms.senders.iterdir()) == []


@pytest.mark.usefixtures("starts_processes")
def test_a_killed_sender_is_dead_immediately(home: Path) -> None:
    rooms = Home(home)
    with subprocess.Popen(
        [sys.executable, "-c", BE_A_SENDER, home], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        token = process.stdout.readline().strip()
        assert is_alive(rooms, token)
        process.kill()
        process.wait()
        assert not is_alive(rooms, token)
    assert list(rooms.senders.iterdir()) == []


@pytest.mark.usefixtures("starts_processes")
def test_files_of_dead_senders_are_removed_by_the_next(home: Path) -> None:
    rooms = Home(home)
    with sender(rooms) as living:
        with subprocess.Popen(
            [sys.executable, "-c", BE_A_SENDER, home], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        ) as process:
            assert process.stdout is not None
            dead = process.stdout.readline().strip()
            process.kill()
        assert {each.name for each in rooms.senders.iterdir()} == {living, dead}
        with sender(rooms) as another:
            assert {each.name for each in rooms.senders.iterdir()} == {living, another}
        assert is_alive(rooms, living)


def test_concurrent_senders_do_not_count_as_dead(home: Path) -> None:
    rooms = Home(home)

    def begin(_: int) -> bool:
        with sender(rooms) as token:
            return is_alive(rooms, token)

    with ThreadPoolExecutor(16) as pool:
        assert all(pool.map(begin, range(400)))
    assert list(rooms.senders.iterdir()) == []


def test_an_unknown_sender_is_dead(home: Path) -> None:
    assert not is_alive(Home(home), "0123456789abcdef")
