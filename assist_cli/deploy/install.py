"""Putting an agent on a machine: over a login of SSH, or by a script that its own agent runs.

Everything that is done there is done by ``host``, whose modules are sent along with the order as one line of JSON on
standard input. No value of a user ever stands in a command line: what a shell sees are fixed words, and the path of
the Python, which is taken from a fixed list.
"""

from __future__ import annotations

import base64
import hashlib
import json
import shlex
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agentd.posix import permissions
from assist_cli import __version__, codes
from assist_cli.agents.ssh.login import Login
from assist_cli.deploy import bundle, service
from assist_cli.deploy.host import changes, machine, orders
from assist_cli.deploy.pki import Credentials
from assist_cli.errors import Conflict, InstallFailed, Refused
from assist_cli.model.timeouts import InstallTimeouts

# Where a Python may be, the usual one first. CentOS and RHEL keep one for the system's own use.
PYTHONS = (
    "python3",
    "/usr/libexec/platform-python",
    *(f"python3.{minor}" for minor in range(14, 5, -1)),
    "python36",
)
_INSTALLERS = {
    "apt-get": "apt-get install -y python3",
    "dnf": "dnf install -y python3",
    "yum": "yum install -y python3",
    "zypper": "zypper install -y python3",
    "apk": "apk add python3",
    "pacman": "pacman -S python",
}
# What a login shell prints of its own comes before this line. The line is begun anew, for that may not end with one.
_MARK = "assist: from here on"
_BEGIN = f"echo; echo {_MARK}"
_NO_SUDO = "assist: no sudo"
_UNPRIVILEGED = "exec sh -s"
_BY_SUDO = (
    f"exec sh -c 'if command -v sudo >/dev/null 2>&1; then exec sudo -n sh -s; fi; echo; echo {_NO_SUDO}; exec id -u'"
)

# Read by sh and by Pythons of any age; one line for each Python that is there: its path, its version, what it lacks.
_PROBE = f"""\
{_BEGIN}
uname -s
for tool in {" ".join(_INSTALLERS)}; do command -v $tool >/dev/null 2>&1 && break; done
echo "$tool"
for name in {" ".join(PYTHONS)}; do
  path=$(command -v "$name" 2>/dev/null) && "$path" -c '
import sys
missing = []
for name in "asyncio ctypes fcntl json select socket ssl subprocess zipimport zlib".split():
    try:
        __import__(name)
    except ImportError:
        missing.append(name)
sys.stdout.write("%s %d.%d.%d %s\\n" % ((sys.argv[1],) + tuple(sys.version_info[:3]) + (",".join(missing),)))
' "$path" 2>/dev/null
done
exit 0
"""
# Makes modules of the texts that come, and calls the last. No quote stands in it, so that it can stand in quotes.
_RECEIVE = (
    "import json,sys,types;sources,*order=json.loads(sys.stdin.buffer.readline().decode());"
    "[exec(text,sys.modules.setdefault(name,types.ModuleType(name)).__dict__) for name,text in sources];"
    "sys.modules[sources[-1][0]].main(*order)"
)

Progress = Callable[[str], None]


@dataclass(frozen=True)
class Found:
    """What is on a machine before anything is done: see ``host.orders.look``."""

    home: str
    user: str
    root: bool
    systemd: bool
    lingers: bool
    tls: bool
    version: str | None
    instance: str | None
    authority: str | None

    def belongs_to(self, authority: bytes) -> bool:
        """Whether its agent is of this authority, or of nobody."""
        return self.authority in (None, hashlib.sha256(authority).hexdigest())


@dataclass(frozen=True)
class Installed:
    """What became of an installation. ``before``: the version that was there, None for a new agent."""

    version: str
    before: str | None
    systemd: bool


