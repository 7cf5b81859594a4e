"""Agents that dial out to the broker of the home: the whole life of one, over a real broker and a real sshd."""

from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from assist_cli.deploy import pki
from assist_cli.deploy.broker import admission
from assist_cli.model.check import Check
from assist_cli.operations.broker import presence
from assist_cli.operations.controller import open_controller, utc_now
from assist_cli.operations.observe import doctor
from tests.support import nats_place, processes, sshd
from tests.support.agent import eventually
from tests.support.application import Application
from tests.support.certificates import free_port
from tests.support.nats_place import HomeBroker
from tests.support.place import Place
from tests.support.program import Program, serving
from tests.support.proxy import Proxy
from tests.support.relay import relaying
from tests.support.sshd import Sshd


@pytest.fixture
def server(starts_processes: None, isolation: Path, no_leaks: None) -> Iterator[Sshd]:
    with sshd.serving(isolation / "sshd") as running:
        yield running
        processes.stop_guarded(running.agent)


def test_an_agent_that_dials_lives_without_ssh(assist: Application, broker: HomeBroker, server: Sshd) -> None:
    """Installation over SSH; run, upgrade and removal through the broker alone."""
    done = assist("instance", "install", server.place, "--name", "pos1", "--dial")
    assert done.returncode == 0, done.stderr
    instance = done.stdout.split()[1].decode()
    logins = server.logins()
    assert json.loads(assist("instance", "show", "pos1", "-o", "json").stdout)["Address"] == f"nats:{instance}"
    pki = server.agent / "pki"
    names = ("ca.pem", "agent.pem", "agent.key", "broker-ca.pem", "agent.jwt")
    assert {each.name: each.stat().st_mode & 0o777 for each in pki.iterdir()} == dict.fromkeys(names, 0o600)
    ran = assist("run", "-i", "pos1", "--", "echo", "hello")
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, b"hello\n", b"")

    certificate = (pki / "agent.pem").read_text()
    (pki / "agent.jwt").write_text("expired")
    upgraded = assist("-q", "instance", "upgrade", "pos1", "--rotate")
    assert (upgraded.returncode, upgraded.stderr) == (0, b"")
    assert (pki / "agent.pem").read_text() != certificate
    assert (pki / "agent.jwt").read_text().count(".") == 2

    repaired = assist("instance", "install", server.place, "--name", "pos1")
    assert repaired.returncode == 0, repaired.stderr
    assert f"connect to nats:{instance}".encode() in repaired.stderr
    logins += 1
    gone = assist("instance", "uninstall", "pos1")
    assert (gone.returncode, gone.stderr.endswith(b"Uninstalled: pos1\n")) == (0, True), gone
    eventually(lambda: not server.agent.exists())
    assert server.logins() == logins


def test_what_cannot_dial_is_refused_before_any_change(assist: Application, server: Sshd) -> None:
    for words, status, text in (
        (["--dial"], 65, b"hint: to make one: assist broker init tls://HOST"),
        (["--dial", "--listen", "7433"], 65, b"cannot make an agent both listen and dial out"),
    ):
        done = assist("instance", "install", server.place, *words)
        assert (done.returncode, done.stdout) == (status, b""), words
        assert text in done.stderr
    assert server.logins() == 0
    address = f"tls://127.0.0.1:{free_port()}"
    assert assist("broker", "init", address).returncode == 0
    done = assist("instance", "install", server.place, "--dial")
    assert done.returncode == 69
    assert f"cannot reach a broker at '{address}': nothing listens there".encode() in done.stderr
    assert not server.agent.exists()


