"""The notes about a new agent: the steps that are left to the administrator of the machine, and its user."""

import shlex
from typing import Any, List, Mapping


def boot_notes(found: Mapping[str, Any]) -> List[str]:
    """Return the notes about a new agent. ``found`` is the state of the machine before (``orders.look``)."""
    if found["version"] is not None:
        return []
    notes = _windows_notes(found) if not found["home"].startswith("/") else _posix_notes(found)
    if not found["root"]:
        notes.append("it runs all scripts as %s, who has installed it" % found["user"])
    return notes


def _posix_notes(found: Mapping[str, Any]) -> List[str]:
    if not found["managed"]:
        words = [found["home"] + "/agentd", "guard", "--log", found["home"] + "/agentd.log"]
        text = "systemd does not start it; to start it at boot, add to 'crontab -e' of %s there: @reboot %s"
        return [text % (found["user"], " ".join(map(shlex.quote, words)))]
    if not found["lingers"]:
        text = "to keep it running while %s is logged out, run there as root: loginctl enable-linger %s"
        return [text % (found["user"], found["user"])]
    return []


def _windows_notes(found: Mapping[str, Any]) -> List[str]:
    if found["managed"]:
        return []
    text = (
        "only the agent in the usual folder has a scheduled task and a rule of the firewall; open the port of this "
        'one, and to start it at boot, as the system: schtasks /create /tn NAME /xml "%s\\agentd.xml"'
    )
    return [text % found["home"]]