class Host:
    """A machine on which we are logged in, and become root by sudo when ``sudo`` says so.

    Raises, from every method: ClientNotOnline, InstallFailed.
    """

    def __init__(self, login: Login, timeouts: InstallTimeouts, *, sudo: bool) -> None:
        self._login = login
        self._timeouts = timeouts
        self._become = "sudo -n " if sudo else ""
        self._python = ""

    @property
    def place(self) -> str:
        return self._login.place

    def check(self) -> str:
        """Find a Python for the agent; its version. Raises Refused when there is none, with what to install."""
        done = self._login.run(_BY_SUDO if self._become else _UNPRIVILEGED, _PROBE.encode())
        lines = done.stdout.decode("utf-8", "replace").splitlines()
        if _MARK not in lines:
            raise self._no_shell(lines, done.stderr.decode("utf-8", "replace").splitlines())
        system, tool, *pythons = lines[lines.index(_MARK) + 1 :]
        if system != "Linux":
            raise Refused(
                f"cannot install an agent on '{self.place}': it runs {system}, and this works for Linux",
                hint="copy agentd.pyz there and start it by: python3 agentd.pyz guard",
                code=codes.COMMAND_NOT_APPLICABLE,
            )
        for python in pythons:
            path, version, *lacking = python.split(" ")
            if _is_new_enough(version) and not any(lacking):
                self._python = path
                return version
        raise Refused(
            f"cannot install an agent on '{self.place}': it needs Python 3.6 or newer, and {_describe(pythons)}",
            hint=f"there, as root: {_INSTALLERS.get(tool, 'install python3')}",
            code=codes.CLIENT_NEED_UPGRADE,
        )

    def _no_shell(self, stdout: list[str], stderr: list[str]) -> InstallFailed:
        """The error of a login that does not lead to a shell of the right user, by what was printed there."""
        if _NO_SUDO in stdout[:-1]:
            why = "there is no sudo"
            hint = (
                "you are root there: leave out --sudo" if stdout[-1] == "0" else "install sudo there, or log in as root"
            )
        else:
            why = next((line for line in (*stderr[::-1], *stdout[::-1]) if line.strip()), "its shell runs nothing")
            hint = "log in there and try: sh -c true"
            if self._become:
                hint = "there, 'sudo -n true' must succeed: by NOPASSWD, and without requiretty, in sudoers"
        return InstallFailed(f"cannot install anything on '{self.place}': {why}", hint=hint)

    def look(self) -> Found:
        """What is there already. ``check`` comes first."""
        found = self._order("look", {}, _nobody)
        return Found(**found)

    def install(
        self,
        found: Found,
        *,
        instance: str,
        credentials: Credentials | None,
        listen: str | None,
        progress: Progress,
    ) -> Installed:
        """Install, repair or upgrade the agent.

        ``instance`` is the id of a new one. The machine is as it was when InstallFailed is raised, or the error says
        what is left.
        """
        order = install_order(found.home, instance=instance, credentials=credentials, listen=listen)
        return Installed(**self._order("install", order, progress))

    def uninstall(self, *, force: bool, progress: Progress) -> list[str]:
        """Stop the agent and remove it. Returns what is left of its folder because it is not the agent's."""
        left: list[str] = self._order("uninstall", {"force": force}, progress)["left"]
        return left

    def _order(self, verb: str, order: Mapping[str, Any], progress: Progress) -> dict[str, Any]:
        # ASSIST_AGENTD_HOME is a variable of the login there, which sudo would not let through
        python = f'{self._become}{self._python} -I -S -c "{_RECEIVE}" "$ASSIST_AGENTD_HOME"'
        answers = _Answers(verb, self.place, progress, after=_MARK.encode())
        line = _line(verb, order, self._timeouts)
        done = self._login.run(f"exec sh -c '{_BEGIN}; exec {python}'", line, self._timeouts.silence, answers.add)
        return answers.result(done.stderr.decode("utf-8", "replace"))


