"""The server as a service: the calls of systemctl, and the unit."""

from __future__ import annotations

import os
import shlex
import subprocess
from pathlib import Path

import pytest

from assist_cli.deploy import service as units
from assist_cli.errors import Conflict, InstallFailed, InvalidParameter
from assist_cli.operations.controller import Controller
from assist_cli.operations.observe.doctor import examine_controller
from assist_cli.operations.runs.senders import sender
from assist_cli.operations.server import lease, service
from assist_cli.operations.server.service import Systemd
from assist_cli.paths import Home
from assist_cli.store.database import REPLACED, RESTORED
from tests.support.programs import need

pytestmark = pytest.mark.usefixtures("starts_processes")

SYSTEMCTL = """#!/bin/sh
shift
echo "$@" >> '{words}'
[ "$1" != restart ] || [ ! -e '{broken}' ] || {{ echo 'Job failed.' >&2; exit 1; }}
"""


class StandIn(Systemd):
    """A stand-in for systemctl, since no test may change the systemd of this machine."""

    def __init__(self, folder: Path, *, root: bool) -> None:
        program, self._words_file, self.broken = folder / "systemctl", folder / "words", folder / "broken"
        program.write_text(SYSTEMCTL.format(words=self._words_file, broken=self.broken))
        program.chmod(0o755)
        super().__init__(root=root, units=folder / "units", program=str(program))

    def asked(self) -> list[str]:
        """Return the calls since the last time, without queries."""
        words = self._words_file.read_text().splitlines()
        self._words_file.unlink()
        return [line for line in words if not line.startswith(("is-", "show-"))]


@pytest.fixture
def systemd(isolation: Path) -> StandIn:
    return StandIn(isolation, root=True)


def test_it_is_installed_reinstalled_and_removed(controller: Controller, systemd: StandIn) -> None:
    for _ in range(2):
        found = service.install(controller, systemd)
        assert systemd.asked() == ["daemon-reload", "enable assist.service", "restart assist.service"]
        assert (found.is_installed, found.is_enabled, found.is_active, found.process) == (True, True, True, None)
    assert systemd.unit.stat().st_mode & 0o777 == 0o644
    assert f'Environment="ASSIST_HOME={controller.home.root}"' in systemd.unit.read_text().splitlines()
    assert service.uninstall(systemd)
    assert systemd.asked() == ["disable --now assist.service", "daemon-reload"]
    assert not systemd.unit.exists()
    assert not service.uninstall(systemd)
    assert not service.state(controller, systemd).is_installed


def test_the_unit_has_the_options_of_the_server(controller: Controller, systemd: StandIn) -> None:
    for words in (["--api", "127.0.0.1:1", "--api-name", "a b"], []):
        service.install(controller, systemd, words)
        (line,) = (line for line in systemd.unit.read_text().splitlines() if line.startswith("ExecStart="))
        assert shlex.split(line.partition("=")[2]) == [*service.program(), "serve", *words]


def test_the_service_of_another_home_is_not_changed(controller: Controller, systemd: StandIn) -> None:
    systemd.unit.parent.mkdir()
    systemd.unit.write_text(units.server_unit(["assist"], "/another", "/another/environment", root=True))
    with pytest.raises(Conflict) as refused:
        service.install(controller, systemd)
    assert refused.value.code == "ServiceExists"


def test_a_refusal_of_systemd_is_reported(controller: Controller, systemd: StandIn) -> None:
    systemd.broken.touch()
    with pytest.raises(InstallFailed, match=r"restart assist\.service: Job failed\."):
        service.install(controller, systemd)


def test_without_systemd_there_is_a_hint(controller: Controller, isolation: Path) -> None:
    nothing = Systemd(root=True, units=isolation / "units", program="no-such-systemctl")
    with pytest.raises(Conflict, match="systemd does not run here") as refused:
        service.install(controller, nothing)
    assert f"ASSIST_HOME={controller.home.root}" in refused.value.hint
    assert " serve" in refused.value.hint
    assert not nothing.unit.exists()


def test_a_home_that_a_unit_cannot_name_is_refused(controller: Controller, systemd: StandIn) -> None:
    odd = controller.replace(home=Home(controller.home.root / "two\nlines"))
    with pytest.raises(InvalidParameter, match="a systemd unit cannot contain this path"):
        service.install(odd, systemd)
    assert not systemd.unit.exists()


@pytest.mark.parametrize("root", [True, False], ids=["system", "user"])
@pytest.mark.parametrize("name", ["plain", 'it\'s 100% "mine" \\ $HOME'])
def test_systemd_accepts_the_unit(tmp_path: Path, root: bool, name: str) -> None:
    unit = tmp_path / service.UNIT
    home = str(tmp_path / name)
    unit.write_text(units.server_unit(service.program(), home, f"{home}/environment", root=root))
    done = subprocess.run(
        [need("systemd-analyze"), "verify", "--man=no", "--recursive-errors=no", *([] if root else ["--user"]), unit],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env={**os.environ, "XDG_RUNTIME_DIR": str(tmp_path)},
        check=False,
    )
    assert (done.returncode, [line for line in done.stdout.decode().splitlines() if service.UNIT in line]) == (0, [])


def test_doctor_reports_that_no_server_runs(controller: Controller) -> None:
    def server() -> tuple[bool, str]:
        (found,) = [check for check in examine_controller(controller) if check.name == "server"]
        return found.ok, found.detail

    assert server() == (True, "it is not running; there is no schedule to fire")
    with controller.database.transaction() as transaction:
        transaction.execute("PRAGMA defer_foreign_keys = ON")
        transaction.execute(
            "INSERT INTO invocations (id, status, created_at, command_id, command_type, repeat_mode, timeout,"
            " keep_script, parameters, content) VALUES ('t-1', 'Stopped', 1, 'c-1', 'RunShellScript', 'Period', 60, 0,"
            " '{}', x'')"
        )
        transaction.execute(
            "INSERT INTO schedules (invocation_id, frequency, anchor_at, next_at, jitter_ms, missed, keep, secrets,"
            " revision) VALUES ('t-1', 'rate(10s)', 1, 1, 0, 'skip', 1, '{}', 1)"
        )
    assert server() == (False, "it is not running, and 1 schedule will not fire")
    with sender(controller.home) as token:
        lease.take(controller, token)
        ok, detail = server()
    assert ok
    assert detail.startswith(f"process {os.getpid()} on ")


@pytest.mark.parametrize("name", [RESTORED, REPLACED])
def test_a_home_that_the_server_would_refuse_gets_no_service(
    controller: Controller, systemd: StandIn, name: str
) -> None:
    with controller.database.transaction() as transaction:
        transaction.set(name, 5)
    with pytest.raises(Conflict, match="cannot serve this home") as conflict:
        service.install(controller, systemd)
    assert "assist serve" in conflict.value.hint
    assert not systemd.unit.exists()
    (server,) = (check for check in examine_controller(controller) if check.name == "server")
    assert (server.ok, server.detail, server.hint) == (False, conflict.value.message, conflict.value.hint)
