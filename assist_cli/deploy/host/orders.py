"""The actions of an installation: look, enrol, install, uninstall.

The parameters come as one line of JSON on standard input, never as arguments of a command. The progress goes to
standard output as lines of JSON::

    {"step": "…"}       the next step
    {"result": {…}}     the last line after success
    {"error": "…", "code": "…", "hint": "…", "step": "…", "left": […]}
                        the last line after a failure: the reason, the step, and the changes that could not be undone
"""

import base64
import contextlib
import getpass
import hashlib
import os
import shutil
import ssl
import subprocess
import sys
from typing import Any, Dict, List, Optional

from assist_cli.deploy.host.bytecode import compiled
from assist_cli.deploy.host.changes import Failure, Steps, check_folder, link, make_folder, put, read, remove, say
from assist_cli.deploy.host.machine import UNIT, Machine, ask, moments, runs, start, stop, wait_for

Order = Dict[str, Any]


def main(verb: str, order: Order) -> None:
    """Carry out one action and report it. ``sys.argv[1]`` is the agent's folder, if it is not the usual one.

    The parameter ``waits`` has the timeouts (see ``machine.Waits``).
    """
    os.umask(0o022)
    machine = Machine(order["waits"], sys.argv[1] if len(sys.argv) > 1 else "")
    steps = Steps()
    try:
        actions = {"look": look, "enrol": enrol, "install": install, "uninstall": uninstall}
        if verb in ("enrol", "install"):
            make_folder(machine.home, steps)
            _lock(machine)
        result = actions[verb](machine, order, steps)
        say(result=result)
    except Failure as failure:
        say(error=str(failure), code=failure.code, hint=failure.hint, step=steps.current, left=steps.undo())
    except OSError as error:
        say(error=str(error), code="", hint="", step=steps.current, left=steps.undo())


# look


def look(machine: Machine, order: Order, steps: Steps) -> Dict[str, Any]:
    """Return the present state: the folder, its agent, and the service manager."""
    check_folder(machine.home)
    user = getpass.getuser()
    authority = read(machine.path("pki", "ca.pem"))
    return {
        "home": machine.home,
        "user": user,
        "root": os.geteuid() == 0,
        "systemd": bool(machine.manager),
        "lingers": os.geteuid() == 0 or os.path.exists("/var/lib/systemd/linger/" + user),
        "tls": bool(getattr(ssl, "HAS_TLSv1_3", False) and hasattr(ssl, "TLSVersion")),
        "version": _version(machine),
        "instance": (read(machine.path("instance-id")) or b"").decode("ascii", "replace").strip() or None,
        "authority": hashlib.sha256(authority).hexdigest() if authority else None,
    }


def enrol(machine: Machine, order: Order, steps: Steps) -> Dict[str, Any]:
    """Return the same, the random id of this machine, and the instance that it replaces, if any.

    The id is made once: it tells a repetition from a new machine. With ``new`` in ``order``, a machine with an instance
    gets another id, and the file keeps which instance it replaces, so that a repetition continues.
    """
    found = look(machine, order, steps)
    path = machine.path("agentd.enrolment")
    known = (read(path) or b"").decode("ascii", "replace").split()
    if not known or (order.get("new") and found["instance"] and known[1:] != [found["instance"]]):
        replaced = [found["instance"]] if order.get("new") and found["instance"] else []
        known = [os.urandom(32).hex()] + replaced
        put(path, " ".join(known).encode("ascii") + b"\n", 0o600, steps)
    return dict(found, machine=known[0], replaces=known[1] if known[1:] else None)


def _version(machine: Machine) -> Optional[str]:
    """Return the installed version, from the name of its archive."""
    try:
        name = os.path.basename(os.readlink(machine.path("agentd.pyz")))
    except OSError:
        return None
    return name[len("agentd-") : -len(".pyz")]


# install


