"""What is done on the machine that an agent is installed on: look, install, uninstall.

This file is no part of the controller's process. Its text is sent there and run by the Python of that machine, so it
keeps to Python 3.6 and the standard library. What it is told comes as one line of JSON on standard input, never as
words of a command; what it does comes back as lines of JSON on standard output::

    {"step": "…"}       what it is about to do
    {"result": {…}}     the last line when all went well
    {"error": "…", "code": "…", "hint": "…", "step": "…", "left": […]}
                        the last line when it failed: why, at which step, and what could not be undone

An installation is done or undone: each change says how it is taken back, and the first failure takes back all of them.
"""

import base64
import contextlib
import getpass
import hashlib
import json
import os
import shutil
import signal
import socket
import ssl
import struct
import subprocess
import sys
import time
from typing import Any, Callable, Dict, Iterator, List, Optional

ROOT_HOME = "/var/lib/assist-agentd"
UNIT = "assist-agentd.service"
SYSTEM_UNITS = "/etc/systemd/system"
SYSTEM_RUNS = "/run/systemd/system"  # sd_booted(3)
START_SECONDS = 20.0
STOP_SECONDS = 15.0
PAUSE = 0.05

Order = Dict[str, Any]


class Failure(Exception):
    """It cannot be done; the text is part of a line for people. With a ``code``, the state of things forbids it."""

    def __init__(self, text: str, code: str = "", hint: str = "") -> None:
        super().__init__(text)
        self.code = code
        self.hint = hint


def main(verb: str, order: Order) -> None:
    """Carry out one order and tell of it. ``sys.argv[1]`` is the agent's folder where it is not the usual one."""
    os.umask(0o022)
    machine = Machine(sys.argv[1] if len(sys.argv) > 1 else "")
    steps = Steps()
    try:
        result = {"look": look, "install": install, "uninstall": uninstall}[verb](machine, order, steps)
        say(result=result)
    except Failure as failure:
        say(error=str(failure), code=failure.code, hint=failure.hint, step=steps.current, left=steps.undo())
    except OSError as error:
        say(error=str(error), code="", hint="", step=steps.current, left=steps.undo())


def say(**words: Any) -> None:
    sys.stdout.write(json.dumps(words) + "\n")
    sys.stdout.flush()


class Steps:
    """What was done so far, and how to take it back."""

    def __init__(self) -> None:
        self.current = ""
        self._undo = []  # type: List[Callable[[], Any]]

    def begin(self, text: str) -> None:
        self.current = text
        say(step=text)

    def can_undo(self, back: Callable[[], Any]) -> None:
        self._undo.append(back)

    def undo(self) -> List[str]:
        """Take everything back, the newest first. Returns what could not be."""
        left = []
        while self._undo:
            try:
                self._undo.pop()()
            except (Failure, OSError) as error:
                left.append(str(error))
        return left


class Machine:
    """Where an agent lives here, for the user that we are. ``home`` is a folder of its own choice, or empty."""

    def __init__(self, home: str = "", units: str = "", manager: Optional[List[str]] = None) -> None:
        root = os.geteuid() == 0
        state = os.environ.get("XDG_STATE_HOME") or os.path.expanduser("~/.local/state")
        usual = ROOT_HOME if root else os.path.join(state, "assist-agentd")
        config = os.environ.get("XDG_CONFIG_HOME") or os.path.expanduser("~/.config")
        self.home = os.path.abspath(home or usual)
        self.units = units or (SYSTEM_UNITS if root else os.path.join(config, "systemd", "user"))
        # A second agent of a machine, in a folder of its own, is not the one that the unit speaks of.
        self.manager = manager if manager is not None else [] if self.home != usual else _manager(root)

    def path(self, *names: str) -> str:
        return os.path.join(self.home, *names)

    @property
    def unit(self) -> str:
        return os.path.join(self.units, UNIT)

    def call_manager(self, *words: str) -> None:
        """Run systemctl. Raises Failure with what it says."""
        done = subprocess.run(
            self.manager + list(words), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )
        if done.returncode:
            said = done.stdout.decode("utf-8", "replace").strip().splitlines()
            raise Failure("systemctl %s: %s" % (" ".join(words), said[-1] if said else "it failed"))


def _manager(root: bool) -> List[str]:
    """The words of the systemctl that looks after us; none where there is no systemd that would."""
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


# look


