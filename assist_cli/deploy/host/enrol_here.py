"""The client in the file for one machine: it installs an agent that listens, without a connection to the controller.

The file contains the agent, its key and certificate, and the programs of ``assist instance install`` for each system.
"""

import argparse
import json
import os
import sys
from typing import Any, Dict

from assist_cli.deploy.host.boot import boot_notes
from assist_cli.deploy.host.client import (
    ADMINISTRATOR,
    FAILED,
    PYTHON,
    ActionProgram,
    Denied,
    check_python,
    fail,
    say,
    step_of,
)

# Its controller has upgraded the agent since it made the file.
_TOO_OLD = (
    "this file is too old to repair it; on the controller: assist instance upgrade %(name)s; if that does not reach "
    "it, make a new file there"
)
_UNCHANGED = "nothing was changed here"

Words = Dict[str, Any]


def main(settings: Words) -> int:
    """Install the agent of this file here, and return the exit status. ``settings``: see ``enrolment_file``."""
    argparse.ArgumentParser(
        prog=PYTHON + " " + os.path.basename(sys.argv[0]),
        description="Install the Assist agent of the instance %(name)s here. Its controller connects to it at "
        "%(address)s." % settings,
        epilog="Run it as %s. It can be repeated, and is for this machine alone." % ADMINISTRATOR,
    ).parse_args()
    try:
        check_python("install the agent")
        found = _carry_out(settings, "look", {})
        _check_agent(settings, found)
        _carry_out(settings, "install", settings["order"])
    except Denied as denied:
        return fail(str(denied), denied.hint, FAILED)
    except KeyboardInterrupt:
        return fail("interrupted", "run it again: nothing is done twice", 130)
    if found["instance"] not in (None, settings["instance"]):
        say(sys.stdout, "note: it replaces the agent of the instance %s, which had no controller" % found["instance"])
    for note in boot_notes(found):
        say(sys.stdout, "note: %s" % note)
    say(sys.stdout, "Installed as %(name)s (%(instance)s)" % settings)
    say(
        sys.stdout, "On the controller: assist doctor %(name)s. It must reach %(address)s. Delete this file." % settings
    )
    return 0


def _check_agent(settings: Words, found: Words) -> None:
    """Raise Denied if this machine has another agent; one without an authority, as of a package, is replaced."""
    if found["authority"] not in (None, settings["authority"]):
        raise Denied(
            "cannot install an agent here: there is one that belongs to another controller",
            "to take it over: delete %s, and repeat" % os.path.join(found["home"], "pki", "ca.pem"),
        )
    if found["authority"] is not None and found["instance"] not in (None, settings["instance"]):
        raise Denied(
            "cannot install an agent here: there is one already, of the instance %s" % found["instance"],
            "from its controller: assist instance upgrade NAME; to make this machine a new instance: delete %s, and "
            "repeat" % os.path.join(found["home"], "instance-id"),
        )


def _carry_out(settings: Words, verb: str, order: Words) -> Words:
    """Run an action here, print its steps, and return its result. Raises Denied."""
    line = json.dumps([settings["sources"][os.name], verb, dict(order, waits=settings["waits"])])
    program = ActionProgram(settings["program"], line)
    last = {}  # type: Words
    for text in program.lines():
        try:
            words = json.loads(text.decode("utf-8", "replace") or "{}")
        except ValueError:
            continue
        if step_of(words):
            say(sys.stdout, "- %s" % step_of(words))
        last = words if isinstance(words, dict) and words else last
    status = program.wait()
    if isinstance(last.get("result"), dict) and (verb == "install" or not program.interrupted):
        return last["result"]  # type: ignore[no-any-return]
    if program.interrupted and not last.get("left"):
        raise KeyboardInterrupt
    why = str(last.get("error") or "the program ended with status %d" % status)
    step = " at the step '%s'" % last["step"] if last.get("step") else ""
    left = "these changes could not be undone: " + "; ".join(last["left"]) if last.get("left") else ""
    hint = _TOO_OLD % settings if last.get("code") == "ClientNeedUpgrade" else last.get("hint") or ""
    raise Denied("cannot install the agent%s: %s" % (step, why), "; ".join(filter(None, (hint, left))) or _UNCHANGED)