@pytest.mark.long
def test_files_stops_and_schedules_go_through_the_broker(
    assist: Application, installed: Program, pos1: Place, tmp_path: Path
) -> None:
    (tmp_path / "app.conf").write_text("port = 1\n")
    sent = assist("send", tmp_path / "app.conf", "-i", "pos1", "--to", tmp_path / "etc")
    assert sent.returncode == 0, sent.stderr
    assert (tmp_path / "etc" / "app.conf").read_text() == "port = 1\n"

    begun = assist("run", "-i", "pos1", "--detach", "--", "sleep", "60")
    assert begun.returncode == 0, begun.stderr
    (id,) = re.findall(rb"t-\w+", begun.stdout + begun.stderr)[:1]
    stopped = assist("stop", id.decode())
    assert stopped.returncode == 0, stopped.stderr

    made = assist("run", "-i", "pos1", "--in", "1s", "-c", f"echo fired > {tmp_path}/fired")
    assert made.returncode == 0, made.stderr
    with serving(installed):
        eventually((tmp_path / "fired").exists)


@pytest.mark.long
def test_a_queued_record_is_delivered_when_its_agent_connects(
    assist: Application, installed: Program, pos1: Place, tmp_path: Path
) -> None:
    """Much sooner than the next periodic retry, which is 60 s away."""
    pos1.agent.kill()
    queued = assist("run", "-i", "pos1", "--queue", "1h", "-c", f"echo back > {tmp_path}/back")
    assert queued.returncode == 75, queued.stderr
    assert b"it is not connected to the broker" in assist("instance", "status", "pos1").stderr
    with serving(installed):
        begin = time.monotonic()
        pos1.agent.start()
        eventually((tmp_path / "back").exists)
        assert time.monotonic() - begin < 20


@pytest.mark.long
def test_a_server_that_lost_the_broker_delivers_when_it_is_back(
    assist: Application, installed: Program, broker: HomeBroker, pos1: Place, tmp_path: Path
) -> None:
    """The agent has connected before it, so its hint is lost."""
    with relaying(broker.address.port) as relay:
        nats_place.use_relay(broker, relay)
        with serving(installed):
            pos1.agent.kill()
            queued = assist("run", "-i", "pos1", "--queue", "1h", "-c", f"echo back > {tmp_path}/back")
            assert queued.returncode == 75, queued.stderr
            relay.hold()
            relay.cut()
            pos1.agent.start()
            nats_place.wait_until_connected(pos1)
            relay.go_on()
            begin = time.monotonic()
            eventually((tmp_path / "back").exists)
            assert time.monotonic() - begin < 20


@pytest.mark.long
def test_a_run_survives_the_death_of_the_broker(
    assist: Application, installed: Program, broker: HomeBroker, pos1: Place, tmp_path: Path
) -> None:
    script = f"echo begun | tee -a {tmp_path}/begun; until [ -e {tmp_path}/end ]; do sleep 0.05; done; echo ended"
    with installed.start("run", "-i", "pos1", "-c", script) as running:
        eventually((tmp_path / "begun").exists)
        broker.kill()
        (tmp_path / "end").touch()
        lost = assist("run", "-i", "pos1", "--", "true")
        assert lost.returncode == 69
        assert f"cannot reach a broker at '{broker.address}': nothing listens there".encode() in lost.stderr
        broker.start()
        stdout, _ = running.communicate(timeout=30)
    assert (running.returncode, stdout) == (0, b"begun\nended\n")
    assert (tmp_path / "begun").read_text() == "begun\n"


@pytest.mark.long
def test_a_second_controller_works_beside_the_first(
    assist: Application, installed: Program, pos1: Place, tmp_path: Path
) -> None:
    assert assist("broker", "credentials", "night", "--out", tmp_path / "night").returncode == 0
    second = {"ASSIST_HOME": str(tmp_path / "second")}
    assert installed("broker", "join", tmp_path / "night", env=second).returncode == 0
    added = installed("instance", "add", "pos1", f"nats:{pos1.instance}", env=second)
    assert added.returncode == 0, added.stderr
    for done in (
        installed("run", "-i", "pos1", "--", "id", "-u", env=second),
        assist("run", "-i", "pos1", "--", "id", "-u"),
    ):
        assert (done.returncode, done.stdout) == (0, f"{os.getuid()}\n".encode()), done.stderr