def look(machine: Machine, order: Order, steps: Steps) -> Dict[str, Any]:
    """What is here already: the folder and its agent, and what would look after one."""
    user = getpass.getuser()
    authority = _read(machine.path("pki", "ca.pem"))
    return {
        "home": machine.home,
        "user": user,
        "root": os.geteuid() == 0,
        "systemd": bool(machine.manager),
        "lingers": os.geteuid() == 0 or os.path.exists("/var/lib/systemd/linger/" + user),
        "tls": bool(getattr(ssl, "HAS_TLSv1_3", False) and hasattr(ssl, "TLSVersion")),
        "version": _version(machine),
        "instance": (_read(machine.path("instance-id")) or b"").decode("ascii", "replace").strip() or None,
        "authority": hashlib.sha256(authority).hexdigest() if authority else None,
    }


def _version(machine: Machine) -> Optional[str]:
    """The version that is installed, by the name of its archive."""
    try:
        name = os.path.basename(os.readlink(machine.path("agentd.pyz")))
    except OSError:
        return None
    return name[len("agentd-") : -len(".pyz")]


# install


def install(machine: Machine, order: Order, steps: Steps) -> Dict[str, Any]:
    """Install, repair or upgrade the agent.

    ``order``: version, archive (base64), sha256, files (name → [base64, mode]) that are written, conf (name → value)
    that is set in agentd.conf, instance (the id of a new agent), units (the texts for root and for a user).
    """
    steps.begin("copy agentd-%s.pyz" % order["version"])
    archive = base64.b64decode(order["archive"])
    if hashlib.sha256(archive).hexdigest() != order["sha256"]:
        raise Failure("the archive did not arrive as it was sent: its SHA-256 differs")
    before, ran = _version(machine), _runs(machine)
    if before and _numbers(before) > _numbers(order["version"]):
        raise Failure(
            "version %s is installed there, and %s is older" % (before, order["version"]),
            "ClientNeedUpgrade",
            "upgrade this Assist, or uninstall the agent there first",
        )
    if ran:
        steps.can_undo(lambda: None if _runs(machine) else _start(machine))
    _make_folder(machine.home, steps)
    name = "agentd-%s.pyz" % order["version"]
    _put(machine.path(name), archive, 0o700, steps)
    _try(machine.path(name), order["version"])

    steps.begin("write its key, certificate and settings")
    if not os.path.exists(machine.path("instance-id")):
        _put(machine.path("instance-id"), order["instance"].encode("ascii") + b"\n", 0o600, steps)
    if order["files"]:
        _make_folder(machine.path("pki"), steps)
    for place, (content, mode) in sorted(order["files"].items()):
        _put(machine.path(*place.split("/")), base64.b64decode(content), mode, steps)
    conf = _configured(_read(machine.path("agentd.conf")) or b"", order["conf"])
    _put(machine.path("agentd.conf"), conf, 0o600, steps)
    _put(machine.path("agentd"), _launcher(machine), 0o700, steps)
    if sys.executable != machine.path("python"):  # as it is when the agent itself runs this
        _link(machine.path("python"), sys.executable, steps)
    _link(machine.path("agentd.pyz"), name, steps)

    if machine.manager:
        steps.begin("install the systemd unit %s" % machine.unit)
        steps.can_undo(lambda: machine.call_manager("daemon-reload"))
        _put(machine.unit, order["units"]["user" if "--user" in machine.manager else "root"].encode(), 0o644, steps)
        machine.call_manager("daemon-reload")
        if before is None:
            steps.can_undo(lambda: machine.call_manager("disable", UNIT))
        machine.call_manager("enable", UNIT)
    steps.begin("restart the agent" if ran else "start the agent")
    steps.can_undo(lambda: _stop(machine))
    _stop(machine)
    _start(machine)
    _wait_for(machine, order["version"])
    _forget_old(machine, {name, "agentd-%s.pyz" % before})
    return {"version": order["version"], "before": before, "systemd": bool(machine.manager)}


def _numbers(version: str) -> List[int]:
    return [int(part) if part.isdigit() else 0 for part in version.split(".")]


def _make_folder(path: str, steps: Steps) -> None:
    """Make a folder for its owner alone; one that is there must be the owner's alone. Undone: what was made goes."""
    missing = path
    while not os.path.isdir(os.path.dirname(missing)):
        missing = os.path.dirname(missing)
    if not os.path.isdir(path):
        os.makedirs(os.path.dirname(path), 0o755, exist_ok=True)
        os.mkdir(path, 0o700)
        os.chmod(path, 0o700)
        steps.can_undo(lambda: shutil.rmtree(missing))
    status = os.stat(path)
    if status.st_uid != os.geteuid() or status.st_mode & 0o022:
        raise Failure("the folder %s belongs to another user, or one can write to it" % path)


