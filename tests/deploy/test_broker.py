"""A real nats-server with the configuration that we write: who may connect, and what each may do."""

from __future__ import annotations

import contextlib
import signal
import stat
import subprocess
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from assist_cli.agents import broker_folder
from assist_cli.agents.broker_folder import FLEET, BrokerAddress
from assist_cli.deploy import pki
from assist_cli.deploy.broker import admission, configuration, jwts
from assist_cli.deploy.broker.jwts import Permissions
from assist_cli.deploy.broker.nkeys import Key, KeyKind
from assist_cli.deploy.pki import Credentials
from assist_cli.paths import Home
from tests.support.certificates import free_port
from tests.support.nats_user import BrokerRefusal, NatsUser, programs, served, until
from tests.support.programs import lack, need

ONE, TWO = "i-01kbdk5g8w3m9v6yx2r4hq7cne", "i-01kbdk5g8w3m9v6yx2r4hq7cnf"
CONTROLLER = "c0ffee"


@dataclass
class Fleet:
    """A home with a broker for the port ``port`` of this machine, which is not started."""

    home: Home
    port: int
    scratch: Path

    @property
    def now(self) -> datetime:
        return datetime.now(timezone.utc)

    @property
    def folder(self) -> Path:
        (address,) = broker_folder.settings(self.home).addresses
        return admission.server_folder(self.home, address)

    def agent(self, instance: str, token: str | None = None) -> NatsUser:
        pem = pki.agent_credentials(self.home, CONTROLLER, instance, self.now, dials=True)
        return self.user(pem, token or admission.agent_token(self.home, instance, self.now))

    def controller(self, name: str = CONTROLLER) -> NatsUser:
        pem = pki.controller_credentials(self.home, CONTROLLER, name, self.now)
        return self.user(pem, admission.controller_token(self.home, name, self.now))

    def user(self, pem: Credentials | None, token: str) -> NatsUser:
        return NatsUser(self.port, pem, token, self.scratch)


@pytest.fixture
def fleet(isolation: Path) -> Fleet:
    home, port, now = Home(isolation / "assist"), free_port(), datetime.now(timezone.utc)
    pki.prepare(home, CONTROLLER, now)
    admission.create(home, CONTROLLER, [BrokerAddress("127.0.0.1", port)], now)
    admission.write_servers(home, now)
    scratch = isolation / "scratch"
    scratch.mkdir()
    return Fleet(home, port, scratch)


@pytest.fixture(params=["debian", "wheel"])
def each_server(request: pytest.FixtureRequest, starts_processes: None) -> Path:
    """The path of nats-server, for each version that is here."""
    return programs().get(request.param) or lack(f"the nats-server of {request.param}")


def refused(user: NatsUser, *lines: bytes) -> bool:
    user.send(*lines)
    return any("Permissions Violation" in error for error in user.errors())


FOREIGN = [
    f"assist.a.{ONE}.s", f"assist.a.{TWO}.s", f"assist.c.{CONTROLLER}.{TWO}.s", f"assist.up.{TWO}", "assist.up.x",
    "assist.c.x", "$SYS.REQ.SERVER.PING.VARZ", "$SYS.REQ.USER.INFO", "$JS.API.INFO", "_INBOX.a", "anything",
    f"assist.c.{CONTROLLER}.{TWO}", f"assist.up.{ONE}.s", "assist.up", "_R_.a", "$MQTT.sub.a", "$KV.a.b",
    "$SYS.REQ.ACCOUNT.PING.CONNZ", "$SYS.REQ.ACCOUNT.A.CLAIMS.UPDATE",
]  # fmt: skip
OTHERS = [
    ">", "*", "assist.>", "assist.a.>", "assist.a.*.s", f"assist.a.{TWO}.>", "assist.c.>", "assist.up.*",
    f"assist.c.{CONTROLLER}.{ONE}.>", "$SYS.>", "_INBOX.>",
    "*.>", "*.*.*.*", "assist.a.*.>", f"assist.*.{ONE}.>", f"assist.a.{ONE}", f"assist.c.*.{ONE}.>", "_R_.>", "$JS.>",
]  # fmt: skip


