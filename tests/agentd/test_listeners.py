"""The listeners: who may connect to each, and what is checked before every method."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from agentd import methods
from agentd.wire import protocol
from tests.agentd.conftest import EVERY_PYTHON, OLDEST, MakeAgent
from tests.support import interpreters, variants
from tests.support.agent import GUARD, Agent, Client, Closed, Refused, eventually
from tests.support.certificates import SERVER, Authority, Pair, free_port

pytestmark = pytest.mark.skipif(os.name == "nt", reason="the listeners of Windows are others")


# one table: who may call what

OPEN, GREETED, OWNER = "before hello too", "after hello", "after hello, and only on records of one's own"

ACCESS = {
    "agent.hello": OPEN,
    "agent.status": GREETED,
    "task.run": OWNER,
    "task.watch": OWNER,
    "task.get": OWNER,
    "task.stop": OWNER,
    "task.list": GREETED,  # of the caller's own records
    "task.forget": GREETED,  # of the caller's own records
    "file.put": OWNER,
}

PARAMS: dict[str, dict[str, object]] = {
    "agent.hello": {"protocol": [1, 0], "controller": "tests"},
    "agent.status": {},
    "task.run": {"record": "r-1", "type": "RunShellScript", "content": protocol.pack(b"true"), "timeout": 60},
    "task.watch": {"record": "r-1"},
    "task.get": {"record": "r-1"},
    "task.stop": {"record": "r-1"},
    "task.list": {},
    "task.forget": {"records": ["r-1"]},
    "file.put": {"record": "r-1", "name": "f", "directory": "/tmp", "content": "", "sha256": ""},
}


def test_every_method_has_its_row() -> None:
    """A new method gets a row here before anybody can call it."""
    assert methods.METHODS.keys() == ACCESS.keys() == PARAMS.keys()
    assert {name for name, method in methods.METHODS.items() if method.open} == {
        name for name, access in ACCESS.items() if access is OPEN
    }


def test_nothing_answers_before_hello(agent: Agent) -> None:
    """Each is refused although its params are good, and has no effect."""
    for name in ACCESS.keys() - {"agent.hello"}:
        client = agent.connect(hello=False)
        with pytest.raises(Refused) as refusal:
            client.call(name, **PARAMS[name])
        assert refusal.value.code == "ClientAuthFailed", name
    assert agent.connect().call("task.list")["tasks"] == []


def test_everything_answers_after_hello(agent: Agent, isolation: Path) -> None:
    """The opposite check of the table: with good params no method is refused for lack of a right."""
    client = agent.connect()
    record = client.run("true")
    client.finish(record)
    for name in ACCESS:
        params = dict(PARAMS[name])
        if "record" in params and name not in ("task.run", "file.put"):
            params["record"] = record
        if name == "file.put":
            params.update(record="r-file", directory=str(isolation))
        client.outputs.setdefault(record, client.watch(record)) if name == "task.watch" else client.call(name, **params)


@pytest.mark.parametrize("version", [[], [0, 9], [2, 0], ["1", 0], [None]])
def test_another_version_is_refused(agent: Agent, version: list[object]) -> None:
    client = agent.connect(hello=False)
    with pytest.raises(Refused) as refusal:
        client.call("agent.hello", protocol=version, controller="tests")
    assert refusal.value.code == "ClientNeedUpgrade"
    with pytest.raises(Refused) as refusal:
        client.call("agent.status")
    assert refusal.value.code == "ClientAuthFailed"


@pytest.mark.parametrize("minor", [0, 1, 99])
def test_another_minor_version_is_accepted(agent: Agent, minor: int) -> None:
    client = agent.connect(hello=False)
    assert client.call("agent.hello", protocol=[1, minor], controller="tests")["protocol"] == list(protocol.VERSION)


def test_a_connection_does_not_change_its_controller(agent: Agent) -> None:
    client = agent.connect("one")
    with pytest.raises(Refused) as refusal:
        client.call("agent.hello", protocol=[1, 0], controller="two")
    assert refusal.value.code == "ClientAuthFailed"


# TLS


class Site:
    """An agent that listens with TLS, and its CA."""

    def __init__(self, agent: Agent, folder: Path) -> None:
        self.agent = agent
        self.folder = folder
        folder.mkdir()
        self.authority = Authority(folder)
        self.controller = self.authority.issue("laptop")
        self.authority.equip(agent.home / "pki")
        self.port = free_port()

    def start(self) -> Site:
        self.agent.start("--listen", f"127.0.0.1:{self.port}")
        return self

    def context(self, pair: Pair | None) -> ssl.SSLContext:
        return self.authority.context(pair)

    def plain(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), GUARD)

    def connect(self, pair: Pair | None = None, controller: str = "laptop", *, hello: bool = True) -> Client:
        """A connection with the certificate of ``pair``. Raises Closed, Refused."""
        sock = self.plain()
        try:
            secured = self.context(pair or self.controller).wrap_socket(sock)
        except OSError as error:
            sock.close()
            raise Closed(str(error)) from None
        client = self.agent.adopt(Client(secured, controller, hello=False))
        if hello:
            client.agent = client.hello()
        return client

    def refused(self, context: ssl.SSLContext) -> str:
        """Return what the log says of a caller with this context, who is only told that it is refused."""
        before = len(self.agent.log_text())
        with self.plain() as sock, contextlib.suppress(OSError):  # noqa: SIM117
            with context.wrap_socket(sock) as secured:
                secured.sendall(protocol.encode(protocol.request(1, "agent.hello", PARAMS["agent.hello"])))
                told = b"".join(iter(lambda: secured.recv(4096), b""))
                assert told == b"" or json.loads(told)["error"]["data"]["code"] == "ClientAuthFailed"
        return eventually(lambda: self.agent.log_text()[before:])


@pytest.fixture
def site(make_agent: MakeAgent, isolation: Path) -> Site:
    return Site(make_agent(), isolation / "pki").start()


def test_a_controller_with_a_certificate_is_accepted(site: Site) -> None:
    client = site.connect()
    assert client.complete("echo hello").stdout == b"hello\n"
    data = client.complete("head -c 3000000 /dev/zero; echo end")
    assert len(data.stdout) == 3_000_004
    assert client.call("agent.status")["running"] == 0


def test_data_sent_with_the_handshake_is_read(site: Site) -> None:
    """A caller that waits for nothing: hello, run and watch directly after its handshake, also byte by byte."""
    for step in (1 << 20, 7):
        client = site.connect(hello=False)
        record = f"r-early-{step}"
        requests = [
            protocol.request(1, "agent.hello", {"protocol": [1, 0], "controller": "laptop"}),
            protocol.request(2, "task.run", client.order("echo early", record)),
        ]
        data = b"".join(map(protocol.encode, requests))
        for at in range(0, len(data), step):
            client.write(data[at : at + step])
        client.answer(1)
        client.answer(2)
        assert client.finish(record).stdout == b"early\n"


def test_the_certificate_says_who_the_controller_is(site: Site) -> None:
    with pytest.raises(Refused) as refusal:
        site.connect(controller="somebody-else")
    assert refusal.value.code == "ClientAuthFailed"


def test_controllers_do_not_see_each_others_records(site: Site) -> None:
    """Every method answers that a record of another controller does not exist."""
    one, two = site.connect(), site.connect(site.authority.issue("desktop"), "desktop")
    record = one.run("sleep 60")
    sees_nothing(two, record)
    assert one.call("task.get", record=record)["state"] == "Running"
    one.end_all()
    sees_nothing(two, record)
    assert one.call("task.forget", records=[record]) == {"forgotten": [record]}
    sees_nothing(two, record)
    gone = site.agent.home / "spool" / ".gone"
    eventually(lambda: (gone / record).exists())
    sees_nothing(two, record)
    assert one.call("task.get", record=record)["state"] == "Forgotten"
    (gone / "r-before").touch()  # written by agents that did not record the controller
    assert {each.call("task.get", record="r-before")["state"] for each in (one, two)} == {"Forgotten"}


def sees_nothing(other: Client, record: str) -> None:
    """Check that a record does not exist for a caller, by every method that takes one."""
    for method, params in (
        *((method, {"record": record}) for method in ("task.get", "task.watch", "task.stop")),
        ("task.run", other.order("echo other", record)),
        ("file.put", {**PARAMS["file.put"], "record": record}),
    ):
        with pytest.raises(Refused) as refusal:
            other.call(method, **params)
        assert refusal.value.code == "RecordNotFound", method
        assert refusal.value.message == f"there is no record '{record}'"
    assert other.call("task.list")["tasks"] == []
    assert other.call("task.forget", records=[record]) == {"forgotten": []}


STRANGERS: dict[str, Callable[[Site], ssl.SSLContext]] = {
    "no certificate": lambda site: site.context(None),
    "of another CA": lambda site: site.context(_other(site).issue("laptop", file="other-laptop")),
    "expired": lambda site: site.context(site.authority.issue("old", days=(-30, -1))),
    "not valid yet": lambda site: site.context(site.authority.issue("future", days=(1, 30))),
    "signed by itself": lambda site: site.context(_other(site).own),
    "signed by a controller": lambda site: site.context(_below(site, ca=False)),
    "for servers only": lambda site: site.context(site.authority.issue("server", usage=SERVER)),
    "TLS 1.2": lambda site: _limited(site.context(site.controller)),
}


def _other(site: Site) -> Authority:
    folder = site.folder / "other"
    folder.mkdir()
    return Authority(folder, "ca")


def _below(site: Site, ca: bool) -> Pair:
    """A certificate signed by a controller, which is not a CA, with the chain to our CA."""
    middle = Authority(site.folder, "middle")
    signer = site.authority.issue("signer", ca=ca)
    from cryptography.hazmat.primitives.serialization import load_pem_private_key
    from cryptography.x509 import load_pem_x509_certificate

    middle._key = load_pem_private_key(signer.key.read_bytes(), None)  # type: ignore[assignment]
    middle._name = load_pem_x509_certificate(signer.certificate.read_bytes()).subject
    leaf = middle.issue("laptop", file="leaf")
    leaf.certificate.write_bytes(leaf.certificate.read_bytes() + signer.certificate.read_bytes())
    return leaf


def _limited(context: ssl.SSLContext) -> ssl.SSLContext:
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    return context


@pytest.mark.parametrize("kind", variants.every(3, STRANGERS))
def test_an_unknown_certificate_is_refused_and_logged(site: Site, kind: str) -> None:
    assert "refused 127.0.0.1: " in site.refused(STRANGERS[kind](site))
    assert site.connect().complete("echo fine").stdout == b"fine\n"


@pytest.mark.parametrize("role", variants.every(2, [None, "controllers", "agent", "Controller", ""]))
def test_the_right_ca_with_the_wrong_role(site: Site, role: str | None) -> None:
    """Above all the certificate of an agent: the owner of one machine does not control the others."""
    assert "without the role" in site.refused(site.context(site.authority.issue("wrong", role or None)))


def test_the_certificate_of_the_ca_is_not_one_of_a_controller(site: Site) -> None:
    assert "refused" in site.refused(site.context(site.authority.own))


def test_a_certificate_without_its_key_proves_nothing(site: Site) -> None:
    """The certificate of a controller is public: every handshake of TLS 1.2 shows it."""
    mine = site.authority.issue("thief", "agent")
    context = site.context(None)
    with pytest.raises(ssl.SSLError):  # OpenSSL does not even try
        context.load_cert_chain(site.controller.certificate, mine.key)
    forged = _forged(site)
    assert "refused 127.0.0.1: " in site.refused(site.context(forged))


def _forged(site: Site) -> Pair:
    """The names of the CA and of a controller, with keys of the attacker."""
    folder = site.folder / "forged"
    folder.mkdir()
    return Authority(folder, "ca").issue("laptop")


def test_plain_tcp_is_refused(site: Site) -> None:
    """Neither answered nor executed."""
    with site.plain() as sock:
        sock.sendall(protocol.encode(protocol.request(1, "agent.hello", PARAMS["agent.hello"])))
        assert b"jsonrpc" not in _all_of(sock)
    assert "refused 127.0.0.1: " in eventually(
        lambda: site.agent.log_text() if "refused" in site.agent.log_text() else ""
    )
    assert site.connect().complete("echo fine").stdout == b"fine\n"


def _all_of(sock: socket.socket) -> bytes:
    data = b""
    with contextlib.suppress(ConnectionResetError):
        while piece := sock.recv(4096):
            data += piece
    return data


def test_callers_that_hang_up_at_any_moment_leave_nothing(make_agent: MakeAgent, isolation: Path) -> None:
    """During, before and right after the handshake; more of them than the limit of connections."""
    site = Site(make_agent(connection_limit=8), isolation / "pki").start()
    context = site.context(site.controller)
    files = None
    for turn in range(60):
        sock = site.plain()
        if turn % 3:
            with contextlib.suppress(OSError):
                secured = context.wrap_socket(sock)
                if turn % 3 == 2:
                    secured.sendall(protocol.encode(protocol.request(1, "agent.hello", PARAMS["agent.hello"])))
                secured.close()
        sock.close()
    with site.agent.connect() as client:
        files = client.call("agent.status")["files"]
    assert site.connect().complete("echo fine").stdout == b"fine\n"
    assert files < 30


def test_the_controller_verifies_the_certificate_of_the_agent(site: Site, isolation: Path) -> None:
    """The agent shows its own one, signed by the CA. A controller of another CA does not continue."""
    client = site.connect()
    assert isinstance(client.sock, ssl.SSLSocket)
    subject = dict(pair for part in client.sock.getpeercert()["subject"] for pair in part)  # type: ignore[index,misc]
    assert subject == {"commonName": "i-agent", "organizationalUnitName": "agent"}
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.load_verify_locations(_other(site).own.certificate)
    with site.plain() as sock, pytest.raises(ssl.SSLCertVerificationError):
        context.wrap_socket(sock)


@pytest.mark.parametrize(
    "address",
    variants.every(3, ["localhost:7433", "7433", ":7433", "127.0.0.1", "127.0.0.1:0", "127.0.0.1:99999", "1.2.3:1"]),
)
def test_only_a_numeric_address_is_listened_on(make_agent: MakeAgent, address: str) -> None:
    done = subprocess.run(make_agent().words("serve", "--listen", address), capture_output=True, check=False)
    assert done.returncode == 1
    assert address.encode() in done.stderr
    assert done.stderr.count(b"\n") == 1


def test_without_certificates_it_does_not_listen(make_agent: MakeAgent) -> None:
    done = subprocess.run(make_agent().words("serve", "--listen", "127.0.0.1:7433"), capture_output=True, check=False)
    assert done.returncode == 1
    assert b"certificates" in done.stderr
    assert done.stderr.count(b"\n") == 1


# the unix socket


@pytest.mark.parametrize("python", EVERY_PYTHON, indirect=True)
def test_a_path_that_is_too_long_for_a_socket(make_agent: MakeAgent, isolation: Path) -> None:
    agent = make_agent()
    agent.home = isolation / ("long" * 40)
    client = agent.start().connect()
    assert client.complete("echo far").stdout == b"far\n"
    told = subprocess.run(agent.words("status"), capture_output=True, check=True)
    assert b"instance" in told.stdout


def test_two_agents_in_one_folder(agent: Agent) -> None:
    """The second says so in one line and exits; the first is not affected."""
    done = subprocess.run(agent.words("serve"), capture_output=True, check=False, timeout=GUARD)
    assert done.returncode == 1
    assert b"another agent is running there" in done.stderr
    assert agent.connect().complete("echo here").stdout == b"here\n"


def test_the_socket_of_a_killed_agent_is_replaced(agent: Agent) -> None:
    agent.kill()
    assert agent.start().connect().complete("echo again").stdout == b"again\n"


def test_a_record_belongs_to_its_controller(agent_of_somebody: Agent, somebody: int) -> None:
    """Another controller of the same user gets "no such record" from every method; root sees all."""
    agent = agent_of_somebody.start(user=somebody, group=somebody, extra_groups=[])
    os.seteuid(somebody)  # the system reports this user to the agent
    try:
        owner, other = agent.connect("owner"), agent.connect("other")
    finally:
        os.seteuid(0)
    record = owner.run("sleep 60")
    sees_nothing(other, record)
    assert owner.call("task.get", record=record)["state"] == "Running"
    root = agent.connect("whoever")
    assert root.call("task.list")["tasks"] == [{"record": record, "state": "Running"}]
    owner.end_all()
    sees_nothing(other, record)
    assert root.call("task.get", record=record)["state"] == "Stopped"
    agent.close()


# the bridge


@pytest.mark.parametrize("python", EVERY_PYTHON, indirect=True)
def test_the_bridge_copies_both_ways(agent: Agent) -> None:
    with subprocess.Popen(agent.words("bridge"), stdin=subprocess.PIPE, stdout=subprocess.PIPE) as bridge:
        assert bridge.stdin is not None
        assert bridge.stdout is not None
        for number, (name, params) in enumerate((("agent.hello", PARAMS["agent.hello"]), ("agent.status", {}))):
            bridge.stdin.write(protocol.encode(protocol.request(number, name, params)))
            bridge.stdin.flush()
            assert json.loads(bridge.stdout.readline())["id"] == number
        agent.kill()
        assert bridge.stdout.read() == b""
        assert bridge.wait(GUARD) == 0


@pytest.mark.long
def test_neither_way_of_the_bridge_waits_for_the_other(agent: Agent) -> None:
    """A controller sends and reads much at the same time: the agent stops reading at times, and nothing is stuck."""
    with agent.connect() as client:
        records = [client.run("head -c 1500000 /dev/zero") for _ in range(8)]
        for record in records:
            client.finish(record)
    here, there = socket.socketpair()
    with subprocess.Popen(agent.words("bridge"), stdin=there, stdout=there) as bridge:
        there.close()
        with Client(here) as client:
            outputs = [client.watch(record) for record in records]
            request = protocol.request(0, "task.run", client.order(b"#" * 15_000, "r-" + "x" * 70))
            sender = threading.Thread(target=client.write, args=(protocol.encode(request) * 200,))
            sender.start()
            client.listen_until(lambda: all(output.result for output in outputs))
            sender.join()
            assert [len(output.stdout) for output in outputs] == [1_500_000] * 8
        bridge.wait(GUARD)


def test_a_bridge_to_nowhere(make_agent: MakeAgent) -> None:
    """It says what is wrong and what to do, in one line, with an exit status of its own."""
    done = subprocess.run(make_agent().words("bridge"), stdin=subprocess.DEVNULL, capture_output=True, check=False)
    assert done.returncode == 69
    assert b"is it installed and running?" in done.stderr
    assert done.stderr.count(b"\n") == 1


# status


@pytest.mark.parametrize("python", EVERY_PYTHON, indirect=True)
def test_status_for_people_and_for_programs(agent: Agent) -> None:
    client = agent.connect()
    client.complete("true")
    running = client.run("sleep 60")
    words = subprocess.run(agent.words("status"), capture_output=True, check=True, text=True).stdout
    found = {line.split()[0]: line.split(None, 1)[1] for line in words.splitlines()}
    assert found.keys() == {"agent", "instance", "up", "tasks", "memory", "cpu", "files", "spool", "guard"}
    assert found["tasks"] == "1 running, 1 done"
    assert found["guard"] == "none"
    told = json.loads(subprocess.run(agent.words("status", "--json"), capture_output=True, check=True).stdout)
    assert told["instance"] == client.agent["instance"] == (agent.home / "instance-id").read_text().strip()
    assert (told["running"], told["total"], told["guard"]) == (1, 1, None)
    assert 5 << 20 < told["rss"] < 60 << 20
    assert told["files"] > 3
    assert 0 <= told["uptime"] < 60
    assert told["boot"] == Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    client.call("task.stop", record=running)
    client.finish(running)


def test_status_without_an_agent(make_agent: MakeAgent) -> None:
    done = subprocess.run(make_agent().words("status"), capture_output=True, check=False)
    assert done.returncode == 69
    assert done.stderr.count(b"\n") == 1


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
def test_status_on_closed_and_full_streams(agent: Agent) -> None:
    for streams, status, said in (
        ("<&- >&- 2>&-", 0, b""),
        (">/dev/full", 1, b"agentd: cannot continue: [Errno 28] No space left on device\n"),
    ):
        words = ["sh", "-c", f'exec "$@" {streams}', "sh", *agent.words("status")]
        done = subprocess.run(words, capture_output=True, check=False)
        assert (done.returncode, done.stdout, done.stderr) == (status, b"", said)


# limits


def test_a_silent_caller_is_disconnected(make_agent: MakeAgent) -> None:
    """The same holds for one that sends something other than hello. After hello a caller may be silent."""
    agent = make_agent(greeting_seconds=1).start()
    silent, rude, polite = agent.connect(hello=False), agent.connect(hello=False), agent.connect()
    with pytest.raises(Refused):
        rude.call("agent.status")
    began = time.monotonic()
    for client in (silent, rude):
        with pytest.raises(Closed):
            client.listen()
    assert 0.5 < time.monotonic() - began < 30
    assert polite.call("agent.status")["running"] == 0


def test_a_silent_tcp_caller_is_disconnected(site: Site) -> None:
    """It holds no connection for good, before its handshake or after it."""
    socks = [site.plain() for _ in range(20)]
    try:
        assert site.connect().complete("echo fine").stdout == b"fine\n"
    finally:
        for sock in socks:
            sock.close()


def test_silent_strangers_lock_nobody_out(make_agent: MakeAgent, isolation: Path) -> None:
    """More of them than the limit of connections, from the address of the controller; the log has a line or two."""
    site = Site(make_agent(connection_limit=32), isolation / "pki").start()
    strangers = []
    try:
        for _ in range(300):
            strangers.append(site.plain())
        assert site.connect().complete("echo fine").stdout == b"fine\n"
        with site.agent.connect() as client:
            assert client.call("agent.status")["files"] < 80
        assert len([line for line in site.agent.log_text().splitlines() if "serves on" not in line]) < 5
    finally:
        for stranger in strangers:
            stranger.close()


def test_tls_connections_do_not_use_up_those_of_the_unix_socket(make_agent: MakeAgent, isolation: Path) -> None:
    site = Site(make_agent(connection_limit=2), isolation / "pki").start()
    remote = [site.connect() for _ in range(2)]
    with pytest.raises(Closed):
        site.connect()
    assert site.agent.connect().complete("echo fine").stdout == b"fine\n"
    assert remote[0].complete("echo fine").stdout == b"fine\n"


def test_the_connection_limit(make_agent: MakeAgent) -> None:
    """One more is closed, the others go on, and there is room again when one has closed."""
    agent = make_agent(connection_limit=4).start()
    clients = [agent.connect() for _ in range(4)]
    with pytest.raises(Closed):
        agent.connect()
    assert "limit" in agent.log_text()
    assert clients[0].complete("echo fine").stdout == b"fine\n"
    clients[3].close()
    eventually(lambda: _comes_in(agent))


def _comes_in(agent: Agent) -> bool:
    try:
        agent.connect().close()
    except Closed:
        return False
    return True


@pytest.mark.usefixtures("starts_processes")
def test_an_old_openssl_is_told_in_one_line(archive: Path, isolation: Path) -> None:
    """A Python without TLS 1.3 refuses to listen, and names the other ways to reach the host."""
    python = interpreters.need(OLDEST)
    agent = Agent(archive, python, isolation)
    done = subprocess.run(agent.words("serve", "--listen", "127.0.0.1:7433"), capture_output=True, check=False)
    assert done.returncode == 1
    assert b"SSH" in done.stderr
    assert done.stderr.count(b"\n") == 1
