"""The file for one machine that listens, without a broker: what it registers, what it contains, and how it is run."""

from __future__ import annotations

import base64
import json
import os
import shutil
import signal
import socket
import stat
import subprocess
import sys
import zipfile
import zipimport
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509

from assist_cli.agents import revoked
from assist_cli.deploy.host import boot, enrol_here
from assist_cli.deploy.host.client import Denied
from assist_cli.paths import Home
from tests.support import interpreters, processes
from tests.support.application import Application
from tests.support.program import GUARD

FOUND: dict[str, Any] = {"home": "/x", "user": "me", "root": True, "managed": True, "lingers": True, "version": None}


def settings_of(file: Path) -> dict[str, Any]:
    with zipfile.ZipFile(file) as archive:
        pieces = [archive.read(name) for name in archive.namelist() if name.startswith("settings.")]
        found: dict[str, Any] = json.loads(b"".join(pieces))
        return found


def test_the_instance_is_registered_before_it_is_reached(assist: Application, tmp_path: Path) -> None:
    file = tmp_path / "win1.pyz"
    made = assist("instance", "enroll", "--listen", "127.0.0.1:1", "--out", file, "--name", "win1", "--tag", "a=b")
    assert made.returncode == 0, made.stderr
    assert made.stdout.startswith(b"win1  i-")
    assert b"win1.pyz is a secret: it has the key of this instance." in made.stderr
    assert b"Then, here: assist doctor win1" in made.stderr
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    found = json.loads(assist("instance", "show", "win1", "-o", "json").stdout)
    assert (found["Address"], found["Tags"]) == ("tls:127.0.0.1:1", {"a": "b"})
    assert b"never: its agent has not answered yet" in assist("instance", "show", "win1").stdout
    assert b"instance.enroll" in assist("audit", "list").stdout
    settings = settings_of(file)
    assert (settings["name"], settings["instance"]) == ("win1", found["InstanceId"])
    assert settings["order"]["conf"] == {"dial": None, "dial_proxy": None, "listen": "127.0.0.1:1"}
    assert settings["sources"].keys() == {"posix", "nt"}
    taken = assist("instance", "enroll", "--listen", "h:1", "--name", "win1", "--out", tmp_path / "other")
    assert (taken.returncode, b"cannot use the name 'win1': the instance i-" in taken.stderr) == (65, True)
    for words in (["doctor", "win1"], ["instance", "status", "win1"], ["instance", "upgrade", "win1"]):
        silent = assist(*words)
        said = silent.stdout + silent.stderr
        assert (silent.returncode, said.count(b"it has never answered: run its file there")) == (69, 1), said
        assert b"systemctl" not in said


