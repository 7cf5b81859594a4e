"""The agent of this machine on POSIX: started by systemd, or without it by the installation; asked over its socket."""

import contextlib
import getpass
import json
import os
import shutil
import signal
import socket
import struct
import subprocess
import sys
from typing import Any, Dict, Iterator, List, Optional

from agentd.posix.permissions import absolute
from assist_cli.deploy.host.changes import Failure, Steps, link, put, read
from assist_cli.deploy.host.machine import FOLDERS, Machine, Order, Waits, is_ours
from assist_cli.deploy.host.orders import carry_out
from assist_cli.deploy.host.unit import unit_text

ROOT_HOME = "/var/lib/assist-agentd"
LINE_LIMIT = 1024 * 1024
UNIT = "assist-agentd.service"
SYSTEM_UNITS = "/etc/systemd/system"
SYSTEM_RUNS = "/run/systemd/system"  # sd_booted(3)


def main(verb: str, order: Order) -> None:
    """Carry out one action and report it. ``sys.argv[1]`` is the agent's folder, if it is not the usual one."""
    os.umask(0o022)
    carry_out(verb, order, PosixMachine(order["waits"], sys.argv[1] if len(sys.argv) > 1 else ""))


class PosixMachine(Machine):
    """The agent of the present user. ``home`` is a folder other than the usual one, or empty."""

    def __init__(self, waits: Waits, home: str = "", units: str = "", manager: Optional[List[str]] = None) -> None:
        root = os.geteuid() == 0
        state = os.environ.get("XDG_STATE_HOME") or os.path.expanduser("~/.local/state")
        usual = ROOT_HOME if root else os.path.join(state, "assist-agentd")
        config = os.environ.get("XDG_CONFIG_HOME") or os.path.expanduser("~/.config")
        home = absolute(home or usual)
        self.units = units or (SYSTEM_UNITS if root else os.path.join(config, "systemd", "user"))
        # A second agent of a machine, in its own folder, is not the agent of the unit.
        self.manager = manager if manager is not None else [] if home != usual else _manager(root)
        super(PosixMachine, self).__init__(waits, home, bool(self.manager))

    @property
    def unit(self) -> str:
        return os.path.join(self.units, UNIT)

    def call_manager(self, *words: str) -> None:
        """Run systemctl. Raises Failure with its message."""
        done = subprocess.run(
            self.manager + list(words), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )
        if done.returncode:
            said = done.stdout.decode("utf-8", "replace").strip().splitlines()
            raise Failure("systemctl %s: %s" % (" ".join(words), said[-1] if said else "it failed"))

    def check_rights(self) -> None:
        """Do nothing: every user can install an agent of its own."""

    def lock(self, steps: Steps) -> None:
        import fcntl  # a Unix module: the controller, which also runs on Windows, imports this one

        descriptor = os.open(self.home, os.O_RDONLY | os.O_DIRECTORY)
        for _ in self.moments("start"):
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return
            except BlockingIOError:
                pass
        raise Failure("another installation is in progress there")

    def user(self) -> Dict[str, Any]:
        user, root = getpass.getuser(), os.geteuid() == 0
        return {"user": user, "root": root, "lingers": root or os.path.exists("/var/lib/systemd/linger/" + user)}

    def version(self) -> str:
        try:
            name = os.path.basename(os.readlink(self.path("agentd.pyz")))
        except OSError:
            return ""
        return name[len("agentd-") : -len(".pyz")]

    def choose(self, archive: str, steps: Steps) -> None:
        before = self.version()
        put(self.path("agentd"), self._launcher(), 0o700, steps)
        if sys.executable != self.path("python"):  # equal when the agent itself runs this
            link(self.path("python"), sys.executable, steps)
        link(self.path("agentd.pyz"), archive, steps)
        if self.managed:
            steps.begin("install the systemd unit %s" % self.unit)
            steps.can_undo(lambda: self.call_manager("daemon-reload"))
            put(self.unit, unit_text(self.home, root="--user" not in self.manager).encode(), 0o644, steps)
            self.call_manager("daemon-reload")
            if not before:
                steps.can_undo(lambda: self.call_manager("disable", UNIT))
            self.call_manager("enable", UNIT)

    def _launcher(self) -> bytes:
        """Return a program that starts the agent of this folder: agentd serve, guard, bridge, status."""
        python, archive, home = (_quoted(path) for path in (self.path("python"), self.path("agentd.pyz"), self.home))
        text = '#!/bin/sh\nexec %s -I -S %s "$@" --home %s\n' % (python, archive, home)
        return text.encode("utf-8", "surrogateescape")

    def start(self) -> None:
        if self.managed:
            self.call_manager("start", UNIT)
            return
        subprocess.Popen(
            [self.path("agentd"), "guard", "--log", self.path("agentd.log")],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            cwd="/",
        )

    def stop(self) -> None:
        if self.managed and os.path.exists(self.unit):
            self.call_manager("stop", UNIT)
        for find in (self.guard, self._listener):
            pid = find()
            if pid:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGTERM)
                for _ in self.moments("stop"):
                    if find() != pid:
                        break
                else:
                    raise Failure("process %d does not end" % pid)

    def guard(self) -> int:
        pid = int(self.report().get("pid", 0))
        words = (read("/proc/%d/cmdline" % pid) or b"").split(b"\0")
        return pid if b"guard" in words and os.fsencode(self.home) in words else 0

    def runs(self) -> bool:
        return bool(self.guard() or self._listener())

    def log(self) -> str:
        return "" if self.managed else super(PosixMachine, self).log()  # else it is in the journal of systemd

    @contextlib.contextmanager
    def _connection(self) -> Iterator[socket.socket]:
        """Connect to the agent. Raises OSError."""
        folder = os.open(self.home, os.O_RDONLY | os.O_DIRECTORY)
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
                connection.settimeout(self.waits["start"])
                connection.connect("/proc/self/fd/%d/agentd.sock" % folder)  # for paths of any length
                yield connection
        finally:
            os.close(folder)

    def _listener(self) -> int:
        """Return the pid of the process that listens on the agent's socket, 0 without one."""
        try:
            with self._connection() as connection:
                found = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)
                return int(struct.unpack("3i", found)[0])
        except OSError:
            return 0

    def _ask(self, *methods: str) -> Dict[str, Any]:
        """Return the results of these methods of the agent in one dict. Raises OSError, ValueError."""
        params = {"protocol": [1, 0], "client": "assist install", "controller": "install"}
        answers = {}  # type: Dict[str, Any]
        with self._connection() as connection:
            for number, method in enumerate(("agent.hello",) + methods):
                words = {"jsonrpc": "2.0", "id": number, "method": method, "params": {} if number else params}
                connection.sendall(json.dumps(words).encode() + b"\n")
            with connection.makefile("rb") as lines:
                for _ in range(1 + len(methods)):
                    answer = json.loads(lines.readline(LINE_LIMIT).decode() or "{}")
                    result = answer.get("result") if isinstance(answer, dict) else None
                    answers.update(result if isinstance(result, dict) else {})
        return answers

    def answers(self) -> str:
        try:
            return str(self._ask().get("agent") or "")
        except (OSError, ValueError):
            return ""

    def scripts(self) -> int:
        try:
            return int(self._ask("agent.status").get("running", 0))
        except (OSError, ValueError, TypeError):
            return 0

    def retire(self) -> None:
        if self.managed and os.path.exists(self.unit):
            self.call_manager("disable", "--now", UNIT)
        self.stop()
        if self.managed and os.path.exists(self.unit):
            os.unlink(self.unit)
            self.call_manager("daemon-reload")

    def clear(self) -> None:
        if not os.path.isdir(self.home):
            return
        for name in filter(is_ours, os.listdir(self.home)):
            path = self.path(name)
            if name in FOLDERS and not os.path.islink(path):
                shutil.rmtree(path)
            elif name not in FOLDERS:
                os.unlink(path)
        if not os.listdir(self.home) and not os.path.islink(self.home):
            os.rmdir(self.home)


def _manager(root: bool) -> List[str]:
    """Return the systemctl command of this user; empty without systemd."""
    if not os.path.isdir(SYSTEM_RUNS) or shutil.which("systemctl") is None:
        return []
    if root:
        return ["systemctl", "--system"]
    runtime = "/run/user/%d" % os.geteuid()
    if os.path.isdir(runtime):
        os.environ.setdefault("XDG_RUNTIME_DIR", runtime)
    words = ["systemctl", "--user"]
    tried = subprocess.call(
        words + ["show-environment"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    return words if tried == 0 else []


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"