def check_rights(fleet: Fleet) -> None:
    """An agent may use its own subjects, and no other. A controller gets its messages."""
    with fleet.agent(ONE) as one, fleet.controller() as controller:
        assert not refused(one, b"SUB assist.a.%s.> 1" % ONE.encode())
        assert not refused(controller, b"SUB assist.c.%s.> 1" % CONTROLLER.encode(), b"SUB assist.up.* 2")
        assert not refused(one, b"PUB assist.c.%s.%s.s 2" % (CONTROLLER.encode(), ONE.encode()), b"up")
        assert not refused(one, b"PUB assist.up.%s 2" % ONE.encode(), b"hi")
        heard = controller.received()
        while b"hi" not in heard:
            heard += controller.received()
        assert b"up" in heard
        for subject in FOREIGN:
            assert refused(one, b"PUB %s 1" % subject.encode(), b"x"), subject
        for subject in OTHERS:
            assert refused(one, b"SUB %s 9" % subject.encode()), subject
            assert refused(one, b"SUB %s group 9" % subject.encode()), subject
        for subject in (f"assist.c.{CONTROLLER}.{ONE}.s", f"assist.up.{ONE}", "$SYS.REQ.SERVER.PING"):
            assert refused(controller, b"PUB %s 1" % subject.encode(), b"x"), subject
        for subject in ("assist.a.>", "assist.c.>", "assist.c.other.>", ">"):
            assert refused(controller, b"SUB %s 9" % subject.encode()), subject
        assert not refused(controller, b"PUB assist.a.%s.s 1" % ONE.encode(), b"x")


@pytest.mark.usefixtures("starts_processes")
def test_each_user_may_use_its_own_subjects_only(fleet: Fleet) -> None:
    program = next(iter(programs().values()), None) or lack("nats-server")
    with served(program, fleet.folder, fleet.port):
        check_rights(fleet)


@pytest.mark.long
def test_the_same_holds_in_each_version(fleet: Fleet, each_server: Path) -> None:
    with served(each_server, fleet.folder, fleet.port):
        check_rights(fleet)
        assert b"[ERR] Error" not in (fleet.folder / "log").read_bytes()


@pytest.mark.long
def test_strangers_are_refused(fleet: Fleet, each_server: Path, isolation: Path) -> None:
    """Without the right certificate or with a token that was not signed for it, nobody gets in."""
    other, now = Home(isolation / "other"), fleet.now
    pki.prepare(other, CONTROLLER, now)
    admission.create(other, CONTROLLER, [BrokerAddress("127.0.0.1", 1)], now)
    good = pki.agent_credentials(fleet.home, CONTROLLER, ONE, now, dials=True)
    token = admission.agent_token(fleet.home, ONE, now)
    foreign = pki.agent_credentials(other, CONTROLLER, ONE, now, dials=True).replace(authority=good.authority)
    permissions = Permissions.of_agent(ONE)
    head, _, signature = token.split(".")
    tokens = {
        "none": "",
        "of another fleet": admission.agent_token(other, ONE, now),
        "expired": admission.user_token(fleet.home, ONE, permissions, now - timedelta(days=2), now - timedelta(days=1)),
        "signed by itself": jwts.user(Key.new(KeyKind.ACCOUNT), ONE, permissions, now, now + timedelta(days=1)),
        "changed": f"{head}.{admission.controller_token(fleet.home, CONTROLLER, now).split('.')[1]}.{signature}",
        "of an account": admission.account_token(fleet.home, FLEET),
    }
    server_only = pki.agent_credentials(fleet.home, CONTROLLER, ONE, now)
    with served(each_server, fleet.folder, fleet.port):
        fleet.user(good, token).close()
        for what, wrong in tokens.items():
            with pytest.raises(BrokerRefusal):
                fleet.user(good, wrong)
                pytest.fail(what)
        for pem in (None, foreign, server_only):
            with pytest.raises(BrokerRefusal):
                fleet.user(pem, token)


@pytest.mark.long
def test_a_token_that_expires_ends_its_connection(fleet: Fleet, each_server: Path) -> None:
    pem = pki.agent_credentials(fleet.home, CONTROLLER, ONE, fleet.now, dials=True)
    soon = fleet.now + timedelta(seconds=3)
    token = admission.user_token(fleet.home, ONE, Permissions.of_agent(ONE), fleet.now, soon)
    with served(each_server, fleet.folder, fleet.port), fleet.user(pem, token) as user:
        assert "Expired" in user.ending()

        def is_refused() -> bool:
            try:
                with fleet.user(pem, token):
                    return False  # still in the second of its expiry
            except BrokerRefusal:
                return True

        until(is_refused)


