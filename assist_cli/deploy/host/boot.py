"""The steps of an installation that are left to the administrator of the machine."""

import shlex
from typing import Any, List, Mapping


def boot_notes(found: Mapping[str, Any]) -> List[str]:
    """Return the steps to start a new agent at boot. ``found`` is the state of the machine before (``orders.look``)."""
    if found["version"] is not None or not found["home"].startswith("/"):
        return []  # Windows has none
    if not found["managed"]:
        words = [found["home"] + "/agentd", "guard", "--log", found["home"] + "/agentd.log"]
        text = "systemd does not start it; to start it at boot, add to 'crontab -e' of %s there: @reboot %s"
        return [text % (found["user"], " ".join(map(shlex.quote, words)))]
    if not found["lingers"]:
        text = "to keep it running while %s is logged out, run there as root: loginctl enable-linger %s"
        return [text % (found["user"], found["user"])]
    return []
