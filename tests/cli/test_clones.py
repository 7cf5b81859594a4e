"""Agents that are connected to the broker, and two with one identity: a machine that was cloned."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from assist_cli.operations.controller import open_controller
from tests.cli.test_dialling import broker, pos1
from tests.support import nats_place
from tests.support.application import Application
from tests.support.nats_place import HomeBroker
from tests.support.place import Place, furnish
from tests.support.program import Program

__all__ = ["broker", "pos1"]


@pytest.fixture
def clone(broker: HomeBroker, pos1: Place, tmp_path: Path) -> Iterator[Place]:
    """A copy of the agent of pos1, not started yet."""
    with open_controller(broker.home) as controller:
        made = furnish(tmp_path / "agentd.pyz", tmp_path / "copy", broker.home, controller.id)
    shutil.rmtree(made.agent.home)
    shutil.copytree(pos1.agent.home, made.agent.home, ignore=shutil.ignore_patterns("*.sock", "*.lock"))
    yield made
    made.agent.close()


def test_try(assist: Application, broker: HomeBroker, pos1: Place, clone: Place, tmp_path: Path) -> None:
    def p(*w):
        d = assist(*w)
        print("$", *w, "->", d.returncode)
        print(d.stdout.decode())
        print(d.stderr.decode())

    p("instance", "list")
    p("instance", "show", "pos1")
    p("instance", "list", "-o", "json")
    p("broker", "status")
    clone.agent.start()
    nats_place.wait_until_connected(clone)
    p("instance", "list")
    p("instance", "show", "pos1")
    p("instance", "list", "-o", "json")
    p("broker", "status")
    p("broker", "status", "-o", "json")
    for i in range(3):
        p("run", "-i", "pos1", "--", "true")
    p("doctor")
    p("run", "-i", "pos1", "--queue", "1h", "--", "true")
    p("queue", "list")
    p("doctor", "pos1")
    p("top", "--once")
    broker.kill()
    p("instance", "list")
    p("instance", "show", "pos1")
    p("instance", "list", "-o", "json")