@pytest.mark.long
def test_a_revocation_ends_the_connection_on_reload_and_a_new_token_is_accepted(
    fleet: Fleet, each_server: Path
) -> None:
    token = admission.agent_token(fleet.home, ONE, fleet.now)
    with (
        served(each_server, fleet.folder, fleet.port) as process,
        fleet.agent(ONE, token) as one,
        fleet.agent(TWO) as two,
    ):
        admission.revoke(fleet.home, ONE, fleet.now)
        admission.write_servers(fleet.home, fleet.now)
        process.send_signal(signal.SIGHUP)
        assert "Revoked" in one.ending()
        with pytest.raises(BrokerRefusal):
            fleet.agent(ONE, token)
        fleet.agent(ONE).close()
        assert two.errors() == []
    with served(each_server, fleet.folder, fleet.port), pytest.raises(BrokerRefusal):
        fleet.agent(ONE, token)


@pytest.mark.long
def test_renewed_files_are_applied_by_a_reload_and_connections_stay(fleet: Fleet, each_server: Path) -> None:
    with served(each_server, fleet.folder, fleet.port) as process, fleet.agent(ONE) as one:
        later = fleet.now + timedelta(hours=1)
        admission.renew(fleet.home, later)
        admission.write_servers(fleet.home, later, renew=True)
        process.send_signal(signal.SIGHUP)
        until(lambda: b"Reloaded server configuration" in (fleet.folder / "log").read_bytes())
        assert one.errors() == []
        fleet.agent(TWO).close()


@pytest.mark.long
def test_a_second_controller_gets_its_own_messages_only(fleet: Fleet, each_server: Path) -> None:
    with (
        served(each_server, fleet.folder, fleet.port),
        fleet.agent(ONE) as one,
        fleet.controller() as first,
        fleet.controller("night") as second,
    ):
        assert not refused(first, b"SUB assist.c.%s.> 1" % CONTROLLER.encode())
        assert not refused(second, b"SUB assist.c.night.> 1")
        assert refused(second, b"SUB assist.c.%s.> 2" % CONTROLLER.encode())
        assert not refused(one, b"PUB assist.c.night.%s.s 3" % ONE.encode(), b"two")
        heard: list[bytes] = []
        while b"two" not in heard:
            heard += second.received()
        assert first.received() == []


@pytest.mark.long
def test_only_brokers_join_a_cluster(fleet: Fleet, each_server: Path, isolation: Path) -> None:
    """Messages cross a cluster of two; an agent's certificate is not enough to become a part of it."""
    home, now = Home(isolation / "cluster"), fleet.now
    pki.prepare(home, CONTROLLER, now)
    addresses = [BrokerAddress("127.0.0.1", free_port()) for _ in range(2)]
    admission.create(home, CONTROLLER, addresses, now)
    admission.write_servers(home, now)
    folders = [admission.server_folder(home, each) for each in addresses]
    users = [Fleet(home, each.port, fleet.scratch) for each in addresses]
    with served(each_server, folders[0], addresses[0].port), contextlib.ExitStack() as stack:
        stack.enter_context(served(each_server, folders[1], addresses[1].port))
        controller, agent = stack.enter_context(users[0].controller()), stack.enter_context(users[1].agent(ONE))
        assert not refused(controller, b"SUB assist.up.* 1")

        def arrives() -> bool:
            assert not refused(agent, b"PUB assist.up.%s 2" % ONE.encode(), b"hi")
            return b"hi" in controller.received()

        until(arrives)
        pem = pki.agent_credentials(home, CONTROLLER, TWO, now, dials=True)
        (fleet.scratch / "thief").mkdir()
        thief = fleet.scratch / "thief"
        for name, content in (("server.pem", pem.certificate), ("server.key", pem.key), ("ca.pem", pem.authority)):
            (thief / name).write_bytes(content)
        other = BrokerAddress("127.0.0.1", free_port())
        text = configuration.server(other, [other, addresses[0]], "guessed")
        (thief / "nats-server.conf").write_text(text.replace("include accounts.conf", ""))
        with served(each_server, thief, other.port):
            until(lambda: b"Authorization Violation" in (thief / "log").read_bytes())


@pytest.mark.usefixtures("starts_processes")
def test_systemd_accepts_the_unit(fleet: Fleet) -> None:
    unit = fleet.folder / configuration.UNIT
    done = subprocess.run(
        [need("systemd-analyze"), "verify", "--man=no", "--recursive-errors=no", unit],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
    )
    assert (done.returncode, [line for line in done.stdout.decode().splitlines() if unit.name in line]) == (0, [])
    lines = unit.read_text().splitlines()
    assert {"LimitNOFILE=65536", "NoNewPrivileges=yes", "ProtectSystem=strict", "Restart=always"} <= set(lines)


