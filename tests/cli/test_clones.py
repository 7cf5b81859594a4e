"""Agents that are connected to the broker, and two with one identity: a machine that was cloned."""

from __future__ import annotations

import asyncio
import contextlib
import json
import shutil
import time
from collections.abc import Iterator
from datetime import datetime, timezone
from pathlib import Path
from urllib.request import urlopen

import pytest

from assist_cli.model.presence import BrokerLink, Presence
from assist_cli.operations.broker import presence
from assist_cli.operations.controller import open_controller
from assist_cli.operations.server import clones
from assist_cli.paths import Home
from tests.support import nats_place
from tests.support.agent import eventually
from tests.support.application import Application
from tests.support.certificates import free_port
from tests.support.nats_place import HomeBroker
from tests.support.place import INSTANCE, Place, furnish
from tests.support.program import Program

NOW = datetime(2026, 11, 29, tzinfo=timezone.utc)


@pytest.fixture
def clone(broker: HomeBroker, pos1: Place, tmp_path: Path) -> Iterator[Place]:
    """A copy of the agent of pos1, not started yet."""
    with open_controller(broker.home) as controller:
        made = furnish(tmp_path / "agentd.pyz", tmp_path / "copy", broker.home, controller.id)
    shutil.rmtree(made.agent.home)
    shutil.copytree(pos1.agent.home, made.agent.home, ignore=shutil.ignore_patterns("*.sock", "*.lock"))
    yield made
    made.agent.close()


@pytest.mark.long
def test_a_clone_is_named_and_nothing_runs_on_either(
    assist: Application, broker: HomeBroker, pos1: Place, clone: Place, tmp_path: Path
) -> None:
    (alone,) = json.loads(assist("instance", "list", "-o", "json").stdout)
    assert (alone["Connected"], len(alone["ConnectedFrom"])) == (True, 1)
    clone.agent.start()
    nats_place.wait_until_connected(clone)

    ran = assist("run", "-i", "pos1", "-c", f"echo ran >> {tmp_path}/ran")
    assert ran.returncode == 69
    assert b"Failed (ClientAuthFailed): cannot use the agent" in ran.stderr
    assert b"two agents use its identity, because a machine was cloned" in ran.stderr
    assert not (tmp_path / "ran").exists()
    (both,) = json.loads(assist("instance", "list", "-o", "json").stdout)
    assert (both["Connected"], len(both["ConnectedFrom"])) == (True, 2)
    assert both["ConnectedSince"] == alone["ConnectedSince"]
    for words, status in (
        (["instance", "list"], 0),
        (["instance", "show", "pos1"], 0),
        (["broker", "status"], 0),
        (["doctor"], 1),
    ):
        done = assist(*words)
        assert done.returncode == status, done
        text = b"2 agents use its identity, from " + ", ".join(both["ConnectedFrom"]).encode()
        assert text in done.stdout + done.stderr, words
        assert b"assist instance install HOST --rotate" in done.stdout + done.stderr, words

    queued = assist("run", "-i", "pos1", "--queue", "1h", "-c", f"echo ran >> {tmp_path}/ran")
    assert queued.returncode == 75
    clone.agent.kill()
    assert assist("serve", "--once").returncode == 0
    assert (tmp_path / "ran").read_text() == "ran\n"


@pytest.mark.long
def test_a_clone_that_comes_during_a_run_ends_it_and_the_result_is_corrected(
    assist: Application, installed: Program, broker: HomeBroker, pos1: Place, clone: Place, tmp_path: Path
) -> None:
    script = f"echo begun | tee -a {tmp_path}/begun; until [ -e {tmp_path}/end ]; do sleep 0.05; done; echo ended"
    with installed.start("run", "-i", "pos1", "-c", script) as running:
        eventually((tmp_path / "begun").exists)
        clone.agent.start()
        assert running.stderr is not None
        _, stderr = running.communicate(timeout=30)
    assert running.returncode == 1
    assert b"two agents use its identity, because a machine was cloned; it may have run" in stderr
    clone.agent.kill()
    (tmp_path / "end").touch()

    def corrected() -> bool:
        (each,) = json.loads(assist("invocation", "show", "-", "-o", "json").stdout)["InvokeInstances"]
        return bool(each["InvocationStatus"] == "Finished" and each["Output"] == "begun\nended\n")

    eventually(corrected)
    assert (tmp_path / "begun").read_text() == "begun\n"


@pytest.mark.long
def test_the_server_logs_a_clone_one_time(
    assist: Application, installed: Program, broker: HomeBroker, pos1: Place, clone: Place
) -> None:
    with open_controller(broker.home) as controller:
        found = asyncio.run(presence.ask(controller))
        assert clones.note(controller, frozenset(), found) == frozenset()
    clone.agent.start()
    nats_place.wait_until_connected(clone)
    with installed.start("serve", "--metrics", f"127.0.0.1:{(port := free_port())}") as serving:
        assert serving.stderr is not None
        while b"pos1: 2 agents use its identity" not in (line := serving.stderr.readline()):
            assert line

        def figures() -> str:
            with contextlib.suppress(OSError), urlopen(f"http://127.0.0.1:{port}/metrics") as answer:
                return str(answer.read().decode())
            return ""

        eventually(lambda: 'assist_instance_connections{instance="pos1"} 2.0' in figures())
        assert 'assist_instance_connected_timestamp_seconds{instance="pos1"}' in figures()
        serving.kill()


def test_each_change_is_logged_one_time(home: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    one, two = (BrokerLink(NOW, f"10.0.0.{each}:4000", "tls://b1:4222") for each in (1, 2))
    found = Presence({INSTANCE: (one, two)}, frozenset({INSTANCE}))
    with open_controller(Home(home)) as controller:
        known = clones.note(controller, frozenset(), found)
        known = clones.note(controller, known, found)
        known = clones.note(controller, known, Presence(unknown="no answer"))
        assert known == {INSTANCE}
        assert clones.note(controller, known, Presence({INSTANCE: (one,)})) == frozenset()
    first, second = (record.getMessage() for record in caplog.records if INSTANCE in record.getMessage())
    assert first.startswith(f"{INSTANCE}: 2 agents use its identity, from 10.0.0.1:4000, 10.0.0.2:4000: a machine was")
    assert second == f"{INSTANCE}: one agent uses its identity again"


@pytest.mark.long
def test_who_is_connected_is_unknown_without_the_broker(assist: Application, broker: HomeBroker, pos1: Place) -> None:
    broker.kill()
    listed = assist("instance", "list")
    assert listed.returncode == 0
    assert b" unknown " in listed.stdout
    assert b"It is unknown who is connected: cannot reach a broker at " in listed.stderr
    (found,) = json.loads(assist("instance", "list", "-o", "json").stdout)
    assert (found["Connected"], found["ConnectedSince"], found["ConnectedFrom"]) == (None, None, None)


@pytest.mark.long
def test_a_broker_that_hangs_costs_two_seconds(assist: Application, broker: HomeBroker, pos1: Place) -> None:
    with broker.frozen():
        begin = time.monotonic()
        listed = assist("instance", "list")
        assert time.monotonic() - begin < 10
    assert b"no answer in 2 s" in listed.stderr
    assert listed.returncode == 0
