"""The systemd service of the server: a user unit, or for root a system unit."""

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
from assist_cli.operations.server import lease, takeover
from assist_cli.paths import make_folder, user_home, write_whole

UNIT = "assist.service"
SYSTEM_UNITS = Path("/etc/systemd/system")
SYSTEM_RUNS = Path("/run/systemd/system")  # sd_booted(3)
LINGERING = Path("/var/lib/systemd/linger")


@dataclass(frozen=True)
class ServiceState:
    """The state of the service. ``unit`` is its file; ``process`` is the running server, however it was started.

    ``lingers`` is True if it keeps running after the user has logged out.
    """

    unit: Path
    is_installed: bool
    is_enabled: bool
    is_active: bool
    lingers: bool
    process: int | None


class Systemd:
    """The systemd that manages the service: the system manager for root, else the user manager."""

    def __init__(self, *, root: bool | None = None, units: Path | None = None, program: str = "systemctl") -> None:
        self.root = os.geteuid() == 0 if root is None else root
        config = os.environ.get("XDG_CONFIG_HOME") or str(user_home() / ".config")
        self.unit = (units or (SYSTEM_UNITS if self.root else Path(config, "systemd", "user"))) / UNIT
        self._words = [program, "--system" if self.root else "--user"]
        self._is_usual = units is None

    @property
    def is_there(self) -> bool:
        """True if systemd is running here and this user may use it."""
        if self._is_usual and not SYSTEM_RUNS.is_dir():
            return False
        return shutil.which(self._words[0]) is not None and (self.root or self.asks("show-environment"))

    def asks(self, *words: str) -> bool:
        """Run systemctl with these arguments. Return True if it exits with 0."""
        return subprocess.run([*self._words, *words], stdin=subprocess.DEVNULL, capture_output=True).returncode == 0

    def call(self, *words: str) -> None:
        """Run systemctl with these arguments. Raises InstallFailed with its error."""
        done = subprocess.run([*self._words, *words], stdin=subprocess.DEVNULL, capture_output=True)
        if done.returncode:
            lines = (done.stderr or done.stdout).decode("utf-8", "replace").strip().splitlines()
            reason = lines[-1] if lines else f"exit {done.returncode}"
            raise InstallFailed(
                f"cannot run systemctl {' '.join(words)}: {reason}",
                hint=f"check the unit '{self.unit}': systemctl {self._words[1]} status {UNIT}",
            )


def install(controller: Controller, systemd: Systemd, words: Sequence[str] = ()) -> ServiceState:
    """Install the unit, enable it at boot and start it. Idempotent for one home.

    ``words`` are the options of ``assist serve``.

    Raises Conflict (no systemd here; the unit belongs to another home; the server would refuse this home),
    InvalidParameter, NotPermitted, FileFailure and InstallFailed.
    """
    takeover.check(controller.database)
    _refuse_without(controller, systemd, words)
    home = controller.home.root
    if not str(home).isprintable():
        raise InvalidParameter(
            f"cannot install a service for the home {str(home)!r}: a systemd unit cannot contain this path",
            hint="set ASSIST_HOME to a path of printable characters",
        )
    text = service.server_unit([*program(), "serve", *words], str(home), str(home / "environment"), root=systemd.root)
    if systemd.unit.exists() and not _is_of(systemd.unit, text):
        raise Conflict(
            f"cannot install the service: '{systemd.unit}' belongs to another home",
            hint="remove it: assist service uninstall",
            code=codes.SERVICE_EXISTS,
        )
    make_folder(systemd.unit.parent)
    write_whole(systemd.unit, text.encode(), 0o644)
    systemd.call("daemon-reload")
    systemd.call("enable", UNIT)
    systemd.call("restart", UNIT)
    lingering = shutil.which("loginctl")
    if lingering and not systemd.root and not _lingers():
        # an administrator may have to permit it; ``state`` reports the result
        subprocess.run([lingering, "enable-linger"], stdin=subprocess.DEVNULL, capture_output=True)
    return state(controller, systemd)


def uninstall(systemd: Systemd) -> bool:
    """Stop the service and remove its unit. Return False if there is none. Scripts of the agent continue."""
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
    """The state of the service and of the server."""
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
    """The command line of this Assist."""
    return [sys.executable, "-m", "assist_cli"]


def _refuse_without(controller: Controller, systemd: Systemd, options: Sequence[str]) -> None:
    if not systemd.is_there:
        words = shlex.join(["env", f"ASSIST_HOME={controller.home.root}", *program(), "serve", *options])
        raise Conflict(
            "cannot install a service: systemd does not run here, or not for this user",
            hint=f"start it by other means: {words}; in a crontab, write @reboot before it",
            code=codes.NO_SERVICE_MANAGER,
        )


def _is_of(unit: Path, text: str) -> bool:
    """True if an existing unit belongs to the same home as ``text``."""
    lines = [line for line in text.splitlines() if line.startswith("Environment=")]
    return lines[0] in unit.read_text("utf-8", "replace").splitlines()


def _lingers() -> bool:
    return (LINGERING / getpass.getuser()).exists()
