"""A broker fails during a run: nothing runs twice, every outcome is true, and the fleet is back by itself in time.

Real agents, real ``assist``, and both versions of nats-server. The agents ping each second here, not each minute.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timezone
from pathlib import Path

import pytest

from assist_cli.agents.broker_folder import BrokerAddress
from assist_cli.deploy import pki
from assist_cli.deploy.broker import admission
from assist_cli.paths import Home
from tests.support import nats_fleet
from tests.support.effects import assert_consistent, assert_true, script, settled
from tests.support.nats_fleet import NatsFleet
from tests.support.program import Program

pytestmark = [pytest.mark.long, pytest.mark.timeout(300)]

COUNT = 6
GUARD = 120.0
BACK = 20.0  # seconds in which the fleet is back
OUTPUT = b"begun\nended\n"


@pytest.fixture
def fleet(home: Path, server: Path) -> Iterator[NatsFleet]:
    with nats_fleet.enlisted(home, COUNT, program=server) as made:
        yield made


def assert_survives(fleet: NatsFleet, installed: Program, fault: Callable[[], object]) -> None:
    """Check that a run with a fault in it is complete, and that the next one is fine soon."""
    found = fleet.run_during(installed, fault)
    assert len(found) == COUNT
    assert_true(found, fleet.effects, OUTPUT, undelivered=())
    assert fleet.wait() < BACK
    done = installed("run", "--all", "--", "true")
    assert done.returncode == 0, done.stderr
    assert_consistent(fleet.home)


def test_a_broker_that_is_killed(fleet: NatsFleet, installed: Program) -> None:
    def fault() -> None:
        fleet.broker.kill()
        fleet.broker.start()

    assert_survives(fleet, installed, fault)


@pytest.mark.usefixtures("starts_processes")
def test_a_broker_that_stands_still_for_30_s(home: Path, installed: Program) -> None:
    with nats_fleet.enlisted(home, COUNT) as fleet:

        def fault() -> None:
            with fleet.broker.frozen():
                time.sleep(30)  # the fault

        assert_survives(fleet, installed, fault)


def test_a_broker_with_other_keys_admits_nobody_until_it_has_the_right_ones(
    fleet: NatsFleet, installed: Program, isolation: Path
) -> None:
    """It is restarted with the accounts of another home, and then with its own again."""
    other, now = Home(isolation / "other"), datetime.now(timezone.utc)
    pki.prepare(other, "other", now)
    admission.create(other, "other", [BrokerAddress("127.0.0.1", 1)], now)
    admission.write_servers(other, now)
    foreign = other.broker / "servers" / "127.0.0.1-1" / "accounts.conf"
    files = {fleet.broker.folder / "accounts.conf": foreign.read_bytes()}
    assert_refused_with(fleet, installed, files, b"Authorization Violation")


def test_a_broker_with_the_certificate_of_a_stranger_is_not_used(
    fleet: NatsFleet, installed: Program, isolation: Path
) -> None:
    other, now = Home(isolation / "other"), datetime.now(timezone.utc)
    pki.prepare(other, "other", now)
    made = pki.broker_credentials(other, "other", "127.0.0.1", now)
    files = {
        fleet.broker.folder / "server.pem": made.certificate,
        fleet.broker.folder / "server.key": made.key,
    }
    assert_refused_with(fleet, installed, files, b"cannot trust the broker")


def assert_refused_with(fleet: NatsFleet, installed: Program, files: Mapping[Path, bytes], why: bytes) -> None:
    """Check that a broker that is restarted with foreign files is not used, and is again with its own ones."""

    def fault() -> None:
        kept = {path: path.read_bytes() for path in files}
        for each in (files, kept):
            for path, content in each.items():
                path.write_bytes(content)
            fleet.broker.kill()
            fleet.broker.start()
            if each is files:
                done = installed("run", "--all", "--", "true")
                assert done.returncode == 69, done.stderr
                assert why in done.stderr

    found = fleet.run_during(installed, fault)
    assert_true(
        [each for each in found if each.error_code != "ClientAuthFailed"], fleet.effects, OUTPUT, undelivered=()
    )
    assert fleet.wait() < BACK


def test_one_of_two_brokers_that_is_killed_loses_nothing(home: Path, server: Path, installed: Program) -> None:
    with nats_fleet.enlisted(home, COUNT, program=server, brokers=2) as fleet:
        for broker in fleet.brokers:
            found = fleet.run_during(installed, broker.kill)
            assert_true(found, fleet.effects, OUTPUT, undelivered=())
            broker.start()
            assert fleet.wait() < BACK
        done = installed("run", "--all", "--", "true")
        assert done.returncode == 0, done.stderr
        assert_consistent(home)


def test_deliveries_while_the_broker_dies_and_returns(fleet: NatsFleet, installed: Program) -> None:
    """Each run begins at another moment of it. Records fail or finish, and say which."""
    several = []
    for _ in range(6):
        several.append(installed.start("run", "--all", "-c", script(fleet.effects)))
        fleet.broker.kill()
        fleet.broker.start()
    for running in several:
        running.communicate(timeout=GUARD)
    assert_true(settled(fleet.home), fleet.effects, undelivered=("ClientNotOnline", "ClientNotRunning"))
    assert fleet.wait() < BACK
    assert_consistent(fleet.home)


@pytest.mark.soak
@pytest.mark.timeout(3600)
def test_a_hundred_kills_under_load(fleet: NatsFleet, installed: Program) -> None:
    """Runs without a pause, each of which a kill meets at some moment."""
    chance = random.Random(2026)
    for _ in range(100):
        several = []
        for _ in range(2):
            body = script(fleet.effects, f"sleep 0.{chance.randrange(10)}; echo done")
            several.append(installed.start("run", "--all", "-c", body))
            time.sleep(chance.random())  # the moment
        fleet.broker.kill()
        fleet.broker.start()
        for running in several:
            running.communicate(timeout=GUARD)
        assert fleet.wait() < BACK
    assert_true(settled(fleet.home), fleet.effects, undelivered=("ClientNotOnline", "ClientNotRunning"))
    assert_consistent(fleet.home)
