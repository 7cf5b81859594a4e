"""Fifty concurrent processes create a command each, with room for some of them."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter

import pytest

from assist_cli.model.command import CommandVersion
from assist_cli.operations.commands import commands
from assist_cli.operations.controller import Controller
from assist_cli.store import audit
from assist_cli.store import commands as store

pytestmark = pytest.mark.usefixtures("starts_processes")

PROCESSES = 50
LIMIT = 40
BEFORE = 20

# Forks the processes, starts all of them together, and prints how each ended.
RACE = """
import os, sys
from assist_cli.errors import AssistError
from assist_cli.model.command import CommandVersion
from assist_cli.operations.commands import commands
from assist_cli.operations.controller import open_controller
from assist_cli.paths import home

starting, gun = os.pipe()
children = []
for number in range(int(sys.argv[1])):
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(gun)
        os.read(starting, 1)
        try:
            with open_controller(home()) as controller:
                commands.create(controller, f"racer-{number}", CommandVersion(b"true"))
            os.write(writing, b"created")
        except AssistError as error:
            os.write(writing, error.code.encode())
        os._exit(0)
    os.close(writing)
    children.append((pid, reading))
os.close(gun)
for pid, reading in children:
    os.waitpid(pid, 0)
    print(os.read(reading, 100).decode())
"""


def test_they_end_exactly_at_the_limit(controller: Controller) -> None:
    with controller.database.transaction() as transaction:
        store.set_limit(transaction, LIMIT)
    for number in range(BEFORE):
        commands.create(controller, f"old-{number}", CommandVersion(b"true"))
    race = subprocess.run(
        [sys.executable, "-c", RACE, str(PROCESSES)],
        env={"ASSIST_HOME": str(controller.home.root)},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    room = LIMIT - BEFORE
    assert Counter(race.stdout.split()) == {"created": room, "CommandCountExceedQuota": PROCESSES - room}
    assert store.count(controller.database) == LIMIT
    assert len(audit.entries(controller.database)) == LIMIT
