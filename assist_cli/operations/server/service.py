"""The server as a service of systemd: a unit of the user, or for root one of the system."""

from __future__ import annotations

import getpass
import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from assist_cli import codes
from assist_cli.deploy import service
from assist_cli.errors import Conflict, FileFailure, InstallFailed, InvalidParameter
from assist_cli.operations.controller import Controller
from assist_cli.operations.server import lease
from assist_cli.paths import make_folder, user_home, write_whole

UNIT = "assist.service"
SYSTEM_UNITS = Path("/etc/systemd/system")
SYSTEM_RUNS = Path("/run/systemd/system")  # sd_booted(3)
LINGERING = Path("/var/lib/systemd/linger")


@dataclass(frozen=True)
class ServiceState:
    """The service as it is. ``unit`` is the file of it; ``process`` the server of the home, however it was started.

    ``lingers`` tells that it goes on when the user has logged out.
    """

    unit: Path
    is_installed: bool
    is_enabled: bool
    is_active: bool
    lingers: bool
    process: int | None


class Systemd:
    """The systemd that looks after us: that of the system for root, else that of the user."""

    def __init__(self, *, root: bool | None = None, units: Path | None = None, program: str = "systemctl") -> None:
        self.root = os.geteuid() == 0 if root is None else root
        config = os.environ.get("XDG_CONFIG_HOME") or str(user_home() / ".config")
        self.unit = (units or (SYSTEM_UNITS if self.root else Path(config, "systemd", "user"))) / UNIT
        self._words = [program, "--system" if self.root else "--user"]
        self._is_usual = units is None

    @property
    def is_there(self) -> bool:
        """Whether there is one that would start something for us."""
        if self._is_usual and not SYSTEM_RUNS.is_dir():
            return False
        return shutil.which(self._words[0]) is not None and (self.root or self.asks("show-environment"))

    def asks(self, *words: str) -> bool:
        """Whether it says yes."""
        return subprocess.run([*self._words, *words], stdin=subprocess.DEVNULL, capture_output=True).returncode == 0

    def call(self, *words: str) -> None:
        """Have it do something. Raises InstallFailed with what it says."""
        done = subprocess.run([*self._words, *words], stdin=subprocess.DEVNULL, capture_output=True)
        if done.returncode:
            said = (done.stderr or done.stdout).decode("utf-8", "replace").strip().splitlines()
            raise InstallFailed(
                f"cannot have systemd {' '.join(words)}: {said[-1] if said else 'it failed'}",
                hint=f"the unit is '{self.unit}'; systemctl {self._words[1]} status {UNIT} tells more",
            )


def install(controller: Controller, systemd: Systemd, words: Sequence[str] = ()) -> ServiceState:
    """Write the unit, have it started now and with the machine. Again on the same home it does the same again.

    ``words`` are the options of ``assist serve``.

    Raises Conflict (no systemd here; the unit is another home's), InvalidParameter, NotPermitted, FileFailure and
    InstallFailed.
    """
    _refuse_without(controller, systemd, words)
    home = controller.home.root
    if not str(home).isprintable():
        raise InvalidParameter(
            f"cannot install a service for the home {str(home)!r}: a unit of systemd cannot name it",
            hint="set ASSIST_HOME to a folder whose name is plain text",
        )
    text = service.server_unit([*program(), "serve", *words], str(home), str(home / "environment"), root=systemd.root)
    if systemd.unit.exists() and not _is_of(systemd.unit, text):
        raise Conflict(
            f"cannot install the service: '{systemd.unit}' is that of another home",
            hint="assist service uninstall takes it away",
            code=codes.SERVICE_EXISTS,
        )
    make_folder(systemd.unit.parent)
    write_whole(systemd.unit, text.encode(), 0o644)
    systemd.call("daemon-reload")
    systemd.call("enable", UNIT)
    systemd.call("restart", UNIT)
    lingering = shutil.which("loginctl")
    if lingering and not systemd.root and not _lingers():
        # refused where only an administrator may say so; the state tells
        subprocess.run([lingering, "enable-linger"], stdin=subprocess.DEVNULL, capture_output=True)
    return state(controller, systemd)


def uninstall(systemd: Systemd) -> bool:
    """Have it stopped and take the unit away; False when there is none. What the agent runs goes on."""
    if not systemd.unit.exists():
        return False
    systemd.call("disable", "--now", UNIT)
    try:
        systemd.unit.unlink()
    except OSError as error:
        raise FileFailure(f"cannot remove '{systemd.unit}': {error.strerror}") from error
    systemd.call("daemon-reload")
    return True


def state(controller: Controller, systemd: Systemd) -> ServiceState:
    """How the service is, and whether somebody serves."""
    installed = systemd.unit.exists()
    server = lease.holder(controller)
    return ServiceState(
        unit=systemd.unit,
        is_installed=installed,
        is_enabled=installed and systemd.asks("is-enabled", "--quiet", UNIT),
        is_active=installed and systemd.asks("is-active", "--quiet", UNIT),
        lingers=systemd.root or _lingers(),
        process=server.pid if server else None,
    )


def program() -> list[str]:
    """The words that run this Assist."""
    return [sys.executable, "-m", "assist_cli"]


def _refuse_without(controller: Controller, systemd: Systemd, options: Sequence[str]) -> None:
    if not systemd.is_there:
        words = shlex.join(["env", f"ASSIST_HOME={controller.home.root}", *program(), "serve", *options])
        raise Conflict(
            "cannot install a service: no systemd looks after this user here",
            hint=f"let what starts programs here run: {words}; in a crontab that is a line with @reboot before it",
            code=codes.NO_SERVICE_MANAGER,
        )


def _is_of(unit: Path, text: str) -> bool:
    """Whether a unit that is there is that of the same home."""
    lines = [connection for connection in text.splitlines() if connection.startswith("Environment=")]
    return lines[0] in unit.read_text("utf-8", "replace").splitlines()


def _lingers() -> bool:
    return (LINGERING / getpass.getuser()).exists()