def install_order(home: str, *, instance: str, credentials: Credentials | None, listen: str | None) -> dict[str, Any]:
    """The order for ``host.orders.install`` that brings an agent of this version."""
    archive = bundle.build()
    files = {}
    if credentials is not None:
        files = {
            "pki/ca.pem": (_packed(credentials.authority), 0o600),
            "pki/agent.pem": (_packed(credentials.certificate), 0o600),
            "pki/agent.key": (_packed(credentials.key), 0o600),
        }
    return {
        "version": __version__,
        "archive": _packed(archive),
        "sha256": hashlib.sha256(archive).hexdigest(),
        "files": files,
        "conf": {"listen": listen} if listen else {},
        "instance": instance,
        "units": {"root": service.unit(home, root=True), "user": service.unit(home, root=False)},
    }


def boot_line(home: str) -> str:
    """The line of a crontab that starts the agent with the machine, where no systemd does."""
    return f"@reboot {shlex.join([f'{home}/agentd', 'guard', '--log', f'{home}/agentd.log'])}"


def script(home: str, python: str, verb: str, order: Mapping[str, Any], timeouts: InstallTimeouts) -> bytes:
    """A shell script that carries out an order on the machine where it runs; its output is for ``read_answers``."""
    words = shlex.join([python, "-I", "-S", "-c", _RECEIVE, home])
    return b"#!/bin/sh\nexec " + words.encode() + b" <<'ORDER'\n" + _line(verb, order, timeouts) + b"ORDER\n"


def read_answers(output: bytes, place: str, verb: str) -> dict[str, Any]:
    """What such a script said at its end. Raises InstallFailed."""
    answers = _Answers(verb, place, _nobody)
    for line in output.splitlines():
        answers.add(line)
    return answers.result("")


class _Answers:
    """The lines that ``host`` says; with ``after``, those that come after this line."""

    def __init__(self, verb: str, place: str, progress: Progress, after: bytes = b"") -> None:
        self._after = after
        self._verb = verb
        self._place = place
        self._progress = progress
        self._last: dict[str, Any] = {}

    def add(self, line: bytes) -> None:
        if self._after:
            if line.strip() == self._after:
                self._after = b""
            return
        try:
            found = json.loads(line)
        except ValueError:
            return
        if isinstance(found, dict):
            self._last = found
            if len(found) == 1 and "step" in found:
                self._progress(str(found["step"]))

    def result(self, said: str) -> dict[str, Any]:
        """The result. Raises Conflict and InstallFailed."""
        if isinstance(self._last.get("result"), dict):
            return dict(self._last["result"])
        what = f"cannot {self._verb} the agent on '{self._place}'"
        why = self._last.get("error") or (said.strip().splitlines() or ["the connection ended"])[-1]
        if self._last.get("code"):
            raise Conflict(f"{what}: {why}", code=self._last["code"], hint=self._last.get("hint", ""))
        step, left = self._last.get("step", ""), self._last.get("left")
        if left is None:
            hint = "repeat it; what was begun there is still there"
        elif left:
            hint = f"this could not be taken back there: {'; '.join(left)}"
        else:
            hint = "nothing was changed there" if self._verb == "install" else "repeat it when that is in order"
        raise InstallFailed(f"{what}, at the step '{step}': {why}" if step else f"{what}: {why}", hint=hint)


def _line(verb: str, order: Mapping[str, Any], timeouts: InstallTimeouts) -> bytes:
    modules = (permissions, changes, machine, orders)
    sources = [(module.__name__, Path(str(module.__file__)).read_text("utf-8")) for module in modules]
    return json.dumps([sources, verb, {**order, "waits": timeouts._asdict()}]).encode("ascii") + b"\n"


def _packed(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")


def _nobody(_: str) -> None:
    pass


def _is_new_enough(version: str) -> bool:
    return tuple(int(part) for part in version.split(".")[:2]) >= (3, 6)


def _describe(pythons: list[str]) -> str:
    if not pythons:
        return "there is none"
    path, version, *lacking = pythons[0].split(" ")
    if not _is_new_enough(version):
        return f"{path} is {version}"
    return f"{path} ({version}) has no {', '.join(lacking[0].split(','))}"
