"""Agents that dial out to the broker of the home: the whole life of one, over a real broker and a real sshd."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from assist_cli.operations.controller import open_controller
from assist_cli.paths import Home
from tests.support import nats_place, processes, sshd
from tests.support.application import Application
from tests.support.nats_place import HomeBroker
from tests.support.sshd import Sshd


@pytest.fixture
def server(starts_processes: None, isolation: Path, no_leaks: None) -> Iterator[Sshd]:
    with sshd.serving(isolation / "sshd") as running:
        yield running
        processes.stop_guarded(running.agent)


@pytest.fixture
def broker(assist: Application, home: Path, starts_processes: None) -> Iterator[HomeBroker]:
    """The running broker of the home."""
    with open_controller(Home(home)) as controller:
        name = controller.id
    with nats_place.running(Home(home), name) as running:
        yield running


def test_an_agent_that_dials_lives_without_ssh(assist: Application, broker: HomeBroker, server: Sshd) -> None:
    """Installation over SSH; run, send, stop, upgrade and removal through the broker alone."""
    done = assist("instance", "install", server.place, "--name", "pos1", "--dial")
    assert done.returncode == 0, done.stderr
    instance = done.stdout.split()[1].decode()
    logins = server.logins()
    assert json.loads(assist("instance", "show", "pos1", "-o", "json").stdout)["Address"] == f"nats:{instance}"
    pki = server.agent / "pki"
    assert {each.name: each.stat().st_mode & 0o777 for each in pki.iterdir()} == dict.fromkeys(
        ("ca.pem", "agent.pem", "agent.key", "broker-ca.pem", "agent.jwt"), 0o600
    )

    ran = assist("run", "-i", "pos1", "--", "echo", "hello")
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, b"hello\n", b"")

    before = (pki / "agent.jwt").read_text(), (pki / "agent.pem").read_text()
    upgraded = assist("-q", "instance", "upgrade", "pos1", "--rotate", "-o", "json")
    assert (upgraded.returncode, upgraded.stderr) == (0, b""), upgraded
    assert all(old != new for old, new in zip(before, ((pki / "agent.jwt").read_text(), (pki / "agent.pem").read_text()), strict=True))

    gone = assist("instance", "uninstall", "pos1")
    assert (gone.returncode, gone.stderr.endswith(b"Uninstalled: pos1\n")) == (0, True), gone
    assert not server.agent.exists()
    assert server.logins() == logins