def install(machine: Machine, order: Order, steps: Steps) -> Dict[str, Any]:
    """Install, repair or upgrade the agent.

    ``order``: version, archive (base64), sha256, files to write (name → [base64, mode]), unwanted files, conf (name →
    value, None to remove it) to set in agentd.conf, instance (the id of a new agent; with rotate also of an existing
    one), units (the texts for root and for a user).
    """
    steps.begin("copy agentd-%s.pyz" % order["version"])
    archive = base64.b64decode(order["archive"])
    if hashlib.sha256(archive).hexdigest() != order["sha256"]:
        raise Failure("the archive did not arrive as it was sent: its SHA-256 differs")
    make_folder(machine.home, steps)
    before, ran = _version(machine), runs(machine)
    if before and _numbers(before) > _numbers(order["version"]):
        raise Failure(
            "version %s is installed there, and %s is older" % (before, order["version"]),
            "ClientNeedUpgrade",
            "upgrade this Assist, or uninstall the agent there first",
        )
    if ran:
        steps.can_undo(lambda: None if runs(machine) else start(machine))
    name = "agentd-%s.pyz" % order["version"]
    put(machine.path(name), compiled(archive), 0o700, steps)
    _try(machine.path(name), order["version"])

    steps.begin("write its key, certificate and settings")
    if order["rotate"] or not os.path.exists(machine.path("instance-id")):
        put(machine.path("instance-id"), order["instance"].encode("ascii") + b"\n", 0o600, steps)
    if order["files"]:
        make_folder(machine.path("pki"), steps)
    for place, (content, mode) in sorted(order["files"].items()):
        put(machine.path(*place.split("/")), base64.b64decode(content), mode, steps)
    for place in order["unwanted"]:
        remove(machine.path(*place.split("/")), steps)
    conf = _configured(read(machine.path("agentd.conf")) or b"", order["conf"])
    put(machine.path("agentd.conf"), conf, 0o600, steps)
    put(machine.path("agentd"), _launcher(machine), 0o700, steps)
    if sys.executable != machine.path("python"):  # equal when the agent itself runs this
        link(machine.path("python"), sys.executable, steps)
    link(machine.path("agentd.pyz"), name, steps)

    if machine.manager:
        steps.begin("install the systemd unit %s" % machine.unit)
        steps.can_undo(lambda: machine.call_manager("daemon-reload"))
        put(machine.unit, order["units"]["user" if "--user" in machine.manager else "root"].encode(), 0o644, steps)
        machine.call_manager("daemon-reload")
        if before is None:
            steps.can_undo(lambda: machine.call_manager("disable", UNIT))
        machine.call_manager("enable", UNIT)
    steps.begin("restart the agent" if ran else "start the agent")
    steps.can_undo(lambda: stop(machine))
    stop(machine)
    start(machine)
    wait_for(machine, order["version"])
    _remove_old(machine, {name, "agentd-%s.pyz" % before})
    return {"version": order["version"], "before": before, "systemd": bool(machine.manager)}


def _lock(machine: Machine) -> None:
    """Wait until no other process installs into this folder, and keep others waiting until this one ends."""
    import fcntl  # a Unix module: the controller, which also runs on Windows, imports this one

    descriptor = os.open(machine.home, os.O_RDONLY | os.O_DIRECTORY)
    for _ in moments(machine.waits["start"], machine.waits["look"]):
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            pass
    raise Failure("another installation is in progress there")


def _numbers(version: str) -> List[int]:
    return [int(part) if part.isdigit() else 0 for part in version.split(".")]


def _try(archive: str, version: str) -> None:
    """Check that the archive starts here and reports its version."""
    done = subprocess.run(
        [sys.executable, "-I", "-S", archive, "--version"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    said = done.stdout.decode("utf-8", "replace").strip()
    if said != "agentd " + version:
        why = said.splitlines()[-1] if said else "it prints nothing"
        raise Failure("%s cannot run the archive: %s" % (sys.executable, why))


def _configured(old: bytes, settings: Dict[str, Optional[str]]) -> bytes:
    """Return the lines of agentd.conf with these settings changed, or removed (None), and all others as they are."""
    lines = [
        line
        for line in old.decode("utf-8", "replace").splitlines()
        if line.split("#", 1)[0].partition("=")[0].strip() not in settings
    ]
    lines += ["%s = %s" % item for item in sorted(settings.items()) if item[1] is not None]
    return "".join(line + "\n" for line in lines).encode()


def _launcher(machine: Machine) -> bytes:
    """Return a program that starts the agent of this folder: agentd serve, guard, bridge, status."""
    python, archive, home = (
        _quoted(path) for path in (machine.path("python"), machine.path("agentd.pyz"), machine.home)
    )
    return ('#!/bin/sh\nexec %s -I -S %s "$@" --home %s\n' % (python, archive, home)).encode("utf-8", "surrogateescape")


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"


def _remove_old(machine: Machine, kept: Any) -> None:
    for name in os.listdir(machine.home):
        if name.startswith("agentd-") and name.endswith(".pyz") and name not in kept:
            os.unlink(machine.path(name))


# uninstall

_OURS = ("agentd", "agentd.conf", "agentd.lock", "agentd.log", "agentd.pyz", "agentd.sock", "guard.json", "instance-id")
_OUR_FOLDERS = ("pki", "spool", "work")


def uninstall(machine: Machine, order: Order, steps: Steps) -> Dict[str, Any]:
    """Stop the agent and remove its files.

    ``order``: force, to do so although scripts run; own, the number of running scripts that are this one.
    """
    steps.begin("check for running scripts")
    check_folder(machine.home)
    with contextlib.suppress(OSError, ValueError, TypeError):
        running = int(ask(machine, "agent.status").get("running", 0)) - order.get("own", 0)
        if running and not order["force"]:
            raise Failure(
                "%d of its scripts are still running" % running,
                "IncorrectState",
                "stop them or wait for them; with --force they continue, and their results are lost",
            )
    steps.begin("stop the agent")
    if machine.manager and os.path.exists(machine.unit):
        machine.call_manager("disable", "--now", UNIT)
    stop(machine)
    steps.begin("remove %s" % machine.home)
    if machine.manager and os.path.exists(machine.unit):
        os.unlink(machine.unit)
        machine.call_manager("daemon-reload")
    return {"left": _remove(machine)}


def _remove(machine: Machine) -> List[str]:
    """Remove the agent's files from its folder. Return the names of the others."""
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
