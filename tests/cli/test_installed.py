"""The installed program behaves like the application in the process of a test, for every command."""

from __future__ import annotations

import logging
import os
import signal
import sys

import pytest
import typer.main

from assist_cli.cli.app import app
from tests.support import variants
from tests.support.application import Application
from tests.support.program import Program

COMMANDS = sorted(typer.main.get_command(app).commands)
QUICK = ("run", "invocation", "help")
SCRIPT = rb"printf '\377'; head -c 100000 /dev/zero; echo err >&2; exit 3"


@pytest.mark.parametrize(
    "command", [pytest.param(each, marks=[] if each in QUICK else pytest.mark.long) for each in COMMANDS]
)
def test_every_command_is_installed(assist: Application, installed: Program, command: str) -> None:
    spawned, called = installed(command, "--help"), assist(command, "--help")
    assert spawned.returncode == 0
    assert (called.returncode, called.stdout, called.stderr) == (0, spawned.stdout, spawned.stderr)


@pytest.mark.parametrize(
    "words",
    variants.every(
        2, [["run", "-f", "-"], ["quota", "-o", "json"], ["-v", "command", "--nonsense"], ["invocation", "show", "-"]]
    ),
)
def test_streams_and_status_are_the_same(assist: Application, installed: Program, words: list[str]) -> None:
    spawned, called = installed(*words, input=SCRIPT), assist(*words, input=SCRIPT)
    assert (called.returncode, called.stdout, called.stderr) == (spawned.returncode, spawned.stdout, spawned.stderr)


def test_the_process_of_the_tests_is_not_changed(assist: Application) -> None:
    def state() -> list[object]:
        return [
            *(sys.stdin, sys.stdout, sys.stderr, sys.argv, os.getcwd(), dict(os.environ)),  # noqa: PTH109
            *(logging.getLogger().handlers, logging.getLogger().level),
            *(signal.getsignal(number) for number in signal.valid_signals()),
        ]

    before = state()
    assert assist("-v", "invocation", "list", env={"NO_COLOR": "1"}).returncode == 0
    assert state() == before
