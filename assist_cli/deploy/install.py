"""Install an agent on a machine over an SSH login.

The modules of ``host`` do all the work; they are sent on standard input (see ``host_requests``). No value of a user is
ever part of a command line: a shell gets only fixed words, and the path of the Python, which is from a fixed list.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Mapping
from typing import Any

from assist_cli import codes
from assist_cli.agents.ssh.login import Login
from assist_cli.deploy.host_answers import Found, HostAnswers, Installed, Progress, last_line
from assist_cli.deploy.host_requests import RECEIVE, Dial, install_order, request_line
from assist_cli.deploy.pki import Credentials
from assist_cli.errors import InstallFailed, Refused
from assist_cli.model.secret import Secret
from assist_cli.model.timeouts import InstallTimeouts

# Possible names of Python, the usual one first. CentOS and RHEL have one for the system's own use.
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
# Output of the login shell itself comes before this line. That output may not end with a newline, so print one first.
_MARK = "assist: from here on"
_BEGIN = f"echo; echo {_MARK}"
_NO_SUDO = "assist: no sudo"
_UNPRIVILEGED = "exec sh -s"
# sudo reads one line of standard input as the password, or none if it needs none. So the program begins after a line
# that is no password: everything before it is skipped. -k: no login of sudo is remembered, or kept.
_SUDO = "sudo -n"
_SUDO_ASKING = (
    "sudo -k -S -p '' sh -c 'while read -r line && [ \"$line\" != assist-begin ]; do :; done; exec \"$@\"' sh"
)
_BEGIN_STDIN = b"assist-begin\n"
_BY_SUDO = f"if command -v sudo >/dev/null 2>&1; then exec %s sh -s; fi; echo; echo {_NO_SUDO}; exec id -u"

# Read by sh and by Python of any age. It prints a line for each Python: its path, its version, its missing modules. The
# first that fits is the last one that it starts. Modules are found, and of those in C the inner part is loaded.
_PROBE = f"""\
{_BEGIN}
uname -s
for tool in {" ".join(_INSTALLERS)} other; do command -v $tool >/dev/null 2>&1 && break; done
echo "$tool"
for name in {" ".join(PYTHONS)}; do
  path=$(command -v "$name" 2>/dev/null) && "$path" -c '
import sys
try:
    from importlib.util import find_spec
except ImportError:
    find_spec = __import__
missing = []
modules = "asyncio ctypes,_ctypes fcntl,fcntl json select,select socket,_socket ssl,_ssl subprocess zlib,zlib"
for names in modules.split():
    try:
        for load, name in zip((find_spec, __import__), names.split(",")):
            if load(name) is None:
                raise ImportError(name)
    except ImportError:
        missing.append(names.split(",")[0])