def _put(path: str, content: bytes, mode: int, steps: Steps) -> None:
    """Write a file whole, with this mode whatever the umask. Undone: the old one is back."""
    old = _read(path)
    old_mode = os.stat(path).st_mode & 0o7777 if old is not None else 0
    folder = os.path.dirname(path)
    os.makedirs(folder, 0o755, exist_ok=True)

    def back() -> None:
        if old is None:
            os.unlink(path)
        else:
            _write(path, old, old_mode)

    _write(path, content, mode)
    steps.can_undo(back)


def _write(path: str, content: bytes, mode: int) -> None:
    temporary = "%s.%d.tmp" % (path, os.getpid())
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, mode)
    try:
        with os.fdopen(descriptor, "wb") as file:
            os.fchmod(descriptor, mode)
            file.write(content)
            file.flush()
            os.fsync(descriptor)
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise
    _sync(os.path.dirname(path))


def _link(path: str, target: str, steps: Steps) -> None:
    """Make a symbolic link, or let it point elsewhere, in one moment. Undone: it is as it was."""
    old = os.readlink(path) if os.path.islink(path) else None

    def point(where: str) -> None:
        temporary = "%s.%d.tmp" % (path, os.getpid())
        os.symlink(where, temporary)
        os.replace(temporary, path)
        _sync(os.path.dirname(path))

    point(target)
    steps.can_undo((lambda: os.unlink(path)) if old is None else (lambda: point(old)))


def _sync(folder: str) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _read(path: str) -> Optional[bytes]:
    try:
        with open(path, "rb") as file:
            return file.read()
    except (FileNotFoundError, NotADirectoryError):
        return None


def _try(archive: str, version: str) -> None:
    """See whether the archive starts here and is what it says."""
    done = subprocess.run(
        [sys.executable, "-I", "-S", archive, "--version"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    said = done.stdout.decode("utf-8", "replace").strip()
    if said != "agentd " + version:
        why = said.splitlines()[-1] if said else "it says nothing"
        raise Failure("the archive is of no use to %s: %s" % (sys.executable, why))


def _configured(old: bytes, settings: Dict[str, str]) -> bytes:
    """The lines of agentd.conf with these settings; what else stands there stays."""
    lines = [
        line
        for line in old.decode("utf-8", "replace").splitlines()
        if line.split("#", 1)[0].partition("=")[0].strip() not in settings
    ]
    return "".join(line + "\n" for line in lines + ["%s = %s" % item for item in sorted(settings.items())]).encode()


def _launcher(machine: Machine) -> bytes:
    """A program that starts the agent of this folder: agentd serve, guard, bridge, status."""
    python, archive, home = (
        _quoted(path) for path in (machine.path("python"), machine.path("agentd.pyz"), machine.home)
    )
    return ('#!/bin/sh\nexec %s -I -S %s "$@" --home %s\n' % (python, archive, home)).encode("utf-8", "surrogateescape")


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"


def _forget_old(machine: Machine, kept: Any) -> None:
    for name in os.listdir(machine.home):
        if name.startswith("agentd-") and name.endswith(".pyz") and name not in kept:
            os.unlink(machine.path(name))


# start and stop


def _start(machine: Machine) -> None:
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


def _stop(machine: Machine) -> None:
    """Stop guard and agent, however they were started; what they run goes on."""
    if machine.manager and os.path.exists(machine.unit):
        machine.call_manager("stop", UNIT)
    for find in (_guard, _listener):
        pid = find(machine)
        if pid:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGTERM)
            for _ in _patience(STOP_SECONDS):
                if find(machine) != pid:
                    break
            else:
                raise Failure("process %d does not end" % pid)


def _runs(machine: Machine) -> bool:
    return bool(_guard(machine) or _listener(machine))


def _guard(machine: Machine) -> int:
    """The process of the guard, 0 when there is none."""
    pid = int(_report(machine).get("pid", 0))
    words = (_read("/proc/%d/cmdline" % pid) or b"").split(b"\0")
    return pid if b"guard" in words and os.fsencode(machine.home) in words else 0


def _report(machine: Machine) -> Dict[str, Any]:
    """What the guard last wrote: pid, restarts, last_restart …"""
    try:
        found = json.loads((_read(machine.path("guard.json")) or b"{}").decode())
        return found if isinstance(found, dict) else {}
    except ValueError:
        return {}


@contextlib.contextmanager
def _door(machine: Machine) -> Iterator[socket.socket]:
    """A connection to the agent. Raises OSError."""
    folder = os.open(machine.home, os.O_RDONLY | os.O_DIRECTORY)
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as door:
            door.settimeout(START_SECONDS)
            door.connect("/proc/self/fd/%d/agentd.sock" % folder)  # however long the path is
            yield door
    finally:
        os.close(folder)


def _listener(machine: Machine) -> int:
    """The process that listens on the agent's socket, 0 when there is none."""
    try:
        with _door(machine) as door:
            return int(struct.unpack("3i", door.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))[0])
    except OSError:
        return 0


