"""The actions of an installation: look, enrol, install, uninstall.

The parameters come as one line of JSON, never as arguments of a command. The progress goes to standard output as lines
of JSON::

    {"step": "…"}       the next step
    {"result": {…}}     the last line after success
    {"error": "…", "code": "…", "hint": "…", "step": "…", "left": […]}
                        the last line after a failure: the reason, the step, and the changes that could not be undone
"""

import base64
import hashlib
import os
import signal
import ssl
import subprocess
import sys
from typing import Any, Dict, List, Optional

from agentd.disk import patiently
from assist_cli.deploy.host.bytecode import compiled
from assist_cli.deploy.host.certificate import is_newer
from assist_cli.deploy.host.changes import Failure, Steps, check_folder, make_folder, put, read, remove, say
from assist_cli.deploy.host.machine import Machine, Order

_CREDENTIALS = ("pki/ca.pem", "pki/agent.pem", "pki/agent.key")


def carry_out(verb: str, order: Order, machine: Machine) -> None:
    """Carry out one action and report it. The parameter ``waits`` has the timeouts (see ``machine.Waits``)."""
    steps = Steps()
    signal.signal(signal.SIGINT, steps.interrupt)
    try:
        actions = {"look": look, "enrol": enrol, "install": install, "uninstall": uninstall}
        if verb in ("enrol", "install"):
            machine.check_rights()
            make_folder(machine.home, steps)
            machine.lock(steps)
        result = actions[verb](machine, order, steps)
        steps.check()
        say(result=result)
    except Failure as failure:
        say(error=str(failure), code=failure.code, hint=failure.hint, step=steps.current, left=steps.undo())
    except OSError as error:
        why = "%s%s" % (error.strerror or error, ": %s" % error.filename if error.filename else "")
        say(error=why, code="", hint="", step=steps.current, left=steps.undo())


# look


def look(machine: Machine, order: Order, steps: Steps) -> Dict[str, Any]:
    """Return the present state: the folder, its agent, and the service manager."""
    check_folder(machine.home)
    authority = read(machine.path("pki", "ca.pem"))
    return dict(
        machine.user(),
        home=machine.home,
        managed=machine.managed,
        tls=bool(getattr(ssl, "HAS_TLSv1_3", False) and hasattr(ssl, "TLSVersion")),
        version=machine.version() or None,
        instance=(read(machine.path("instance-id")) or b"").decode("ascii", "replace").strip() or None,
        authority=hashlib.sha256(authority).hexdigest() if authority else None,
    )


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


# install


def install(machine: Machine, order: Order, steps: Steps) -> Dict[str, Any]:
    """Install, repair or upgrade the agent.

    ``order``: version, archive (base64), sha256, files to write (name → [base64, mode]), unwanted files, conf (name →
    value, None to remove it) to set in agentd.conf, instance (the id of a new agent; with rotate also of an existing
    one), keeps_newer (see ``_newer_kept``).
    """
    steps.begin("copy agentd-%s.pyz" % order["version"])
    archive = base64.b64decode(order["archive"])
    if hashlib.sha256(archive).hexdigest() != order["sha256"]:
        raise Failure("the archive did not arrive as it was sent: its SHA-256 differs")
    make_folder(machine.home, steps)
    before, ran = machine.version(), machine.runs()
    if before and _numbers(before) > _numbers(order["version"]):
        raise Failure(
            "version %s is installed, and %s is older" % (before, order["version"]),
            "ClientNeedUpgrade",
            "upgrade Assist on the controller, or uninstall the agent first",
        )
    if ran:
        steps.can_undo(lambda: None if machine.runs() else machine.start())
    name = "agentd-%s.pyz" % order["version"]
    put(machine.path(name), compiled(archive), 0o700, steps)
    _try(machine.path(name), order["version"])

    files = _newer_kept(machine, order)
    if files == order["files"]:
        steps.begin("write its key, certificate and settings")
    else:
        steps.begin("write its settings, and keep its key and certificate, which are newer than those of this file")
    if order["rotate"] or not os.path.exists(machine.path("instance-id")):
        put(machine.path("instance-id"), order["instance"].encode("ascii") + b"\n", 0o600, steps)
    if files:
        make_folder(machine.path("pki"), steps)
    for place, (content, mode) in sorted(files.items()):
        put(machine.path(*place.split("/")), base64.b64decode(content), mode, steps)
    for place in order["unwanted"]:
        remove(machine.path(*place.split("/")), steps)
    conf = _configured(read(machine.path("agentd.conf")) or b"", order["conf"])
    put(machine.path("agentd.conf"), conf, 0o600, steps)
    machine.choose(name, steps)

    steps.begin("restart the agent" if ran else "start the agent")
    steps.can_undo(machine.stop)
    machine.stop()
    machine.start()
    machine.wait_for(order["version"])
    _remove_old(machine, {name, "agentd-%s.pyz" % before})
    return {"version": order["version"], "before": before or None, "managed": machine.managed}


def _numbers(version: str) -> List[int]:
    return [int(part) if part.isdigit() else 0 for part in version.split(".")]


def _newer_kept(machine: Machine, order: Order) -> Dict[str, Any]:
    """Return the files to write. An order with ``keeps_newer`` does not replace a newer certificate by its own.

    It must be of the same instance and the same authority.
    """
    files = order["files"]  # type: Dict[str, Any]
    if not order.get("keeps_newer") or read(machine.path("instance-id")) != order["instance"].encode("ascii") + b"\n":
        return files
    authority, certificate, key = (machine.path(*name.split("/")) for name in _CREDENTIALS)
    given = [base64.b64decode(files[name][0]) for name in _CREDENTIALS]
    if read(authority) != given[0] or not is_newer(certificate, key, given[1]):
        return files
    return {name: files[name] for name in files if name not in _CREDENTIALS}


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


def _remove_old(machine: Machine, kept: Any) -> None:
    for name in os.listdir(machine.home):
        if name.startswith("agentd-") and name.endswith(".pyz") and name not in kept:
            patiently(os.unlink, machine.path(name))


# uninstall


def uninstall(machine: Machine, order: Order, steps: Steps) -> Dict[str, Any]:
    """Stop the agent and remove its files. Return the files in its folder that are not its own, and stay.

    ``order``: force, to do so although scripts run; own, the number of running scripts that are this one; check, to
    change nothing.
    """
    steps.begin("check for running scripts")
    check_folder(machine.home)
    running = machine.scripts() - order.get("own", 0)
    if running > 0 and not order["force"]:
        raise Failure(
            "%d of its scripts are still running" % running,
            "IncorrectState",
            "stop them or wait for them; with --force they continue, and their results are lost",
        )
    left = machine.others()
    if not order.get("check"):
        steps.begin("stop the agent")
        machine.retire()
        steps.begin("remove %s" % machine.home)
        machine.clear()
    return {"left": left}
