"""The agent in one folder of this machine: its paths, and the checks if it has started.

``posix_machine`` and ``windows_machine`` have the parts that depend on the system.
"""

import errno
import json
import os
import socket
import time
from typing import Any, Dict, Iterator, List

from assist_cli.deploy.host.changes import Failure, Steps, read

Waits = Dict[str, float]  # in seconds; model.timeouts.InstallTimeouts has their names
Order = Dict[str, Any]


class Machine:
    """An agent's folder ``home``. ``managed``: this system starts the agent at boot, by the means of ``unit``."""

    def __init__(self, waits: Waits, home: str, managed: bool) -> None:
        self.waits = waits
        self.home = home
        self.managed = managed

    def path(self, *names: str) -> str:
        return os.path.join(self.home, *names)

    # by system

    def check_rights(self) -> None:
        """Raise Failure if this user cannot install an agent here."""
        raise NotImplementedError

    def lock(self, steps: Steps) -> None:
        """Wait until no other process installs into the folder, and keep others waiting until this one ends.

        Raises Failure.
        """
        raise NotImplementedError

    def user(self) -> Dict[str, Any]:
        """Return the ``user`` of the agent, if it has all rights (``root``), and if it runs while logged out."""
        raise NotImplementedError

    def version(self) -> str:
        """Return the version that is to run, empty without an agent."""
        raise NotImplementedError

    def choose(self, archive: str, steps: Steps) -> None:
        """Make this archive of the folder the one that runs, at boot too. Raises Failure."""
        raise NotImplementedError

    def start(self) -> None:
        """Start the guard, and so the agent. Raises Failure."""
        raise NotImplementedError

    def stop(self) -> None:
        """Stop guard and agent, however they were started. Their scripts continue. Raises Failure."""
        raise NotImplementedError

    def guard(self) -> int:
        """Return the pid of the agent's guard, 0 without one."""
        raise NotImplementedError

    def runs(self) -> bool:
        """Return True if a guard or an agent runs."""
        raise NotImplementedError

    def answers(self) -> str:
        """Return the version of the agent that has started, empty without one."""
        raise NotImplementedError

    def scripts(self) -> int:
        """Return the number of scripts that run."""
        raise NotImplementedError

    def retire(self) -> None:
        """Have the system never start the agent again, and stop it. Raises Failure."""
        raise NotImplementedError

    def clear(self) -> None:
        """Remove the agent's files from its folder, and the folder if nothing else is in it."""
        raise NotImplementedError

    # the same on each system

    def others(self) -> List[str]:
        """Return the paths in the agent's folder that are not the agent's."""
        names = os.listdir(self.home) if os.path.isdir(self.home) else []
        return sorted(self.path(name) for name in names if not is_ours(name))

    def report(self) -> Dict[str, Any]:
        """Return the last report of the guard: pid, agent_pid, restarts, last_restart …"""
        try:
            found = json.loads((read(self.path("guard.json")) or b"{}").decode())
            return found if isinstance(found, dict) else {}
        except ValueError:
            return {}

    def log(self) -> str:
        """Return the text of the log file of guard and agent, empty if they have none."""
        return (read(self.path("agentd.log")) or b"").decode("utf-8", "replace").replace("\r\n", "\n")

    def settings(self) -> Dict[str, str]:
        """Return the settings in agentd.conf."""
        lines = (read(self.path("agentd.conf")) or b"").decode("utf-8-sig", "replace").splitlines()
        pairs = (line.split("#", 1)[0].partition("=") for line in lines)
        return {name.strip(): value.strip() for name, _, value in pairs}

    def wait_for(self, version: str) -> None:
        """Wait until the agent of this version answers, or until its guard has seen it end. Raises Failure."""
        why, hint = "it does not listen", ""
        for _ in self.moments("start"):
            found = self.answers()
            if found == version:
                return
            if found:
                why = "version %s answers" % found
            if self.guard() and self.report().get("restarts"):
                why = self.report()["last_restart"]["why"]
                hint = _advice(self.settings().get("listen", ""))
                break
        said = [line for line in self.log().splitlines() if " guard: " not in line][-1:]
        raise Failure("the agent does not start: %s" % (said[0] if said else why), hint=hint)

    def moments(self, wait: str) -> Iterator[None]:
        """Yield between checks, as long as this wait may take: no event shows a change in another program."""
        end = time.monotonic() + self.waits[wait]
        while time.monotonic() < end:
            yield
            time.sleep(self.waits["look"])


def _advice(listen: str) -> str:
    """Return the advice for an agent that cannot listen on ADDRESS:PORT; empty if it can, or does not."""
    address, _, port = listen.rpartition(":")
    if not port.isdigit():
        return ""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            if os.name != "nt":  # as the agent does; on Windows it would share a port in use
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((address.strip("[]"), int(port)))
    except OSError as error:
        if error.errno == errno.EADDRNOTAVAIL:
            return (
                "this machine does not have the address %s itself (NAT, cloud): give a host name in place of it, so "
                "that the agent listens on all addresses" % address
            )
        if error.errno == errno.EADDRINUSE:
            return "another program uses port %s here: stop it, or choose another port" % port
    return ""


# The names of an agent's files in its folder, and of its folders.
_FILES = ("agentd", "epochs.json", "guard.json", "instance-id", "python")
_BEGINNINGS = ("agentd-", "agentd.", "guard.json.")
FOLDERS = ("pki", "spool", "work")


def is_ours(name: str) -> bool:
    """Return True for the name of a file or a folder of an agent."""
    return name in FOLDERS or name in _FILES or name.startswith(_BEGINNINGS)