def _ask(machine: Machine, *methods: str) -> Dict[str, Any]:
    """The results of these methods of the agent, as one. Raises OSError, Failure."""
    params = {"protocol": [1, 0], "client": "assist install", "controller": "install"}
    answers = {}  # type: Dict[str, Any]
    with _door(machine) as door:
        for number, method in enumerate(("agent.hello",) + methods):
            words = {"jsonrpc": "2.0", "id": number, "method": method, "params": {} if number else params}
            door.sendall(json.dumps(words).encode() + b"\n")
        with door.makefile("rb") as lines:
            for _ in range(1 + len(methods)):
                answers.update(json.loads(lines.readline().decode() or "{}").get("result") or {})
    return answers


def _wait_for(machine: Machine, version: str) -> None:
    """Wait until the agent of this version answers; no longer than until its guard has seen it end."""
    why = "it does not listen"
    for _ in _patience(START_SECONDS):
        try:
            found = _ask(machine).get("agent")
            if found == version:
                return
            why = "version %s answers" % found
        except (OSError, ValueError):
            pass
        if _guard(machine) and _report(machine).get("restarts"):
            why = _report(machine)["last_restart"]["why"]
            break
    log = (_read(machine.path("agentd.log")) or b"").decode("utf-8", "replace").splitlines()
    said = [line for line in log if " guard: " not in line][-1:]
    raise Failure("the agent does not start: %s" % (said[0] if said and not machine.manager else why))


def _patience(seconds: float) -> Iterator[None]:
    """Moments to look again in; there is no event for what another program does."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        yield
        time.sleep(PAUSE)


# uninstall

_OURS = ("agentd", "agentd.conf", "agentd.lock", "agentd.log", "agentd.pyz", "agentd.sock", "guard.json", "instance-id")
_OUR_FOLDERS = ("pki", "spool", "work")


def uninstall(machine: Machine, order: Order, steps: Steps) -> Dict[str, Any]:
    """Stop the agent and remove all that is its own.

    ``order``: force, to do so although scripts run; own, how many of these are the one that runs this.
    """
    steps.begin("look for scripts that run")
    with contextlib.suppress(OSError, ValueError):
        running = _ask(machine, "agent.status").get("running", 0) - order.get("own", 0)
        if running and not order["force"]:
            raise Failure(
                "%d of its scripts still run" % running,
                "IncorrectState",
                "stop them or wait for them; with --force they go on and nobody hears of them",
            )
    steps.begin("stop the agent")
    if machine.manager and os.path.exists(machine.unit):
        machine.call_manager("disable", "--now", UNIT)
    _stop(machine)
    steps.begin("remove %s" % machine.home)
    if machine.manager and os.path.exists(machine.unit):
        os.unlink(machine.unit)
        machine.call_manager("daemon-reload")
    return {"left": _remove(machine)}


def _remove(machine: Machine) -> List[str]:
    """Remove what an agent keeps in its folder. Returns what is not its own, and is left."""
    if not os.path.isdir(machine.home):
        return []
    for name in os.listdir(machine.home):
        path = machine.path(name)
        if name in _OUR_FOLDERS and not os.path.islink(path):
            shutil.rmtree(path)
        elif name in _OURS or name == "python" or name.startswith(("agentd-", "agentd.", "guard.json.")):
            os.unlink(path)
    left = sorted(os.listdir(machine.home))
    if not left and not os.path.islink(machine.home):
        os.rmdir(machine.home)
    return [machine.path(name) for name in left]