sys.stdout.write("%s %d.%d.%d %s\\n" % ((sys.argv[1],) + tuple(sys.version_info[:3]) + (",".join(missing),)))
sys.exit(sys.version_info < (3, 6) or missing != [])
' "$path" 2>/dev/null && break
done
exit 0
"""
# A line of the probe about a Python.
_PYTHON = re.compile(
    r"(?P<path>/[\w./+-]{1,200}) (?P<version>(?P<major>\d{1,3})\.(?P<minor>\d{1,3})\.\d{1,3}) "
    r"(?P<lacking>[\w,]{0,200})",
    re.ASCII,
)


Unlock = Callable[[Callable[[Secret], str]], None]


class Host:
    """A machine with a login; with ``sudo``, actions run as root.

    Every method raises ClientNotOnline, InstallFailed, InvalidAnswer.
    """

    def __init__(self, login: Login, timeouts: InstallTimeouts, *, sudo: bool) -> None:
        self._login = login
        self._timeouts = timeouts
        self._become = f"{_SUDO} " if sudo else ""
        self._before = b""  # on standard input, before that of the program
        self._python = ""

    @property
    def place(self) -> str:
        return self._login.place

    def _use_password(self, password: Secret) -> str:
        """Try a password of sudo one time, and use it from now on. Return why sudo refuses it, else an empty text.

        It is sent on standard input, where nothing follows it that sudo could take as a second attempt.
        """
        line = password.reveal().encode() + b"\n"
        done = self._login.run(f"{_SUDO_ASKING} echo '{_MARK}'", line)
        if _MARK not in done.stdout.decode("utf-8", "replace").splitlines():
            return last_line(done.stderr) or "it did not say why"
        self._become = f"{_SUDO_ASKING} "
        self._before = line + _BEGIN_STDIN
        return ""

    def check(self, unlock: Unlock | None = None) -> str:
        """Find a Python for the agent, and return its version. Raises Refused without one; its hint installs one.

        ``unlock`` is called if sudo does not become root without a password. It gets a function that
        tries a password, and returns if that has succeeded.
        """
        shell = _shell(_BY_SUDO % self._become.rstrip()) if self._become else _UNPRIVILEGED
        done = self._login.run(shell, self._before + _PROBE.encode())
        lines = done.stdout.decode("utf-8", "replace").splitlines()
        if self._become and unlock is not None and not {_MARK, _NO_SUDO} & set(lines):
            unlock(self._use_password)
            return self.check()
        if _MARK not in lines[:-2]:
            raise self._no_shell(lines, done.stderr.decode("utf-8", "replace").splitlines())
        system, tool, *said = lines[lines.index(_MARK) + 1 :]
        pythons = [found for line in said[: len(PYTHONS)] if (found := _PYTHON.fullmatch(line))]
        if system != "Linux":
            raise Refused(
                f"cannot install an agent on '{self.place}': it runs {system[:64]}, and only Linux is supported",
                hint="copy agentd.pyz there and start it with: python3 agentd.pyz guard",
                code=codes.COMMAND_NOT_APPLICABLE,
            )
        for python in pythons:
            if _is_new_enough(python) and not python["lacking"]:
                self._python = python["path"]
                return python["version"]
        raise Refused(
            f"cannot install an agent on '{self.place}': it needs Python 3.6 or newer, and {_describe(pythons)}",
            hint=f"there, as root: {_INSTALLERS.get(tool, 'install Python 3.6 or newer')}",
            code=codes.CLIENT_NEED_UPGRADE,
        )

    def _no_shell(self, stdout: list[str], stderr: list[str]) -> InstallFailed:
        """Return the error of a login that does not lead to a shell of the right user, from the output."""
        if _NO_SUDO in stdout[:-1]:
            why = "sudo is not installed"
            hint = (
                "you are root there: run it without --sudo"
                if stdout[-1] == "0"
                else "install sudo there, or log in as root"
            )
        else:
            said = (line.strip()[:1000] for line in (*stderr[::-1], *stdout[::-1]) if line != _MARK)
            why = next(filter(None, said), "its shell runs no commands")
            hint = "log in there and try: sh -c true"
            if self._become:
                hint = "set NOPASSWD, and no requiretty, in sudoers there; or give --sudo-password env:VARIABLE"
        return InstallFailed(f"cannot install anything on '{self.place}': {why}", hint=hint)

    def has_sudo_without_password(self) -> bool:
        """Return True if sudo does some things for this user without a password, by its default settings."""
        return self._login.run(_shell("exec sudo -n -l")).status == 0

    def look(self) -> Found:
        """Return the state of the machine. Call ``check`` first."""
        return Found(**self._order("look", {}, _nobody))

    def install(
        self,
        found: Found,
        *,
        instance: str,
        credentials: Credentials | None,
        listen: str | None,
        progress: Progress,
        dial: Dial | None = None,
        only: bool = False,
        rotate: bool = False,
    ) -> Installed:
        """Install, repair or upgrade the agent.

        ``instance`` is the id of a new one, with ``rotate`` also of an existing one. With ``only`` the agent
        listens and dials out as given here, and no longer as it did before. After InstallFailed all changes are undone,
        or the error lists the rest.
        """
        order = install_order(
            instance=instance,
            credentials=credentials,
            listen=listen,
            dial=dial,
            only=only,
            rotate=rotate,
        )
        return Installed(**self._order("install", order, progress))

    def uninstall(self, *, force: bool, progress: Progress) -> list[str]:
        """Stop and remove the agent. Return the files in its folder that are not the agent's, and stay."""
        left: list[str] = self._order("uninstall", {"force": force}, progress)["left"]
        return left

    def _order(self, verb: str, order: Mapping[str, Any], progress: Progress) -> dict[str, Any]:
        # ASSIST_AGENTD_HOME is a variable of the login, which sudo would not pass on
        python = f'{self._become}{self._python} -I -S -c "{RECEIVE}" "$ASSIST_AGENTD_HOME"'
        answers = HostAnswers(verb, self.place, progress, after=_MARK.encode())
        done = self._login.run(
            _shell(f"{_BEGIN}; exec {python}"),
            self._before + request_line("posix", verb, order, self._timeouts).encode("ascii") + b"\n",
            self._timeouts.silence,
            answers.add,
            total=self._timeouts.order,
        )
        return answers.result(last_line(done.stderr))


def _shell(script: str) -> str:
    """Return a command for the login shell, which may be any, that runs a script of sh."""
    return "exec sh -c " + shlex.quote(script)


def _nobody(_: str) -> None:
    pass


def _is_new_enough(python: re.Match[str]) -> bool:
    return (int(python["major"]), int(python["minor"])) >= (3, 6)


def _describe(pythons: list[re.Match[str]]) -> str:
    if not pythons:
        return "none is installed"
    first = pythons[0]
    if not _is_new_enough(first):
        return f"{first['path']} is {first['version']}"
    return f"{first['path']} ({first['version']}) has no {', '.join(first['lacking'].split(','))}"
