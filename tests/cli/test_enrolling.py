"""Enrolment of machines without SSH: the file that runs there, a real broker, a real server, a real agent."""

from __future__ import annotations

import contextlib
import io
import json
import os
import shutil
import signal
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from assist_cli.deploy import pki
from assist_cli.deploy.host import proxy as way
from assist_cli.deploy.host.client import Denied
from assist_cli.operations.controller import open_controller, utc_now
from assist_cli.operations.fleet import enrolments
from assist_cli.operations.fleet.enrolments import EnrolmentRequest
from assist_cli.paths import Home
from tests.support import interpreters, processes
from tests.support.agent import eventually
from tests.support.application import Application
from tests.support.nats_place import HomeBroker
from tests.support.program import GUARD, Program
from tests.support.proxy import Proxy


@pytest.fixture
def machines(isolation: Path, no_leaks: None) -> Iterator[Machines]:
    made = Machines(isolation)
    yield made
    made.close()


class Machines:
    """Machines, which are folders of agents on this one."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._agents: set[Path] = set()

    def agent(self, name: str) -> Path:
        """The folder of the agent of a machine."""
        path = self._folder / f"agent-{name}"
        self._agents.add(path)
        return path

    def start(
        self, name: str, file: Path, *words: str, python: Path | str = sys.executable, **env: str
    ) -> subprocess.Popen[str]:
        """Start a file on a machine."""
        return subprocess.Popen(
            [python, file, *words],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "ASSIST_AGENTD_HOME": str(self.agent(name)), **env},
        )

    def run(self, name: str, file: Path, *words: str, **more: Any) -> subprocess.CompletedProcess[str]:
        with self.start(name, file, *words, **more) as process:
            stdout, stderr = process.communicate(timeout=GUARD)
        return subprocess.CompletedProcess(file, process.returncode, stdout, stderr)

    def close(self) -> None:
        for each in self._agents:
            processes.stop_guarded(each)


@contextlib.contextmanager
def serving(installed: Program) -> Iterator[subprocess.Popen[bytes]]:
    with installed.start("serve") as server:
        assert server.stderr is not None
        while b"serving " not in server.stderr.readline():
            pass
        try:
            yield server
        finally:
            server.kill()


def used(assist: Application) -> list[tuple[str, int]]:
    """State and uses of each enrolment."""
    found = json.loads(assist("enrolment", "list", "-o", "json").stdout)
    return [(each["State"], each["RegisteredCount"]) for each in found]


def names(assist: Application) -> list[str]:
    return [each["InstanceName"] for each in json.loads(assist("instance", "list", "-o", "json").stdout)]


def changed(file: Path, **changes: Any) -> Path:
    """Return a copy of a file of an enrolment with other settings."""
    data = io.BytesIO()
    with zipfile.ZipFile(file) as old, zipfile.ZipFile(data, "w") as new:
        for name in old.namelist():
            content = old.read(name)
            if name == "settings.0":
                content = json.dumps({**json.loads(content), **changes}).encode()
            new.writestr(name, content)
    copy = file.with_name(f"changed-{file.name}")
    copy.write_bytes(data.getvalue())
    return copy


def test_one_file_makes_an_instance_of_a_machine(
    assist: Application, installed: Program, broker: HomeBroker, machines: Machines, tmp_path: Path
) -> None:
    """Once, however often it runs there; on another machine it is used up."""
    file = tmp_path / "pos.pyz"
    made = assist("instance", "enroll", "--out", file, "--tag", "role=pos", "--name", "pos")
    assert made.returncode == 0, made.stderr
    assert b"The server is not running, so no machine can enrol" in made.stderr
    with serving(installed):
        done = machines.run("one", file)
        assert (done.returncode, done.stderr) == (0, ""), done
        assert "- start the agent" in done.stdout
        assert done.stdout.splitlines()[-1].startswith("Enrolled as pos-1 (i-")
        ran = assist("run", "-i", "@role=pos", "--", "echo", "hello")
        assert (ran.returncode, ran.stdout, ran.stderr) == (0, b"hello\n", b"")
        pki_folder = machines.agent("one") / "pki"
        modes = {each.stat().st_mode & 0o777 for each in [*pki_folder.iterdir(), machines.agent("one") / "agentd.conf"]}
        assert modes == {0o600}
        again = machines.run("one", file)
        assert (again.returncode, again.stdout.splitlines()[-1]) == (0, done.stdout.splitlines()[-1])
        other = machines.run("two", file)
        assert (other.returncode, other.stdout) == (1, "")
        assert other.stderr.startswith("error: cannot use this enrolment: it is used up, 1 of 1 machines have enrolled")
        assert "\nhint: ask for a new file" in other.stderr
    assert (used(assist), names(assist)) == ([("used up", 1)], ["pos-1"])


@pytest.mark.long
def test_a_copied_or_revoked_machine_becomes_a_new_instance(
    assist: Application, installed: Program, broker: HomeBroker, machines: Machines, tmp_path: Path
) -> None:
    """With --new, one time; the original keeps its instance."""
    file = tmp_path / "pos.pyz"
    assert assist("instance", "enroll", "--out", file, "--name", "pos", "--uses", "5").returncode == 0
    with serving(installed):
        assert machines.run("one", file).returncode == 0
        shutil.copytree(
            machines.agent("one"),
            machines.agent("copy"),
            symlinks=True,
            ignore=shutil.ignore_patterns("agentd.sock", "guard.json", "agentd.lock"),
        )
        done = machines.run("copy", file, "--new")
        assert done.stdout.splitlines()[-1].startswith("Enrolled as pos-2 (i-"), done
        again = machines.run("copy", file, "--name", "other")
        assert again.stdout.splitlines()[-1] == done.stdout.splitlines()[-1]
        assert "note: it keeps its name; to change it, on the controller: assist instance rename pos-2 other" in (
            again.stdout
        )
        ran = assist("run", "-i", "pos-1,pos-2", "--", "true")
        assert (ran.returncode, used(assist)) == (0, [("open", 2)]), ran.stderr
        assert assist("broker", "revoke", "pos-2").returncode == 0
        refused = machines.run("copy", file)
        assert (refused.returncode, "run this file with --new" in refused.stderr) == (1, True), refused
        assert "Enrolled as pos-3 (i-" in machines.run("copy", file, "--new").stdout
        ran = assist("run", "-i", "pos-1,pos-3", "--", "true")
        assert (ran.returncode, used(assist)) == (0, [("open", 3)]), ran.stderr


@pytest.mark.long
def test_the_log_of_the_server_says_that_the_broker_is_back(
    assist: Application, installed: Program, broker: HomeBroker
) -> None:
    with serving(installed) as server:
        assert server.stderr is not None
        broker.kill()
        while b"nothing listens there" not in server.stderr.readline():
            pass
        broker.start()
        while b"connected to a broker again" not in server.stderr.readline():
            pass


@pytest.mark.long
def test_a_machine_that_is_killed_midway_is_enrolled_by_the_next_attempt(
    assist: Application, installed: Program, broker: HomeBroker, machines: Machines, tmp_path: Path
) -> None:
    file = tmp_path / "file.pyz"
    assert assist("instance", "enroll", "--out", file).returncode == 0
    with serving(installed):
        for step in ("- copy agentd", "- write its key", "- start the agent"):
            with machines.start("one", file, "--name", "pos") as process:
                assert process.stdout is not None
                for line in process.stdout:
                    if line.startswith(step) or line.startswith("- restart"):
                        process.kill()
        # the last attempt may meet the programs of an earlier one, which go on
        eventually(lambda: machines.run("one", file, "--name", "pos").returncode == 0)
        assert assist("run", "-i", "pos", "--", "true").returncode == 0
    assert (used(assist), names(assist)) == ([("used up", 1)], ["pos"])


@pytest.mark.long
def test_ctrl_c_on_a_machine_undoes_the_installation(
    assist: Application, installed: Program, broker: HomeBroker, machines: Machines, tmp_path: Path
) -> None:
    file = tmp_path / "file.pyz"
    assert assist("instance", "enroll", "--out", file).returncode == 0
    with serving(installed):
        with machines.start("one", file, "--name", "pos") as process:
            assert process.stdout is not None
            while not process.stdout.readline().startswith("- copy agentd"):
                pass
            process.send_signal(signal.SIGINT)
            _, stderr = process.communicate(timeout=GUARD)
        hint = "hint: run it again: nothing is done twice"
        assert (process.returncode, stderr) == (130, f"error: interrupted\n{hint}\n")
        assert [path.name for path in machines.agent("one").iterdir()] == ["agentd.enrolment"]
        assert machines.run("one", file, "--name", "pos").returncode == 0
    assert (used(assist), names(assist)) == ([("used up", 1)], ["pos"])


@pytest.mark.long
def test_it_waits_for_a_server_and_says_what_is_missing(
    assist: Application, installed: Program, broker: HomeBroker, machines: Machines, tmp_path: Path
) -> None:
    file = tmp_path / "file.pyz"
    assert assist("instance", "enroll", "--out", file).returncode == 0
    done = machines.run("one", changed(file, retry_seconds=0))
    assert (done.returncode, done.stdout) == (69, "")
    assert f"error: cannot enrol this machine: {broker.address}: the controller does not answer" in done.stderr
    assert "\nhint: on the controller, 'assist serve' must run" in done.stderr
    with machines.start("one", file) as process:
        assert process.stdout is not None
        assert process.stdout.readline().startswith(f"- wait for the controller, at most 60 s: {broker.address}: ")
        with serving(installed) as server:
            assert process.wait(GUARD) == 0
            server.kill()
            server.wait(GUARD)
            broker.kill()
            gone = machines.run("one", changed(file, retry_seconds=0))
            assert gone.returncode == 69
            assert "Connection refused" in gone.stderr


@pytest.mark.long
def test_a_machine_behind_a_proxy_enrols_through_it_and_its_agent_dials_through_it(
    assist: Application, installed: Program, broker: HomeBroker, machines: Machines, tmp_path: Path
) -> None:
    file, at_the_machine = tmp_path / "file.pyz", tmp_path / "other.pyz"
    with Proxy(login="pos:s3 cret") as proxy, Proxy(refusal="403 Forbidden") as closed, serving(installed):
        url = tmp_path / "proxy"
        url.write_text(proxy.address.replace("//", "//pos:s3%20cret@") + "\n")
        made = assist("instance", "enroll", "--out", file, "--dial-proxy", f"@{url}")
        assert made.returncode == 0, made.stderr
        assert assist("instance", "enroll", "--out", at_the_machine).returncode == 0
        done = machines.run("one", file, "--name", "one")
        assert done.returncode == 0, done
        assert len(proxy.asked) >= 2
        refused = machines.run("two", at_the_machine, "--proxy", closed.address)
        assert (refused.returncode, "answered 'HTTP/1.1 403 Forbidden'" in refused.stderr) == (69, True), refused
        done = machines.run("two", at_the_machine, "--name", "two", "--proxy", f"@{url}")
        assert done.returncode == 0, done
        for name in ("one", "two"):
            agent = machines.agent(name)
            assert f"dial_proxy = {proxy.address}\n" in (agent / "agentd.conf").read_text()
            assert (agent / "pki" / "proxy-login").read_text() == "pos:s3 cret\n"
            assert assist("run", "-i", name, "--", "true").returncode == 0
        assert b"cret" not in assist("audit", "list").stdout


def test_a_proxy_that_refuses_the_password_ends_it_at_once() -> None:
    with Proxy(login="pos:right") as proxy:
        settings = {"proxy": proxy.address.replace("//", "//pos:wrong@"), "connect_seconds": 10}
        with pytest.raises(Denied, match="refuses it without the right user and password") as refused:
            way.connect(settings, "127.0.0.1", 4222)
    assert refused.value.hint.endswith("--proxy @FILE, --proxy env:VARIABLE")
    assert "wrong" not in str(refused.value)


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("proxy.example.com:3128", "it is not http://HOST:PORT"),
        ("https://proxy.example.com:3128", "it is not http://HOST:PORT"),
        ("http://proxy.example.com", "it is not http://HOST:PORT"),
        ("http://me:s3cret@proxy.example.com:3128", "other users can see it"),
        ("@no-such-file", "cannot read the proxy of '@no-such-file'"),
    ],
)
def test_a_proxy_that_cannot_be_one_is_refused_on_the_machine(url: str, why: str) -> None:
    with pytest.raises(Denied, match=why) as refused:
        way.given_proxy(url)
    assert "s3cret" not in str(refused.value)


@pytest.mark.long
def test_only_the_controller_of_the_file_is_trusted(
    assist: Application, installed: Program, broker: HomeBroker, machines: Machines, tmp_path: Path
) -> None:
    file = tmp_path / "file.pyz"
    assert assist("instance", "enroll", "--out", file).returncode == 0
    other = Home(tmp_path / "other")
    pki.prepare(other, "other", utc_now())
    authority = (other.pki / "ca.pem").read_text()
    done = machines.run("one", changed(file, authority=authority))
    assert (done.returncode, done.stdout) == (69, "")
    assert f"{broker.address}: unable to get local issuer certificate" in done.stderr
    # a stolen key of an agent is not enough to pose as the controller
    with open_controller(broker.home) as controller:
        pki.prepare_enroller(broker.home, controller.id, utc_now())
        stolen = pki.agent_credentials(broker.home, controller.id, "i-stolen", utc_now(), dials=True)
    (broker.home.pki / "enroller.pem").write_bytes(stolen.certificate)
    (broker.home.pki / "enroller.key").write_bytes(stolen.key)
    with serving(installed):
        done = machines.run("one", file)
    assert (done.returncode, "what answers there is not the controller" in done.stderr) == (69, True), done
    assert not machines.agent("one").exists()


@pytest.mark.long
def test_no_more_machines_are_admitted_than_it_is_for(
    assist: Application, installed: Program, broker: HomeBroker, machines: Machines, tmp_path: Path
) -> None:
    file = tmp_path / "file.pyz"
    assert assist("instance", "enroll", "--out", file, "--uses", "3").returncode == 0
    with serving(installed), contextlib.ExitStack() as stack:
        started = [stack.enter_context(machines.start(f"m{number}", file)) for number in range(6)]
        ended = [each.communicate(timeout=GUARD) and each.returncode for each in started]
    assert sorted(ended) == [0, 0, 0, 1, 1, 1]
    assert (used(assist), len(names(assist))) == ([("used up", 3)], 3)


@pytest.mark.long
def test_an_activation_is_enrolled_by_its_code(
    assist: Application, installed: Program, broker: HomeBroker, machines: Machines, tmp_path: Path
) -> None:
    with open_controller(broker.home) as controller:
        made, code = enrolments.create(controller, EnrolmentRequest())
    file = tmp_path / "file.pyz"
    written = assist("instance", "enroll", "--activation", made.id, "--out", file)
    assert written.returncode == 0
    assert b"ASSIST_ACTIVATION_CODE=CODE python3 file.pyz" in written.stderr
    with serving(installed):
        bare = machines.run("one", file)
        assert (bare.returncode, "no activation code given" in bare.stderr) == (1, True)
        wrong = machines.run("one", file, ASSIST_ACTIVATION_CODE="x")
        assert (wrong.returncode, "its token is wrong" in wrong.stderr) == (1, True)
        done = machines.run("one", file, ASSIST_ACTIVATION_CODE=code.reveal())
        assert done.returncode == 0, done.stderr


@pytest.mark.long
@pytest.mark.parametrize("version", [*interpreters.VERSIONS, "3.7"])
def test_every_python_enrols_or_says_why_not(
    assist: Application, installed: Program, broker: HomeBroker, machines: Machines, tmp_path: Path, version: str
) -> None:
    python = interpreters.need(version)
    file = tmp_path / "file.pyz"
    assert assist("instance", "enroll", "--out", file).returncode == 0
    with serving(installed):
        done = machines.run("one", file, python=python)
    if version == "3.6":
        assert (done.returncode, done.stdout) == (1, "")
        assert done.stderr.startswith("error: cannot enrol this machine: TLS 1.3 is needed, and Python 3.6 with ")
    else:
        assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("words", "status", "text"),
    [
        (["--uses", "0"], 65, b"cannot make an enrolment for 0 machines"),
        (["--for", "31d"], 65, b"cannot make an enrolment for 31 d: 1 minute to 30 days are allowed"),
        (["--for", "soon"], 2, b"'soon' is not a duration"),
        (["--activation", "e-1", "--uses", "2"], 2, b"cannot change an activation"),
        (["--activation", "e-1"], 66, b"cannot find an enrolment 'e-1': there is none"),
        ([], 65, b"hint: to make one: assist broker init tls://HOST"),
        ([], 65, b"without one, for one machine: assist instance enroll --listen ADDRESS:PORT"),
    ],
)
def test_what_cannot_be_enrolled_is_refused(
    assist: Application, tmp_path: Path, words: list[str], status: int, text: bytes
) -> None:
    done = assist("instance", "enroll", "--out", tmp_path / "file", *words)
    assert (done.returncode, text in done.stderr, (tmp_path / "file").exists()) == (status, True, False), done.stderr


def test_enrolments_are_listed_disabled_and_deleted(assist: Application, tmp_path: Path) -> None:
    assert assist("broker", "init", "tls://broker.example.com").returncode == 0
    assert b"No enrolments yet" in assist("enrolment", "list").stderr
    made = assist("instance", "enroll", "--out", tmp_path / "file", "--uses", "5", "--for", "2d", "-o", "json")
    document = json.loads(made.stdout)
    assert (document["File"], document["InstanceCount"], document["State"]) == (str(tmp_path / "file"), 5, "open")
    id = document["ActivationId"]
    listed = assist("enrolment", "list", "--plain").stdout.decode()
    assert id in listed
    assert "0 of 5" in listed
    assert f"{id} is disabled.".encode() in assist("enrolment", "disable", id[:24]).stderr
    assert used(assist) == [("disabled", 0)]
    assert assist("instance", "enroll", "--activation", id, "--out", tmp_path / "late").returncode == 65
    assert assist("enrolment", "delete", id).returncode == 0
    assert assist("enrolment", "delete", id).returncode == 66
    assert used(assist) == []
