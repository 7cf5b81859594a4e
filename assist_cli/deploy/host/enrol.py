"""The client in the file of an enrolment: it runs on the machine that enrols, and needs nothing but this Python.

It opens a circuit to the controller through a broker, with TLS inside that trusts only the authority in the file. Then
both ends send lines of JSON::

    machine      {"token", "hostname", "name", "python", "proxy", "new", "system"}
    controller   {"run": "look", "program", "input"}   run this program, with a line on its standard input
    machine      {"line": {…}} …, {"exit": 0}           its output, then its end
    controller   {"done": {"name", "instance", "notes"}}, or {"error", "hint", "retry"}

The programs are those that ``assist instance install`` runs over SSH: ``orders``, with the folder of the agent.
"""

import argparse
import json
import os
import random
import socket
import ssl
import sys
import time
from typing import Any, Dict, Optional

from agentd.wire.protocol import ProtocolError
from assist_cli.deploy.host.client import (
    ADMINISTRATOR,
    FAILED,
    PYTHON,
    UNREACHABLE,
    ActionProgram,
    ControllerUnreachable,
    Denied,
    Rejected,
    check_python,
    fail,
    say,
    step_of,
)
from assist_cli.deploy.host.link import Link
from assist_cli.deploy.host.proxy import given_proxy

CODE = "ASSIST_ACTIVATION_CODE"  # the variable with the token, for a file that has none

Words = Dict[str, Any]


def main(settings: Words) -> int:
    """Enrol this machine, and return the exit status. ``settings``: see ``enrolment_file``."""
    parser = argparse.ArgumentParser(
        prog=PYTHON + " " + os.path.basename(sys.argv[0]),
        description="Install an Assist agent here, which belongs to the controller that made this file.",
        epilog="Run it as %s. It can be repeated. It is valid until %s." % (ADMINISTRATOR, settings["until"]),
    )
    parser.add_argument("--name", default="", help="name of this machine (default: the controller chooses one)")
    parser.add_argument(
        "--proxy",
        metavar="URL",
        help="HTTP proxy for this program and the agent, http://HOST:PORT (default: %s); with a password by "
        "env:VARIABLE or @FILE only; none: without" % ("the one in the file" if settings["proxy"] else "none"),
    )
    parser.add_argument(
        "--new",
        action="store_true",
        help="make this machine a new instance: if it is the copy of another one, or its instance was revoked",
    )
    chosen = parser.parse_args()
    settings["new"] = chosen.new
    try:
        check_python("enrol this machine")
        if chosen.proxy is not None:
            settings["proxy"] = given_proxy(chosen.proxy)
        settings["token"] = settings["token"] or _token()
        done = _enrol(settings, chosen.name)
    except Denied as denied:
        return fail(str(denied), denied.hint, FAILED)
    except ControllerUnreachable as error:
        return fail("cannot enrol this machine: %s" % error, _hint(settings), UNREACHABLE)
    except KeyboardInterrupt:
        return fail("interrupted", "run it again: nothing is done twice", 130)
    for note in done.get("notes", ()):
        say(sys.stdout, "note: %s" % note)
    say(sys.stdout, "Enrolled as %s (%s)" % (done.get("name"), done.get("instance")))
    return 0


def _hint(settings: Words) -> str:
    return (
        "on the controller, 'assist serve' must run; from here, a broker must be reachable; the file is valid until "
        "%s, and the clock here shows %s" % (settings["until"], time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()))
    )


def _token() -> str:
    """Return the activation code, for a file that has no token."""
    found = os.environ.pop(CODE, "")
    if not found and sys.stdin.isatty():
        import getpass

        found = getpass.getpass("Activation code: ")
    if not found.strip():
        raise Denied("cannot enrol this machine: no activation code given", "set %s to it" % CODE)
    return found.strip()


def _enrol(settings: Words, name: str) -> Words:
    """Try the brokers in turn until the controller has answered. Raises Denied, ControllerUnreachable."""
    end = time.monotonic() + settings["retry_seconds"]
    brokers = list(settings["brokers"])
    random.shuffle(brokers)
    pause, told = 0.5, False
    while True:
        reasons, may_help = [], False
        for host, port in brokers:
            try:
                link = Link(settings, host, port)
                try:
                    return _talk(link, settings, name)
                finally:
                    link.close()
            except (OSError, ProtocolError, ControllerUnreachable) as error:
                why = getattr(error, "verify_message", None) or getattr(error, "strerror", None) or str(error)
                reasons.append("tls://%s:%d: %s" % (host, port, why))
                may_help = may_help or not isinstance(error, (Rejected, ssl.SSLError))
        if not may_help or time.monotonic() + pause > end:
            raise ControllerUnreachable("; ".join(reasons))
        if not told:
            seconds = settings["retry_seconds"]
            say(sys.stdout, "- wait for the controller, at most %d s: %s" % (seconds, "; ".join(reasons)))
            told = True
        time.sleep(pause * (0.5 + random.random()))
        pause = min(pause * 2, 10.0)


def _talk(link: Link, settings: Words, name: str) -> Words:
    """Follow the controller, and return its last answer. Raises Denied, ControllerUnreachable."""
    python = "%d.%d.%d" % sys.version_info[:3]
    hello = {"token": settings["token"], "hostname": socket.gethostname(), "name": name, "python": python}
    link.send(dict(hello, proxy=settings["proxy"], new=settings["new"], system=os.name))
    while True:
        words = link.receive()
        if isinstance(words.get("done"), dict):
            return words["done"]  # type: ignore[no-any-return]
        if "run" in words:
            _run(link, words)
            settings["new"] = False  # this machine has noted it: a retry continues
        elif words.get("retry"):
            raise ControllerUnreachable(str(words.get("error")))
        else:
            raise Denied(str(words.get("error")), str(words.get("hint") or ""))


def _run(link: Link, words: Words) -> None:
    """Run a program of the controller, and send its output. It ends also if the connection is lost meanwhile."""
    program = ActionProgram(words["program"], words["input"])
    lost: Optional[Exception] = None
    for line in program.lines():
        try:
            if line:
                _show(line, link)
            elif lost is None:
                link.idle()
        except (OSError, ProtocolError, ControllerUnreachable) as error:
            lost = error
    status = program.wait()
    if lost is None:
        link.send({"exit": status})
    if program.interrupted:
        raise KeyboardInterrupt
    if lost is not None:
        raise lost


def _show(line: bytes, link: Link) -> None:
    """Print a step for people, and send each line."""
    try:
        words = json.loads(line.decode("utf-8", "replace"))
    except ValueError:
        return
    if step_of(words):
        say(sys.stdout, "- %s" % step_of(words))
    link.send({"line": words})
