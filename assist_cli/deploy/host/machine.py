"""The agent's paths on this machine, and how it is started, queried and stopped, with systemd or without."""

import contextlib
import json
import os
import shutil
import signal
import socket
import struct
import subprocess
import time
from typing import Any, Dict, Iterator, List, Optional

from agentd.posix.permissions import absolute
from assist_cli.deploy.host.changes import Failure, read

ROOT_HOME = "/var/lib/assist-agentd"
LINE_LIMIT = 1024 * 1024
UNIT = "assist-agentd.service"
SYSTEM_UNITS = "/etc/systemd/system"
SYSTEM_RUNS = "/run/systemd/system"  # sd_booted(3)

Waits = Dict[str, float]  # in seconds; model.timeouts.InstallTimeouts has their names


class Machine:
    """The agent's paths for the present user. ``home`` is a folder other than the usual one, or empty."""

    def __init__(self, waits: Waits, home: str = "", units: str = "", manager: Optional[List[str]] = None) -> None:
        self.waits = waits
        root = os.geteuid() == 0
        state = os.environ.get("XDG_STATE_HOME") or os.path.expanduser("~/.local/state")
        usual = ROOT_HOME if root else os.path.join(state, "assist-agentd")
        config = os.environ.get("XDG_CONFIG_HOME") or os.path.expanduser("~/.config")
        self.home = absolute(home or usual)
        self.units = units or (SYSTEM_UNITS if root else os.path.join(config, "systemd", "user"))
        # A second agent of a machine, in its own folder, is not the agent of the unit.
        self.manager = manager if manager is not None else [] if self.home != usual else _manager(root)

    def path(self, *names: str) -> str:
        return os.path.join(self.home, *names)

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


def start(machine: Machine) -> None:
    if machine.manager:
        machine.call_manager("start", UNIT)
        return
    subprocess.Popen(
        [machine.path("agentd"), "guard", "--log", machine.path("agentd.log")],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
        cwd="/",
    )


def stop(machine: Machine) -> None:
    """Stop guard and agent, however they were started. Their scripts continue."""
    if machine.manager and os.path.exists(machine.unit):
        machine.call_manager("stop", UNIT)
    for find in (guard, listener):
        pid = find(machine)
        if pid:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGTERM)
            for _ in moments(machine.waits["stop"], machine.waits["look"]):
                if find(machine) != pid:
                    break
            else:
                raise Failure("process %d does not end" % pid)


def runs(machine: Machine) -> bool:
    return bool(guard(machine) or listener(machine))


def guard(machine: Machine) -> int:
    """Return the pid of the guard, 0 without one."""
    pid = int(_report(machine).get("pid", 0))
    words = (read("/proc/%d/cmdline" % pid) or b"").split(b"\0")
    return pid if b"guard" in words and os.fsencode(machine.home) in words else 0


def _report(machine: Machine) -> Dict[str, Any]:
    """Return the last report of the guard: pid, restarts, last_restart …"""
    try:
        found = json.loads((read(machine.path("guard.json")) or b"{}").decode())
        return found if isinstance(found, dict) else {}
    except ValueError:
        return {}


@contextlib.contextmanager
def _connection(machine: Machine) -> Iterator[socket.socket]:
    """Connect to the agent. Raises OSError."""
    folder = os.open(machine.home, os.O_RDONLY | os.O_DIRECTORY)
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.settimeout(machine.waits["start"])
            connection.connect("/proc/self/fd/%d/agentd.sock" % folder)  # for paths of any length
            yield connection
    finally:
        os.close(folder)


def listener(machine: Machine) -> int:
    """Return the pid of the process that listens on the agent's socket, 0 without one."""
    try:
        with _connection(machine) as connection:
            return int(struct.unpack("3i", connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))[0])
    except OSError:
        return 0


def ask(machine: Machine, *methods: str) -> Dict[str, Any]:
    """Return the results of these methods of the agent in one dict. Raises OSError, ValueError."""
    params = {"protocol": [1, 0], "client": "assist install", "controller": "install"}
    answers = {}  # type: Dict[str, Any]
    with _connection(machine) as connection:
        for number, method in enumerate(("agent.hello",) + methods):
            words = {"jsonrpc": "2.0", "id": number, "method": method, "params": {} if number else params}
            connection.sendall(json.dumps(words).encode() + b"\n")
        with connection.makefile("rb") as lines:
            for _ in range(1 + len(methods)):
                answer = json.loads(lines.readline(LINE_LIMIT).decode() or "{}")
                result = answer.get("result") if isinstance(answer, dict) else None
                answers.update(result if isinstance(result, dict) else {})
    return answers


def wait_for(machine: Machine, version: str) -> None:
    """Wait until the agent of this version answers, or until its guard has seen it end."""
    why = "it does not listen"
    for _ in moments(machine.waits["start"], machine.waits["look"]):
        try:
            found = ask(machine).get("agent")
            if found == version:
                return
            why = "version %s answers" % found
        except (OSError, ValueError):
            pass
        if guard(machine) and _report(machine).get("restarts"):
            why = _report(machine)["last_restart"]["why"]
            break
    log = (read(machine.path("agentd.log")) or b"").decode("utf-8", "replace").splitlines()
    said = [line for line in log if " guard: " not in line][-1:]
    raise Failure("the agent does not start: %s" % (said[0] if said and not machine.manager else why))


def moments(seconds: float, pause: float) -> Iterator[None]:
    """Yield between checks: there is no event for a change in another program."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        yield
        time.sleep(pause)
