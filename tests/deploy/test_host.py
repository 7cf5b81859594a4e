"""The steps on the machine itself: under old Pythons, and with a stand-in for systemd that records its calls."""

from __future__ import annotations

import os
import shutil
import socket
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from assist_cli import __version__
from assist_cli.deploy import host_requests as deploy
from assist_cli.deploy.host import machine as host_machine
from assist_cli.deploy.host import orders
from assist_cli.deploy.host import posix_machine as place
from assist_cli.deploy.host.changes import Failure, Steps
from assist_cli.deploy.host.posix_machine import PosixMachine
from assist_cli.deploy.host.unit import unit_text
from assist_cli.deploy.pki import Credentials
from assist_cli.model.timeouts import DEFAULTS
from tests.support import interpreters, processes
from tests.support.certificates import Authority, Pair

pytestmark = pytest.mark.usefixtures("starts_processes")


@pytest.fixture
def folder(isolation: Path, no_leaks: None) -> Iterator[Path]:
    """The folder of an agent; an agent that runs there at the end is stopped."""
    path = isolation / "agent"
    yield path
    processes.stop_guarded(path)


def order(folder: Path, **changes: Any) -> dict[str, Any]:
    made = deploy.install_order(instance="i-01kbdk5g8w3m9v6yx2r4hq7cne", credentials=None, listen=None)
    return {**made, **changes}


@pytest.mark.parametrize("version", interpreters.EACH)
def test_it_works_under_every_python_of_an_agent(folder: Path, version: str) -> None:
    python = interpreters.need(version)

    def carry_out(verb: str, words: dict[str, Any]) -> dict[str, Any]:
        script = folder.with_name("order.sh")
        script.write_bytes(deploy.script("posix", str(folder), str(python), verb, words, DEFAULTS.install).content)
        done = subprocess.run(["sh", script], stdout=subprocess.PIPE, check=True)
        return deploy.read_answers(done.stdout, "web1", verb)

    assert carry_out("look", {})["version"] is None
    assert carry_out("install", order(folder)) == {"version": __version__, "before": None, "managed": False}
    assert carry_out("look", {})["version"] == __version__
    said = subprocess.run([folder / "agentd", "status"], stdout=subprocess.PIPE, check=True).stdout.decode()
    assert f"Python {version}." in said
    assert carry_out("uninstall", {"force": False}) == {"left": []}
    assert not folder.exists()


SYSTEMCTL = """\
#!/bin/sh
echo "$*" >> '{words}'
[ "$1" = start ] && [ -e '{broken}' ] && echo 'Job failed.' && exit 1
[ "$1" = start ] && nohup '{program}' guard > /dev/null 2>&1 &
exit 0
"""


class Systemd:
    """A stand-in for systemctl, since no test may change the systemd of this machine."""

    def __init__(self, folder: Path, agent: Path) -> None:
        self.program = folder / "systemctl"
        self.units = folder / "units"
        self.broken = folder / "broken"
        self._words = folder / "words"
        self.program.write_text(SYSTEMCTL.format(words=self._words, broken=self.broken, program=agent / "agentd"))
        self.program.chmod(0o755)

    @property
    def unit(self) -> Path:
        return self.units / place.UNIT

    def asked(self) -> list[str]:
        """Return the calls since the last time."""
        words = self._words.read_text().splitlines()
        self._words.unlink()
        return words


@pytest.fixture
def systemd(isolation: Path, folder: Path) -> Systemd:
    return Systemd(isolation, folder)


@pytest.fixture
def machine(systemd: Systemd, folder: Path) -> PosixMachine:
    return PosixMachine(DEFAULTS.install.as_dict(), str(folder), str(systemd.units), [str(systemd.program)])


def test_the_unit_is_installed_and_installed_again(machine: PosixMachine, systemd: Systemd, folder: Path) -> None:
    previous = os.umask(0o022)  # as main does
    try:
        assert orders.install(machine, order(folder), Steps())["managed"]
    finally:
        os.umask(previous)
    assert systemd.asked() == ["daemon-reload", f"enable {place.UNIT}", f"stop {place.UNIT}", f"start {place.UNIT}"]
    assert systemd.unit.read_text() == unit_text(str(folder), root=True)
    assert stat.S_IMODE(systemd.unit.stat().st_mode) == 0o644
    assert not (folder / "agentd.log").exists()

    orders.install(machine, order(folder), Steps())
    assert systemd.asked()[-2:] == [f"stop {place.UNIT}", f"start {place.UNIT}"]

    assert orders.uninstall(machine, {"force": False}, Steps()) == {"left": []}
    assert systemd.asked() == [f"disable --now {place.UNIT}", f"stop {place.UNIT}", "daemon-reload"]
    assert not systemd.unit.exists()


def test_a_refused_start_leaves_no_unit(machine: PosixMachine, systemd: Systemd, folder: Path) -> None:
    systemd.broken.touch()
    steps = Steps()
    with pytest.raises(Failure, match=r"systemctl start assist-agentd\.service: Job failed\."):
        orders.install(machine, order(folder), steps)
    assert steps.undo() == []
    assert not systemd.unit.exists()
    assert not folder.exists()
    assert systemd.asked()[-2:] == [f"disable {place.UNIT}", "daemon-reload"]


def test_an_interruption_takes_effect_before_the_next_step(machine: PosixMachine, folder: Path) -> None:
    steps = Steps()
    steps.begin("copy")
    steps.interrupt()
    with pytest.raises(Failure, match="interrupted"):
        orders.install(machine, order(folder), steps)
    assert (steps.undo(), folder.exists()) == ([], False)