def test_without_its_broker_a_record_fails_and_says_so(assist: Application, pos1: Place) -> None:
    assert assist("broker", "uninstall", "--yes").returncode == 0
    done = assist("run", "-i", "pos1", "--", "true")
    assert done.returncode == 69, done
    assert b"pos1: Failed (ClientNotOnline): cannot reach agents that dial out: this home has no broker" in done.stderr


@pytest.mark.long
def test_listening_and_dialling_replace_each_other(
    assist: Application, broker: HomeBroker, server: Sshd, tmp_path: Path
) -> None:
    """The last installation decides; a repair and an upgrade keep it, with the proxy."""
    (tmp_path / "proxy").touch(0o600)

    def conf() -> dict[str, str]:
        lines = (server.agent / "agentd.conf").read_text().splitlines()
        return dict(line.split(" = ") for line in lines if line.startswith(("dial", "listen")))

    def install(*words: object) -> bytes:
        done = assist("instance", "install", server.place, "--name", "pos1", *words)
        assert done.returncode == 0, done.stderr
        ran = assist("run", "-i", "pos1", "--", "echo", "hello")
        assert (ran.returncode, ran.stdout) == (0, b"hello\n"), ran
        return done.stderr + done.stdout

    pki, port = server.agent / "pki", free_port()
    with Proxy(login="pos:s3 cret") as proxy:
        (tmp_path / "proxy").write_text(proxy.address.replace("//", "//pos:s3%20cret@") + "\n")
        said = install("--dial", "--dial-proxy", f"@{tmp_path}/proxy")
        said += assist("instance", "show", "pos1", "-o", "json").stdout + assist("audit", "list").stdout
        assert b"cret" not in said
        assert (pki / "proxy-login").read_text() == "pos:s3 cret\n"
        assert (pki / "proxy-login").stat().st_mode & 0o777 == 0o600
        wanted = {"dial": str(broker.address), "dial_proxy": proxy.address}
        assert conf() == wanted
        install()
        assert assist("instance", "upgrade", "pos1", "--rotate").returncode == 0
        assert conf() == wanted
        assert len(proxy.asked) >= 3
        install("--listen", f"127.0.0.1:{port}")
        assert conf() == {"listen": f"127.0.0.1:{port}"}
        assert {each.name for each in pki.iterdir()} == {"ca.pem", "agent.pem", "agent.key"}
        assert json.loads(assist("instance", "show", "pos1", "-o", "json").stdout)["Address"] == f"tls:127.0.0.1:{port}"
        assert assist("instance", "upgrade", "pos1", "--rotate").returncode == 0
        assert conf() == {"listen": f"127.0.0.1:{port}"}
    install("--dial")
    assert conf() == {"dial": str(broker.address)}
    instance = (server.agent / "instance-id").read_text()
    assert assist("instance", "rename", "pos1", "old").returncode == 0
    install("--rotate", "--dial")
    assert (server.agent / "instance-id").read_text() != instance
    assert len(json.loads(assist("instance", "list", "-o", "json").stdout)) == 2


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["--dial", "--dial-proxy", "http://pos:s3cret@proxy:3128"], b"cannot use a proxy with a password on the"),
        (["--dial", "--dial-proxy", "socks5://proxy:1080"], b"cannot use 'socks5://proxy:1080' as a proxy: it is not"),
        (["--dial", "--dial-proxy", "http://proxy"], b"cannot use 'http://proxy' as a proxy: it is not http://HOST:"),
        (["--dial", "--dial-proxy", "env:PROXY_LIKE"], b"cannot use this proxy: it is not http://HOST:PORT"),
        (["--dial", "--dial-proxy", "env:NO_SUCH_PROXY"], b"the environment variable 'NO_SUCH_PROXY' is not set"),
    ],
)
def test_proxies_that_cannot_be_used_are_refused_without_their_password(
    assist: Application, monkeypatch: pytest.MonkeyPatch, words: list[str], text: bytes
) -> None:
    monkeypatch.setenv("PROXY_LIKE", "ftp://pos:s3cret@proxy:3128")
    done = assist("instance", "install", "root@pos7.invalid", *words)
    assert done.returncode == 65, done
    assert text in done.stderr
    assert b"s3cret" not in done.stderr


