"""``assist broker``: making a broker, running it, and shutting an instance out of it."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shutil
import signal
import stat
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from assist_cli.agents import broker_folder, revoked
from assist_cli.agents.broker import connect
from assist_cli.deploy import pki
from assist_cli.deploy.broker import admission, configuration
from assist_cli.errors import AgentError, Conflict
from assist_cli.operations.controller import Controller, open_controller, utc_now
from assist_cli.operations.observe import doctor
from assist_cli.operations.observe.metrics import expiry_times
from assist_cli.paths import Home
from tests.support import variants
from tests.support.application import Application
from tests.support.certificates import free_port
from tests.support.nats_user import BrokerRefusal, NatsUser, listens, programs, until
from tests.support.program import Program
from tests.support.programs import lack

ONE = "i-01kbdk5g8w3m9v6yx2r4hq7cne"


@pytest.fixture
def address() -> str:
    return f"tls://127.0.0.1:{free_port()}"


@pytest.fixture
def broker(assist: Application, home: Path, address: str) -> Home:
    """A home with a broker for this machine, which does not run."""
    done = assist("broker", "init", address)
    assert (done.returncode, done.stdout) == (0, b"")
    return Home(home)


@contextlib.contextmanager
def up(installed: Program, port: int, program: Path) -> Iterator[int]:
    """Run ``assist broker up`` with this nats-server; the process id of it."""
    process = installed.start("broker", "up", env={"PATH": f"{program.parent}:{os.environ['PATH']}"})
    until(lambda: listens(port))
    yield process.pid
    if process.poll() is None:
        process.terminate()
    assert process.wait(30) in (0, -signal.SIGKILL)
    until(lambda: not listens(port))


def port_of(home: Home) -> int:
    return broker_folder.settings(home).addresses[0].port


def agent(home: Home, scratch: Path, token: str | None = None) -> NatsUser:
    with open_controller(home) as controller:
        pem = pki.agent_credentials(home, controller.id, ONE, utc_now(), dials=True)
    return NatsUser(port_of(home), pem, token or admission.agent_token(home, ONE, utc_now()), scratch)


def check_life(installed: Program, broker: Home, scratch: Path, program: Path) -> None:
    """Run, query and kill a broker. An instance is shut out while it is connected."""
    token = admission.agent_token(broker, ONE, utc_now())
    with up(installed, port_of(broker), program) as pid, agent(broker, scratch, token) as connection:
        found = json.loads(installed("broker", "status", "-o", "json").stdout)
        assert found["Version"].split(".")[0] == "2"
        assert found.keys() == {"Address", "Version", "Connections", "Instances", "Uptime"}
        assert (found["Connections"], found["Instances"]) == (1, 1)
        done = installed("broker", "revoke", ONE)
        assert (done.returncode, b"applied" in done.stderr) == (0, True), done
        assert "Revoked" in connection.ending()
        with pytest.raises(BrokerRefusal):
            agent(broker, scratch, token)
        agent(broker, scratch).close()
        os.kill(pid, signal.SIGKILL)


def test_a_broker_runs_reports_and_dies_with_its_assist(installed: Program, broker: Home, tmp_path: Path) -> None:
    check_life(installed, broker, tmp_path, next(iter(programs().values()), None) or lack("nats-server"))


@pytest.mark.long
@pytest.mark.parametrize("name", ["debian", "wheel"])
def test_the_same_holds_in_each_version(installed: Program, broker: Home, tmp_path: Path, name: str) -> None:
    check_life(installed, broker, tmp_path, programs().get(name) or lack(f"the nats-server of {name}"))


@pytest.mark.long
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_the_broker(installed: Program, broker: Home, number: int) -> None:
    if not programs():
        lack("nats-server")
    process = installed.start("broker", "up")
    until(lambda: listens(port_of(broker)))
    second = installed("broker", "up")
    assert (second.returncode, b"runs from this home" in second.stderr) == (65, True)
    assert installed("broker", "uninstall", "--yes").returncode == 65
    process.send_signal(number)
    _, log = process.communicate(timeout=30)
    assert process.returncode == 0
    assert b"Server is ready" in log
    assert not listens(port_of(broker))
    for seed in broker.broker.glob("*.seed"):
        assert seed.read_bytes().strip() not in log


@pytest.mark.long
def test_a_broker_that_cannot_start_says_why(installed: Program, broker: Home) -> None:
    if not programs():
        lack("nats-server")
    path = admission.server_folder(broker, broker_folder.settings(broker).addresses[0])
    (path / configuration.KEY).write_bytes(b"damaged")
    done = installed("broker", "up")
    assert done.returncode == 74
    assert b"error: cannot run the broker: " in done.stderr


@pytest.mark.long
def test_a_second_controller_joins_and_is_shut_out(installed: Program, broker: Home, tmp_path: Path) -> None:
    assert installed("broker", "credentials", "night", "--out", "n").returncode == 0
    second = {"ASSIST_HOME": str(tmp_path / "second")}
    assert installed("broker", "join", "n", env=second).returncode == 0
    program = next(iter(programs().values()), None) or lack("nats-server")
    with up(installed, port_of(broker), program):
        assert installed("broker", "status", env=second).returncode == 0
        assert installed("broker", "revoke", "night").returncode == 0
        assert installed("broker", "status", env=second).returncode == 69
        (tmp_path / "n").unlink()
        assert installed("broker", "credentials", "night", "--out", "n").returncode == 0
        assert installed("broker", "join", "n", env=second).returncode == 0
        assert installed("broker", "status", env=second).returncode == 0


def test_a_cluster_has_a_folder_for_each_broker_and_a_copy_where_it_is_asked_for(
    assist: Application, home: Path, tmp_path: Path
) -> None:
    done = assist("broker", "init", "tls://b1.example.com", "tls://[2001:db8::5]:4300", "--out", "out")
    assert done.returncode == 0
    for text in (b"ssh root@b1.example.com ", b"port 6222 of b1.example.com", b"port 4300 of 2001:db8::5"):
        assert text in done.stderr
    names = {"b1.example.com-4222": "2001:db8::5", "2001_db8__5-4300": "b1.example.com"}
    for name, other in names.items():
        assert {each.name for each in (tmp_path / "out" / name).iterdir()} == set(configuration.FILES)
        assert other in (tmp_path / "out" / name / "nats-server.conf").read_text()
        for each in (tmp_path / "out" / name).iterdir():
            assert stat.S_IMODE(each.stat().st_mode) == 0o600
            assert each.read_bytes() == (home / "broker/servers" / name / each.name).read_bytes()


@pytest.mark.parametrize(
    ("words", "status", "text"),
    [
        ((), 2, "no address given"),
        (("--renew", "tls://x"), 2, "cannot both renew"),
        (("--renew",), 65, "this home has none"),
        (("broker.example.com",), 65, "does not begin with tls://"),
        (("nats://x",), 65, "is not tls://HOST[:PORT]"),
        (("tls://x:0",), 65, "0 is not a port"),
        (("tls://x:70000",), 65, "70000 is not a port"),
        (("tls://a_b",), 65, "'a_b' is not a host name"),
        (("tls://::1",), 65, "an IPv6 address needs brackets"),
        (("tls://1.2.3",), 65, "'1.2.3' is not an IP address"),
        (("tls://0.0.0.0",), 65, "agents cannot connect to 0.0.0.0"),
        (("tls://x", "tls://X:4222"), 65, "given twice"),
        (("tls://x", "tls://y:64000"), 65, "66000 is not one"),
        (("tls://x", "--out", "file"), 74, "Not a directory"),
        (("tls://x", "--out", "other"), 65, "it has other files, such as 'mine'"),
    ],
)
def test_bad_input_is_refused_and_makes_nothing(
    assist: Application, home: Path, tmp_path: Path, words: tuple[str, ...], status: int, text: str
) -> None:
    (tmp_path / "file").write_text("")
    (tmp_path / "other").mkdir()
    (tmp_path / "other/mine").write_text("")
    done = assist("broker", "init", *words)
    assert (done.returncode, text in done.stderr.decode()) == (status, True), done.stderr
    assert not (home / "broker").exists()


def test_without_a_broker_the_other_commands_say_so(assist: Application, home: Path) -> None:
    for words in (("up",), ("status",), ("revoke", "web1"), ("credentials", "x"), ("uninstall", "--yes")):
        done = assist("broker", *words)
        assert (done.returncode, done.stderr.count(b"\n")) == (65, 2), words
        assert b"error: cannot use the broker: this home has none\nhint: " in done.stderr
    assert not (home / "broker").exists()


def test_a_broker_is_made_one_time_and_renewed_at_will(assist: Application, broker: Home, address: str) -> None:
    before = {each.name: each.read_bytes() for each in broker.broker.glob("*") if each.is_file()}
    again = assist("broker", "init", "tls://other.example.com")
    assert (again.returncode, address.encode() in again.stderr) == (65, True)
    assert {each.name: each.read_bytes() for each in broker.broker.glob("*") if each.is_file()} == before
    folder = admission.server_folder(broker, broker_folder.settings(broker).addresses[0])
    certificate = (folder / configuration.CERTIFICATE).read_bytes()
    assert assist("broker", "init", "--renew").returncode == 0
    assert (folder / configuration.CERTIFICATE).read_bytes() != certificate
    for name in ("operator.seed", "fleet.seed", "broker.json", "cluster.password"):
        assert (broker.broker / name).read_bytes() == before[name]


def test_a_broker_that_does_not_run_is_a_status(assist: Application, broker: Home) -> None:
    done = assist("broker", "status", "-o", "json")
    assert done.returncode == 69
    assert json.loads(done.stdout)["Version"] is None
    assert b"nothing listens there" in done.stderr


def test_up_refuses_an_address_that_is_not_of_this_home(assist: Application, broker: Home) -> None:
    done = assist("broker", "up", "tls://elsewhere.example.com")
    assert (done.returncode, b"this home has one at" in done.stderr) == (65, True)


def test_up_says_how_to_get_a_missing_or_newer_server(
    installed: Program, broker: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = tmp_path / "nats-server"
    for text, expected in (("nats-server: v2.8.4", b"a broker needs version 2.9"), ("hello", b"and this is 'hello'")):
        old.write_text(f"#!/bin/sh\necho {text}\n")
        old.chmod(0o755)
        done = installed("broker", "up", env={"PATH": f"{tmp_path}:{os.environ['PATH']}"})
        assert (done.returncode, expected in done.stderr, b"assist-cli[broker]" in done.stderr) == (74, True, True)


class Stranger(asyncio.Protocol):
    """A server that greets, and keeps what it is sent."""

    def __init__(self, greeting: bytes) -> None:
        self._greeting = greeting
        self.received = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        transport.write(self._greeting)

    def data_received(self, data: bytes) -> None:
        self.received += data


@pytest.mark.parametrize(
    ("greeting", "expected"),
    variants.every(
        3,
        [
            (b'INFO {"tls_required": false}\r\n', "does not offer TLS"),
            (b'INFO {"tls_required": true}\r\nPONG\r\nPON', "no answer in"),
            (b"SSH-2.0-OpenSSH\r\n", "not a broker of this home"),
            (b"INFO 1\r\n", "not a broker of this home"),
            (b"x" * 70000, "not a broker of this home"),
            (b"", "no answer in"),
        ],
    ),
)
def test_what_is_no_broker_gets_no_token(broker: Home, greeting: bytes, expected: str) -> None:
    address = broker_folder.settings(broker).addresses[0]
    stranger = Stranger(greeting)

    async def reach() -> None:
        server = await asyncio.get_running_loop().create_server(lambda: stranger, "127.0.0.1", address.port)
        async with server:
            await connect(broker, address, "secret.token", 1.0)

    with pytest.raises(AgentError, match=expected):
        asyncio.run(reach())
    assert b"secret" not in stranger.received


def test_credentials_are_one_private_file_that_makes_a_home(
    assist: Application, broker: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert assist("broker", "credentials", "night").returncode == 0
    file = tmp_path / "night.credentials"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert not any(seed.read_text().strip() in file.read_text() for seed in broker.broker.glob("*.seed"))
    assert assist("broker", "credentials", "night").returncode == 65
    for name in ("a b", "", "x" * 65, ONE[:6], "é"):
        assert assist("broker", "credentials", name, "--out", "x").returncode == 65, name
    assert assist("broker", "join", str(file)).returncode == 65  # a home that is in use
    monkeypatch.setenv("ASSIST_HOME", str(tmp_path / "rest"))
    shutil.copytree(broker.pki, tmp_path / "rest/pki")  # a home that lost its database, and has an authority
    (tmp_path / "rest").chmod(0o700)
    kept = (tmp_path / "rest/pki/ca.pem").read_bytes()
    assert assist("broker", "join", str(file)).returncode == 65
    assert (tmp_path / "rest/pki/ca.pem").read_bytes() == kept
    assert not (tmp_path / "rest/broker/joined").exists()
    monkeypatch.setenv("ASSIST_HOME", str(tmp_path / "new"))
    assert assist("broker", "join", str(file)).returncode == 0
    assert assist("broker", "join", str(file)).returncode == 0
    home = Home(tmp_path / "new")
    with open_controller(home) as controller:
        assert controller.id == broker_folder.settings(home).controller == "night"
        assert all(each.ok for each in doctor.examine(home).checks)
        pki.prepare(home, controller.id, utc_now() + pki.LIFETIME)
        with pytest.raises(Conflict, match="has joined"):
            pki.agent_credentials(home, controller.id, ONE, utc_now())
    for words in (("init", "tls://x"), ("init", "--renew"), ("credentials", "y"), ("revoke", "web1"), ("up",)):
        assert assist("broker", *words).returncode == 65, words
    again = assist("broker", "init", "tls://x")
    assert b"this home has joined it\nhint: do that in the home that made" in again.stderr
    refused = assist("instance", "enroll", "--out", "file")
    assert b"install agents for it: this home has joined it\nhint: do that in the home that made" in refused.stderr
    assert assist("broker", "uninstall", "--yes").returncode == 0
    assert not home.broker.exists()
    assert not (home.pki / "ca.pem").exists()
    for damaged in (
        b"",
        b"{}",
        b"[]",
        b'{"version": 1}',
        b'{"version": 1, "broker": {"accounts": 1}}',
        b"\xff",
        b"[" * 99999,
    ):
        (tmp_path / "damaged").write_bytes(damaged)
        assert assist("broker", "join", "damaged").returncode == 65


def test_a_name_that_cannot_be_revoked_is_refused_with_the_controllers(assist: Application, broker: Home) -> None:
    assert assist("broker", "credentials", "night").returncode == 0
    done = assist("broker", "revoke", "nihgt")
    assert done.returncode == 66
    assert b"cannot find an instance or a second controller 'nihgt'" in done.stderr
    assert b"controllers: night" in done.stderr


def test_the_doctor_names_a_broker_that_does_not_run_before_an_agent_needs_it(
    assist: Application, broker: Home
) -> None:
    done = assist("doctor")
    assert (done.returncode, b"no instance dials out yet; cannot reach a broker at" in done.stdout) == (0, True)


def test_a_broker_is_removed_after_a_question(assist: Application, broker: Home) -> None:
    done = assist("broker", "uninstall")
    assert (done.returncode, b"keys and tokens" in done.stderr) == (65, True)
    assert broker_folder.exists(broker)
    done = assist("broker", "uninstall", "--yes")
    assert (done.returncode, b"install.sh --remove" in done.stderr) == (0, True)
    assert not broker.broker.exists()
    assert assist("broker", "init", "tls://x").returncode == 0


def test_a_backup_has_keys_and_revocations_and_a_restored_home_can_write_the_files_again(
    assist: Application, broker: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert assist("broker", "revoke", ONE).returncode == 1  # the broker does not run
    before = {each.name: each.read_bytes() for each in broker.broker.glob("*") if each.is_file() if each.name != "lock"}
    assert assist("backup", "file").returncode == 0
    monkeypatch.setenv("ASSIST_HOME", str(tmp_path / "new"))
    assert assist("restore", "file").returncode == 0
    home = Home(tmp_path / "new")
    after = {each.name: each for each in home.broker.glob("*") if each.is_file()}
    assert {name: path.read_bytes() for name, path in after.items()} == before
    assert {stat.S_IMODE(path.stat().st_mode) for path in after.values()} == {0o600}
    assert assist("broker", "init", "--renew").returncode == 0
    assert len(admission.revocations(home, broker_folder.FLEET)) == 1
    assert revoked.read(home)[ONE].is_closed


def test_the_doctor_and_the_metrics_see_what_expires(broker: Home) -> None:
    def wrong(moment: timedelta) -> set[str]:
        with open_controller(broker) as opened:
            controller = Controller(broker, opened.database, now=lambda: utc_now() + moment)
            return {each.name for each in doctor.examine_controller(controller) if not each.ok}

    (address,) = broker_folder.settings(broker).addresses
    assert wrong(timedelta(0)) == set()
    month = pki.LIFETIME - timedelta(days=29)
    assert wrong(month) == {"controller certificate", "broker token", f"broker certificate {address}"}
    assert "broker accounts" in wrong(pki.AUTHORITY_LIFETIME - timedelta(days=29))
    names = {"authority certificate", "controller certificate", "broker accounts", "broker token"}
    assert expiry_times(broker).keys() == {*names, f"broker certificate {address}"}
    (broker.broker / "fleet.jwt").write_text("damaged")
    assert "certificates" in wrong(timedelta(0))
    assert expiry_times(broker) == {}


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("broker.json", b"{}"),
        ("broker.json", b"\xff"),
        ("fleet.seed", None),
        ("fleet.seed", b"\xff"),
        ("fleet.jwt", None),  # it has the revocations
        ("fleet.jwt", b"{}"),
        ("operator.seed", b""),
        ("cluster.password", None),
    ],
)
def test_damaged_files_are_named(assist: Application, broker: Home, name: str, content: bytes | None) -> None:
    path = broker.broker / name
    path.unlink() if content is None else path.write_bytes(content)
    done = assist("broker", "init", "--renew")
    assert (done.returncode, b"Traceback" in done.stderr) == (74, False), done.stderr
    assert done.stderr.startswith(b"error: cannot ")