def test_a_file_keeps_a_newer_certificate_of_the_same_instance(
    machine: PosixMachine, folder: Path, isolation: Path
) -> None:
    authority, other = Authority(isolation), Authority(isolation, "theirs")
    old = authority.issue("i-1", "agent", days=(-9, 30), file="old")
    new = authority.issue("i-1", "agent", days=(-8, 20), file="new")

    def kept(given: Pair, installed: Pair, ca: Path = authority.own.certificate, **changes: Any) -> bool:
        for name, path in (("ca.pem", ca), ("agent.pem", installed.certificate), ("agent.key", installed.key)):
            shutil.copy(path, folder / "pki" / name)
        (folder / "instance-id").write_text("i-1\n")
        credentials = Credentials(
            given.certificate.read_bytes(), given.key.read_bytes(), authority.own.certificate.read_bytes()
        )
        made = deploy.install_order(instance="i-1", credentials=credentials, listen=None)
        return orders._newer_kept(machine, {**made, "keeps_newer": True, **changes}) == {}

    (folder / "pki").mkdir(parents=True)
    assert kept(old, installed=new)
    assert not kept(new, installed=old)
    assert not kept(new, installed=new)
    assert not kept(old, installed=new, keeps_newer=False)
    assert not kept(old, installed=new, instance="i-2")
    assert not kept(old, installed=new, ca=other.own.certificate)
    assert not kept(old, installed=Pair(new.certificate, old.key))
    assert not kept(old, installed=Pair(old.key, old.key))


def test_the_reason_why_an_agent_cannot_listen_leads_to_an_advice() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert host_machine._advice(f"127.0.0.1:{port}").startswith(f"another program uses port {port} here")
    assert "does not have the address 192.0.2.1 itself" in host_machine._advice("192.0.2.1:7433")
    assert "give a host name" in host_machine._advice("[2001:db8::1]:7433")
    assert (host_machine._advice(""), host_machine._advice(f"127.0.0.1:{port}")) == ("", "")


def test_a_failed_undo_is_reported(machine: PosixMachine, systemd: Systemd, folder: Path) -> None:
    steps = Steps()

    def back() -> None:
        raise OSError(28, "No space left on device", "/etc/x")

    steps.can_undo(back)
    assert steps.undo() == ["[Errno 28] No space left on device: '/etc/x'"]


def test_a_folder_that_is_writable_by_others_is_refused(machine: PosixMachine, folder: Path) -> None:
    folder.mkdir()
    folder.chmod(0o777)
    with pytest.raises(Failure, match="others can write to it"):
        orders.install(machine, order(folder), Steps())
    assert list(folder.iterdir()) == []


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
@pytest.mark.parametrize("kind", ["theirs", "link", "above"])
def test_nothing_is_read_run_or_removed_in_a_folder_of_another_user(
    machine: PosixMachine, folder: Path, isolation: Path, kind: str
) -> None:
    """Nor through a link of theirs, nor where they can replace the folder."""
    real, other = isolation / "real", 1_234_567
    real.mkdir(mode=0o700)
    (real / "agentd").write_text("#!/bin/sh\ntouch hacked\n")
    (real / "instance-id").write_text("i-1\n")
    if kind == "link":
        isolation.chmod(0o1777)
        folder.symlink_to(real)
        os.chown(folder, other, other, follow_symlinks=False)
    else:
        real.rename(folder)
        os.chown(folder if kind == "theirs" else isolation, other, other)
    for verb in (orders.look, orders.install, orders.uninstall):
        with pytest.raises((Failure, PermissionError), match="another user"):
            verb(machine, order(folder), Steps())
    assert sorted(path.name for path in folder.iterdir()) == ["agentd", "instance-id"]


def test_the_default_folder_is_that_of_the_bridge(monkeypatch: pytest.MonkeyPatch) -> None:
    from assist_cli.agents.ssh import bridge

    assert bridge.ROOT_FOLDER == place.ROOT_HOME
    monkeypatch.delenv("ASSIST_AGENTD_HOME", raising=False)
    shown = subprocess.run(
        ["sh", "-c", f'[ "$(id -u)" = 0 ] && echo {bridge.ROOT_FOLDER} || echo {bridge.USER_FOLDER}'],
        stdout=subprocess.PIPE,
        check=True,
    )
    assert PosixMachine(DEFAULTS.install.as_dict(), manager=[]).home == shown.stdout.decode().strip()


def test_a_machine_gets_another_id_one_time_when_it_becomes_a_new_instance(machine: PosixMachine, folder: Path) -> None:
    """A repetition before the installation has changed the instance keeps it."""
    folder.mkdir(exist_ok=True)

    def enrol(**order: bool) -> tuple[str, str | None]:
        found = orders.enrol(machine, order, Steps())
        return found["machine"], found["replaces"]

    first = enrol()
    assert (first[1], enrol(), enrol(new=True)) == (None, first, first)
    (folder / "instance-id").write_text("i-old\n")
    assert enrol() == first
    second = enrol(new=True)
    assert (second[1], second[0] == first[0]) == ("i-old", False)
    assert (enrol(), enrol(new=True)) == (second, second)
    (folder / "instance-id").write_text("i-new\n")
    third = enrol(new=True)
    assert (third[1], third[0] == second[0]) == ("i-new", False)