def test_a_new_file_has_a_new_key_and_ends_the_old_one(assist: Application, tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    words = ["instance", "enroll", "--listen", "127.0.0.1:1", "--name", "win1"]
    unknown = assist(*words, "--out", first, "--rotate")
    assert (unknown.returncode, b"there is no such instance" in unknown.stderr, first.exists()) == (66, True, False)
    made = assist(*words, "--out", first)
    again = assist(*words, "--out", second)
    assert (again.returncode, second.exists()) == (65, False)
    assert b"cannot make a file for '127.0.0.1:1': the instance 'win1' has this address" in again.stderr
    assert b"enroll --listen 127.0.0.1:1 --name win1 --rotate --out FILE" in again.stderr
    words[3] = "127.0.0.1:2"
    moved = assist(*words, "--out", second, "--rotate")
    assert (moved.returncode, b"its address is 'tls:127.0.0.1:1'" in moved.stderr) == (65, True)
    words[3] = "127.0.0.1:1"
    rotated = assist(*words, "--out", second, "--rotate")
    assert (rotated.returncode, rotated.stdout) == (0, made.stdout), rotated.stderr
    (refused,) = revoked.read(Home(Path(os.environ["ASSIST_HOME"]))).values()
    assert certified(first) <= refused.second < certified(second)


def certified(file: Path) -> float:
    """Return the second in which the certificate in a file was made."""
    text = base64.b64decode(settings_of(file)["order"]["files"]["pki/agent.pem"][0])
    return (x509.load_pem_x509_certificate(text).not_valid_before_utc + revoked.BACKDATED).timestamp()


def test_the_name_is_the_address_and_a_host_name_means_all_addresses(assist: Application, tmp_path: Path) -> None:
    file = tmp_path / "file.pyz"
    made = assist("instance", "enroll", "--listen", "db1.example.com:7500", "--out", file, "-o", "json")
    document = json.loads(made.stdout)
    assert (document["InstanceName"], document["File"]) == ("db1.example.com", str(file))
    assert settings_of(file)["order"]["conf"]["listen"] == "0.0.0.0:7500"
    assert b"note: 'db1.example.com' has no address here yet" in made.stderr
    six = tmp_path / "six.pyz"
    assert assist("instance", "enroll", "--listen", "[::1]:7500", "--out", six).returncode == 0
    assert settings_of(six)["order"]["conf"]["listen"] == "[::1]:7500"


@pytest.mark.parametrize(
    ("words", "status", "text"),
    [
        (["--listen", "7433"], 65, b"cannot make a file for '7433': it has no address"),
        (["--listen", "0.0.0.0:7433"], 65, b"no controller can connect to 0.0.0.0"),
        (["--listen", "a b:1"], 65, b"cannot make a file for 'a b:1': 'a b:1' is not HOST[:PORT]"),
        (["--listen", "h:99999"], 65, b"hint: give the address or the host name of the machine, and a port"),
        (["--rotate"], 2, b"cannot use --rotate without --listen"),
        (["--listen", "h:1", "--rotate", "--tag", "a=b"], 2, b"cannot use both --rotate and --tag"),
        (["--listen", "h:1", "--name", "lin 4", "--uses", "2"], 2, b" --listen h:1 --name 'lin 4'"),
        (["--out", "-", "--listen", "h:1"], 2, b"it is a secret"),
        (["--listen", "h:1", "--uses", "2"], 2, b"together with --listen"),
        (["--listen", "h:1", "--name", "local"], 65, b"cannot use the name 'local'"),
    ],
)
def test_what_cannot_be_a_file_is_refused(
    assist: Application, tmp_path: Path, words: list[str], status: int, text: bytes
) -> None:
    file = tmp_path / "file.pyz"
    done = assist("instance", "enroll", "--out", file, *words)
    assert (done.returncode, text in done.stderr, file.exists()) == (status, True, False), done.stderr


def test_a_file_that_exists_is_not_overwritten_and_nothing_is_registered(assist: Application, tmp_path: Path) -> None:
    file = tmp_path / "file.pyz"
    file.write_text("mine")
    done = assist("instance", "enroll", "--listen", "h:1", "--out", file)
    assert (done.returncode, b"it exists" in done.stderr, file.read_text()) == (65, True, "mine")
    assert b"No instances are registered" in assist("instance", "list").stderr


@pytest.mark.parametrize(
    ("found", "why"),
    [
        ({"authority": "x" * 64, "instance": "i-mine"}, "belongs to another controller"),
        ({"authority": "y" * 64, "instance": "i-other"}, "of the instance i-other"),
    ],
)
def test_a_machine_with_another_agent_is_left_alone(found: dict[str, Any], why: str) -> None:
    with pytest.raises(Denied, match=why) as denied:
        enrol_here._check_agent({"authority": "y" * 64, "instance": "i-mine"}, {"home": "/x", **found})
    assert "and repeat" in denied.value.hint


def test_an_agent_without_an_authority_is_replaced() -> None:
    enrol_here._check_agent(
        {"authority": "y" * 64, "instance": "i-mine"}, {"home": "/x", "authority": None, "instance": "i-other"}
    )


@pytest.mark.usefixtures("starts_processes")
def test_a_file_that_is_older_than_its_agent_names_the_controller() -> None:
    words = {"error": "version 2 is installed, and 1 is older", "code": "ClientNeedUpgrade", "hint": "h", "left": []}
    settings = {"name": "one", "program": f"print({json.dumps(words)!r})", "sources": {os.name: []}, "waits": {}}
    with pytest.raises(Denied, match="version 2 is installed, and 1 is older") as denied:
        enrol_here._carry_out(settings, "install", {})
    assert "on the controller: assist instance upgrade one" in denied.value.hint


@pytest.mark.usefixtures("starts_processes")
@pytest.mark.parametrize("member", ["settings.0", "assist_cli/deploy/host/client.py"])
def test_a_damaged_file_says_so(assist: Application, tmp_path: Path, member: str) -> None:
    file = tmp_path / "file.pyz"
    assert assist("instance", "enroll", "--listen", "h:1", "--out", file).returncode == 0
    with zipfile.ZipFile(file) as archive:
        place = archive.getinfo(member).header_offset + 30 + len(member) + 50  # in the data, behind its header
    data = bytearray(file.read_bytes())
    data[place : place + 3] = bytes(each ^ 255 for each in data[place : place + 3])
    file.write_bytes(data)
    done = subprocess.run([sys.executable, file], capture_output=True, text=True, timeout=GUARD, check=False)
    hint = "hint: copy it here again, in binary mode"
    text = f"error: cannot install the agent: this file is damaged\n{hint}\n"
    assert (done.returncode, done.stdout, done.stderr) == (1, "", text)


@pytest.mark.usefixtures("starts_processes")
def test_a_file_that_is_cut_off_says_so(assist: Application, tmp_path: Path) -> None:
    file = tmp_path / "file.pyz"
    assert assist("instance", "enroll", "--listen", "h:1", "--out", file).returncode == 0
    data = file.read_bytes()
    for size in (*range(1_000, len(data), 5_000), len(data) - 22):
        cut = tmp_path / f"{size}.pyz"
        cut.write_bytes(data[:size])
        assert "this file is not complete" in str(zipimport.zipimporter(str(cut)).get_source("__main__"))
    done = subprocess.run([sys.executable, cut], capture_output=True, text=True, timeout=GUARD, check=False)
    text = "error: cannot install the agent: this file is not complete\nhint: copy it here again, in binary mode\n"
    assert (done.returncode, done.stdout, done.stderr) == (1, "", text)


@pytest.mark.parametrize(
    ("found", "begin"),
    [
        ({}, ""),
        ({"version": "0.1.0", "managed": False}, ""),
        ({"managed": False}, "systemd does not start it; to start it at boot"),
        ({"lingers": False}, "to keep it running while me is logged out"),
        ({"home": "C:\\x"}, ""),
        ({"home": "C:\\x", "managed": False}, "only the agent in the usual folder has a scheduled task"),
        ({"root": False}, "it runs all scripts as me, who has installed it"),
    ],
)
def test_the_steps_that_are_left(found: dict[str, Any], begin: str) -> None:
    assert "".join(boot.boot_notes({**FOUND, **found})).startswith(begin)
    assert bool(boot.boot_notes({**FOUND, **found})) == bool(begin)


@pytest.fixture
def agent(isolation: Path, starts_processes: None, no_leaks: None) -> Iterator[Path]:
    """The folder of an agent, which is stopped at the end."""
    path = isolation / "machine"
    yield path
    processes.stop_guarded(path)


@pytest.mark.long
def test_ctrl_c_undoes_everything(assist: Application, agent: Path, tmp_path: Path) -> None:
    """It is sent to all processes of the terminal. If it is too late, the agent is installed."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    file = tmp_path / "one.pyz"
    assert assist("instance", "enroll", "--listen", f"127.0.0.1:{port}", "--out", file).returncode == 0
    for step in ("- copy agentd", "- write its key", "- start the agent"):
        with subprocess.Popen(
            [sys.executable, file],
            env={**os.environ, "ASSIST_AGENTD_HOME": str(agent)},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        ) as process:
            assert process.stdout is not None
            while not process.stdout.readline().startswith(step):
                pass
            os.killpg(process.pid, signal.SIGINT)
            _, stderr = process.communicate(timeout=GUARD)
        undone = (130, "error: interrupted\nhint: run it again: nothing is done twice\n", False)
        assert (process.returncode, stderr, agent.exists()) in (undone, (0, "", True))
        processes.stop_guarded(agent)
        shutil.rmtree(agent, ignore_errors=True)


@pytest.mark.long
@pytest.mark.usefixtures("starts_processes")
def test_an_old_python_is_refused(assist: Application, tmp_path: Path) -> None:
    file = tmp_path / "file.pyz"
    assert assist("instance", "enroll", "--listen", "h:1", "--out", file).returncode == 0
    words = [str(interpreters.need("3.6")), str(file)]
    done = subprocess.run(words, capture_output=True, text=True, timeout=GUARD, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("error: cannot install the agent: TLS 1.3 is needed, and Python 3.6 with ")


@pytest.mark.long
def test_it_installs_the_agent_and_the_controller_connects(assist: Application, agent: Path, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    file, new, other = (tmp_path / f"{name}.pyz" for name in ("one", "new", "other"))

    def run(path: Path) -> subprocess.CompletedProcess[str]:
        env = {**os.environ, "ASSIST_AGENTD_HOME": str(agent)}
        argv = [sys.executable, str(path)]
        return subprocess.run(argv, env=env, capture_output=True, text=True, timeout=GUARD, check=False)

    def enroll(path: Path, name: str, *words: str, host: str = "127.0.0.1") -> None:
        made = assist("instance", "enroll", "--listen", f"{host}:{port}", "--out", path, "--name", name, *words)
        assert made.returncode == 0, made.stderr

    def refused(*words: str) -> None:
        done = assist(*words)
        assert (done.returncode, b"its certificate is revoked" in done.stderr) == (69, True), done

    enroll(file, "one")
    done = run(file)
    assert (done.returncode, done.stderr) == (0, ""), done
    assert done.stdout.count("- start the agent") == 1
    assert "\nInstalled as one (i-" in done.stdout
    assert assist("run", "-i", "one", "--", "echo", "hi").stdout == b"hi\n"
    assert b"just now" in assist("instance", "show", "one").stdout
    again = run(file)
    assert (again.returncode, "- restart the agent" in again.stdout) == (0, True), again
    assert assist("instance", "upgrade", "one", "--rotate").returncode == 0
    rotated = (agent / "pki" / "agent.pem").read_bytes()
    assert "keep its key and certificate, which are newer" in run(file).stdout
    assert (agent / "pki" / "agent.pem").read_bytes() == rotated
    assert assist("run", "-i", "one", "--", "true").returncode == 0

    (agent / "pki" / "agent.key").unlink()
    assert run(file).returncode == 0
    refused("instance", "upgrade", "one")
    enroll(new, "one", "--rotate")
    assert run(new).returncode == 0
    assert assist("run", "-i", "one", "--", "true").returncode == 0

    enroll(other, "two", host="localhost")
    denied = run(other)
    assert (denied.returncode, denied.stdout) == (1, "")
    assert denied.stderr.startswith("error: cannot install an agent here: there is one already, of the instance i-")
    assert assist("instance", "uninstall", "one").returncode == 0
    assert processes.gone(agent)

    assert run(new).returncode == 0
    refused("instance", "add", "one", f"tls:127.0.0.1:{port}")
