"""A token, a certificate or a clock is wrong during a run; and what a stranger at the broker can see."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from assist_cli.agents.broker_folder import BrokerAddress
from assist_cli.deploy import bundle, pki
from assist_cli.deploy.broker import admission, jwts
from assist_cli.deploy.broker.jwts import Permissions
from assist_cli.operations.controller import open_controller
from assist_cli.paths import Home
from tests.support import nats_fleet, nats_place
from tests.support.agent import eventually
from tests.support.application import Application
from tests.support.effects import assert_consistent, assert_true, script, settled
from tests.support.nats_fleet import NatsFleet
from tests.support.nats_user import NatsUser
from tests.support.place import furnish
from tests.support.program import Program, serving
from tests.support.programs import lack

pytestmark = [pytest.mark.long, pytest.mark.timeout(300)]

COUNT = 3
SOON = 30.0
OUTPUT = b"begun\nended\n"
FAKETIME = ("*/faketime/libfaketimeMT.so.1", "faketime/libfaketimeMT.so.1")


@pytest.fixture
def fleet(home: Path, server: Path) -> Iterator[NatsFleet]:
    with nats_fleet.enlisted(home, COUNT, program=server) as made:
        yield made


def restart(fleet: NatsFleet, *words: str) -> None:
    fleet.broker.kill()
    fleet.broker.start(*words)


def now() -> datetime:
    return datetime.now(timezone.utc)


def test_a_token_of_the_controller_that_expires_during_a_run_is_renewed(fleet: NatsFleet, installed: Program) -> None:
    """While it cannot be renewed, the run is not lost."""
    home = Home(fleet.home)
    with open_controller(home) as controller:
        name = controller.id
    path, joined = home.broker / "controller.jwt", home.broker / "joined"
    restart(fleet, "-D")
    fleet.wait()
    short = admission.user_token(home, name, Permissions.of_controller(name), now(), now() + timedelta(seconds=8))
    path.write_text(f"{short}\n")
    joined.touch()  # such a home renews nothing

    def fault() -> None:
        eventually(lambda: "User JWT no longer valid" in fleet.broker.log.read_text(), SOON)
        joined.unlink()

    found = fleet.run_during(installed, fault)
    assert_true(found, fleet.effects, OUTPUT, undelivered=())
    assert jwts.end_of(path.read_text().strip()) > now() + timedelta(days=700)


def test_a_token_of_an_agent_that_expires_or_is_revoked_ends_its_connection_and_a_new_one_admits_it(
    home: Path, installed: Program, assist: Application, starts_processes: None
) -> None:
    with nats_fleet.enlisted(home, COUNT) as fleet:
        lose_two(fleet, installed, assist)


def lose_two(fleet: NatsFleet, installed: Program, assist: Application) -> None:
    home = Home(fleet.home)
    expiring, revoked, other = fleet.agents.members

    def fault() -> None:
        done = assist("broker", "revoke", revoked.name)
        assert done.returncode == 0, done.stderr
        eventually(lambda: fleet.connected() == COUNT - 1, SOON)
        permissions = Permissions.of_agent(expiring.instance)
        token = admission.user_token(home, expiring.instance, permissions, now(), now() + timedelta(seconds=8))
        (expiring.home / "pki" / "agent.jwt").write_text(token)
        restart(fleet)
        eventually(lambda: fleet.connected() == COUNT - 1, SOON)
        eventually(lambda: fleet.connected() == COUNT - 2, SOON)
        refused = assist("run", "-i", expiring.name, "--", "true")
        assert refused.returncode == 69
        assert b"it is not connected to the broker" in refused.stderr
        refused = assist("run", "-i", revoked.name, "--", "true")
        assert refused.returncode == 69
        assert b"is revoked" in refused.stderr
        nats_place.furnish(expiring.home / "pki", home, expiring.instance)

    ran = fleet.run_during(installed, fault, "--timeout", "40")
    found = {each.instance_id: each for each in ran if each.id in fleet.effects.read_text()}
    for member in (expiring, other):
        record = found[member.instance]
        assert record.output is not None
        assert (record.status.value, record.output.data) == ("Finished", OUTPUT)
    assert found[revoked.instance].error_code == "ClientNotResponse", "nobody may ask it any more"
    assert_consistent(fleet.home)


@pytest.mark.parametrize("shift", ["-86400", "+86400"])
def test_a_clock_that_is_wrong_by_a_day_does_no_harm(
    shift: str, assist: Application, home: Path, tmp_path: Path, starts_processes: None
) -> None:
    library = next((found for each in FAKETIME for found in Path("/usr/lib").glob(each)), None) or lack("libfaketime")
    bundle.write(tmp_path / "agentd.pyz")
    with open_controller(Home(home)) as controller:
        name = controller.id
    with nats_place.running(Home(home), name) as broker:
        made = furnish(tmp_path / "agentd.pyz", tmp_path / "pos1", Home(home), name)
        nats_place.equip(made, broker, name)
        faked = {"LD_PRELOAD": str(library), "FAKETIME": shift, "FAKETIME_DONT_FAKE_MONOTONIC": "1"}
        made.agent.start(env={**os.environ, **faked})
        nats_place.wait_until_connected(made)
        assert assist("instance", "add", "pos1", f"nats:{made.instance}").returncode == 0
        try:
            begin = now()
            done = assist("run", "-i", "pos1", "--", "echo", "done")
            assert (done.returncode, done.stdout) == (0, b"done\n"), done.stderr
            shifted = begin + timedelta(seconds=int(shift))
            assert f"{shifted:%Y-%m-%dT}" in made.agent.log_text(), "the clock of the agent is wrong"
            (record,) = settled(home)
            assert record.finished is not None
            assert abs((record.finished - begin).total_seconds()) < 60 + 86400
        finally:
            made.agent.close()


def test_queued_records_wait_for_a_broker_that_has_the_wrong_keys(
    fleet: NatsFleet, assist: Application, installed: Program, isolation: Path
) -> None:
    """They are delivered when it has the right ones, one time."""
    other = Home(isolation / "other")
    pki.prepare(other, "other", now())
    admission.create(other, "other", [BrokerAddress("127.0.0.1", 1)], now())
    admission.write_servers(other, now())
    own = fleet.broker.folder / "accounts.conf"
    kept = own.read_bytes()
    own.write_bytes((other.broker / "servers" / "127.0.0.1-1" / "accounts.conf").read_bytes())
    restart(fleet)
    done = assist("run", "--all", "--queue", "1h", "-c", script(fleet.effects))
    assert done.returncode == 75, done.stderr
    assert b"Authorization Violation" in done.stderr
    with serving(installed):
        own.write_bytes(kept)
        restart(fleet)
        begin = time.monotonic()
        eventually(lambda: fleet.ran() == COUNT, SOON)
        assert time.monotonic() - begin < 20
        found = settled(fleet.home)
    assert_true(found, fleet.effects, undelivered=())
    assert_consistent(fleet.home)


@pytest.mark.usefixtures("starts_processes")
def test_a_schedule_fires_on_while_the_broker_dies_and_returns(home: Path, installed: Program) -> None:
    """A firing while it is down is reported, and fires on no instance; those before and after run one time."""
    with nats_fleet.enlisted(home, COUNT) as fleet:
        made = installed("run", "--all", "--every", "10s", "-c", script(fleet.effects))
        assert made.returncode == 0, made.stderr
        with serving(installed):
            eventually(lambda: fleet.ran() >= COUNT, SOON)
            settled(home)  # a run that is still in progress would make the server skip the next due time
            fleet.broker.kill()
            time.sleep(12)  # a due time passes
            fleet.broker.start()
            before = fleet.ran()
            eventually(lambda: fleet.ran() >= before + COUNT, 2 * SOON)
        found = settled(home)
        assert_true(found, fleet.effects, undelivered=["ClientNotOnline", "ClientNotRunning"])
        assert {each.status.value for each in found} == {"Finished", "Failed"}


def test_a_secret_is_in_nothing_that_a_broker_has(fleet: NatsFleet, installed: Program, isolation: Path) -> None:
    """A listener on all subjects, the log with every message, and the files of the broker."""
    restart(fleet, "-DV")
    fleet.wait()
    home = Home(fleet.home)
    everything = Permissions([">"], [">"])
    token = admission.user_token(home, "eve", everything, now(), now() + timedelta(hours=1))
    with open_controller(home) as controller:
        pem = pki.controller_credentials(home, controller.id, "eve", now())
    canary = "canary-7f3a9c51"
    heard: list[bytes] = []
    with NatsUser(fleet.broker.address.port, pem, token, isolation) as eve:
        eve.send(b"SUB > 1")
        assert eve.errors() == []
        done = installed(
            "-v", "run", "--all", "--secret", "word=env:WORD", "-c", f'echo "{canary} {{{{word}}}}"; echo {canary}-out',
            env={"WORD": f"{canary}-secret"},
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        assert canary.encode() in done.stdout
        (isolation / "file").write_text(canary)
        sent = installed("send", isolation / "file", "--all", "--to", isolation / "sent")
        assert (isolation / "sent" / "file").read_text() == canary, sent.stderr
        heard = eve.received()
    assert sum(map(len, heard)) > 5000, "it heard the circuits"
    found = {path: path.read_bytes() for path in fleet.broker.folder.iterdir() if path.is_file()}
    found |= {fleet.broker.log: fleet.broker.log.read_bytes(), Path("heard"): b"\n".join(heard)}
    found |= {member.home / "agentd.log": (member.home / "agentd.log").read_bytes() for member in fleet.agents.members}
    found[Path("stderr")] = done.stderr + sent.stderr
    for path, content in found.items():
        assert canary.encode() not in content, path
    assert b"assist.a." in found[fleet.broker.log], "it has the messages"