@pytest.mark.long
def test_a_queued_record_waits_while_the_broker_refuses_this_controller(
    assist: Application, installed: Program, pos1: Place, tmp_path: Path
) -> None:
    second = {"ASSIST_HOME": str(tmp_path / "second")}

    def join() -> None:
        (tmp_path / "night").unlink(missing_ok=True)
        assert assist("broker", "credentials", "night", "--out", tmp_path / "night").returncode == 0
        assert installed("broker", "join", tmp_path / "night", env=second).returncode == 0

    join()
    added = installed("instance", "add", "pos1", f"nats:{pos1.instance}", env=second)
    assert added.returncode == 0, added.stderr
    assert assist("broker", "revoke", "night").returncode == 0

    why = b"it refuses the token of this controller ('Authorization Violation')"
    failed = installed("run", "-i", "pos1", "--", "true", env=second)
    assert failed.returncode == 69
    assert failed.stderr.startswith(b"pos1: Failed (ClientAuthFailed): cannot use the broker at ")
    assert failed.stderr.count(why) == 1
    queued = installed("run", "-i", "pos1", "--queue", "1h", "-c", f"echo ran >> {tmp_path}/ran", env=second)
    assert (queued.returncode, why in queued.stderr) == (75, True), queued
    assert installed("serve", "--once", env=second).returncode == 0
    listed = installed("queue", "list", env=second)
    assert why in listed.stdout
    for words, status in ((["doctor"], 1), (["broker", "status"], 69), (["instance", "list"], 0)):
        done = installed(*words, env=second)
        assert (done.returncode, why in done.stdout + done.stderr) == (status, True), done
    join()
    assert installed("serve", "--once", env=second).returncode == 0
    assert (tmp_path / "ran").read_text() == "ran\n"


@pytest.mark.long
def test_the_doctor_sees_what_brokers_and_agents_use_and_that_it_expires(broker: HomeBroker, pos1: Place) -> None:
    """The files in the home may be newer than those of the broker."""
    past = utc_now() - pki.LIFETIME + timedelta(days=29)
    folder = admission.server_folder(broker.home, broker.address)

    def examined() -> Check:
        with open_controller(broker.home) as controller:
            return next(each for each in doctor.examine_controller(controller) if each.name == "broker")

    assert examined().detail == "1 broker, 1 agent connected"
    (pos1.agent.home / "pki" / "agent.jwt").write_text(admission.agent_token(broker.home, pos1.instance, past) + "\n")
    old = [(folder / name).read_bytes() for name in ("server.pem", "server.key")]
    made = pki.broker_credentials(broker.home, "c0ffee", broker.address.host, past)
    for several, text in (
        ([made.certificate, made.key], f"the certificate that {broker.address} uses expires"),
        (old, "certificates and tokens of agents expire soon: pos1"),
    ):
        broker.kill()
        for name, content in zip(("server.pem", "server.key"), several, strict=True):
            (folder / name).write_bytes(content)
        broker.start()
        nats_place.wait_until_connected(pos1)
        with open_controller(broker.home) as controller:
            statuses, connected = presence.survey(controller)
        if text == "certificates and tokens of agents expire soon: pos1" and statuses[0].version.startswith("2.15."):
            assert connected.token_ends() == {}  # this version does not report the tokens of connections
            return
        assert examined().detail.startswith(text)
    assert examined().hint == "assist instance upgrade pos1 --rotate"