@pytest.mark.usefixtures("starts_processes")
def test_the_installer_is_a_valid_script(fleet: Fleet) -> None:
    assert subprocess.run(["sh", "-n", fleet.folder / configuration.INSTALLER], check=False).returncode == 0


def test_no_seed_leaves_the_home_and_files_are_private(fleet: Fleet) -> None:
    seeds = [path.read_text().strip() for path in fleet.home.broker.glob("*.seed")]
    assert len(seeds) == 4
    for path in fleet.home.broker.rglob("*"):
        assert stat.S_IMODE(path.stat().st_mode) == (0o700 if path.is_dir() else 0o600)
        if path.is_file() and path.suffix != ".seed":
            assert not any(seed in path.read_text() for seed in seeds), path
    assert stat.S_IMODE(fleet.home.broker.stat().st_mode) == 0o700


def test_a_broker_on_loopback_listens_there_only_and_others_everywhere() -> None:
    def listening(host: str) -> str:
        text = configuration.server(BrokerAddress(host, 4222), [], "")
        return next(line.partition(": ")[2] for line in text.splitlines() if line.startswith("listen"))

    assert [listening(host) for host in ("127.0.0.1", "::1", "localhost")] == [
        '"127.0.0.1:4222"', '"[::1]:4222"', '"localhost:4222"',
    ]  # fmt: skip
    assert listening("broker.example.com") == listening("10.0.0.5") == listening("2001:db8::5") == '"0.0.0.0:4222"'


def test_keys_are_those_of_nats() -> None:
    """A pair of the documentation of NATS."""
    key = Key.from_seed("SUACSSL3UAHUDXKFSNVUZRF5UHPMWZ6BFDTJ7M6USDXIEDNPPQYYYCU3VY")
    assert (key.kind, key.public) == (KeyKind.USER, "UDXU4RCSJNZOIQHZNWXHXORDPRTGNJAHAHFRGZNEEJCPQTT2M7NLCNF4")
    for kind, letter in ((KeyKind.OPERATOR, "O"), (KeyKind.ACCOUNT, "A"), (KeyKind.USER, "U")):
        made = Key.new(kind)
        assert made.public[0] == letter
        assert made.seed[:2] == f"S{letter}"
        assert (Key.from_seed(made.seed).public, Key.from_seed(made.seed).seed) == (made.public, made.seed)
        assert made.seed not in f"{made} {made!r}"


@pytest.mark.parametrize("seed", ["", "S", "SUACSSL3", "é", "SU" + "A" * 56, "0" * 58, "UDXU4RCSJNZOIQHZNWXHXORDPR"])
def test_other_texts_are_no_seeds(seed: str) -> None:
    with pytest.raises(ValueError):
        Key.from_seed(seed)


def test_a_user_has_one_key_and_another_account_another() -> None:
    account = Key.new(KeyKind.ACCOUNT)
    assert account.user(ONE).public == Key.from_seed(account.seed).user(ONE).public
    assert len({account.user(ONE).public, account.user(TWO).public, Key.new(KeyKind.ACCOUNT).user(ONE).public}) == 3


def test_a_token_signed_in_the_second_of_a_revocation_is_newer(fleet: Fleet) -> None:
    now = fleet.now
    admission.revoke(fleet.home, ONE, now)
    (second,) = admission.revocations(fleet.home, FLEET).values()
    assert jwts.claims_of(admission.agent_token(fleet.home, ONE, now))["iat"] > second
    assert jwts.claims_of(admission.agent_token(fleet.home, TWO, now))["iat"] == int(now.timestamp())


def test_tokens_are_renewed_near_their_end_and_revocations_stay(fleet: Fleet) -> None:
    admission.revoke(fleet.home, ONE, fleet.now)
    revoked, first = admission.revocations(fleet.home, FLEET), admission.ends(fleet.home)
    admission.prepare(fleet.home, fleet.now)
    assert admission.ends(fleet.home) == first
    later = fleet.now + pki.LIFETIME - pki.NEAR_END
    admission.prepare(fleet.home, later)
    assert admission.ends(fleet.home)["controller"] > first["controller"]
    assert admission.ends(fleet.home)["fleet"] == first["fleet"]
    admission.renew(fleet.home, later)
    assert admission.ends(fleet.home)["fleet"] > first["fleet"]
    assert admission.revocations(fleet.home, FLEET) == revoked
