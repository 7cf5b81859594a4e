"""Requests to install on the hosts of ~/.ssh/config, which also has their logins."""

from __future__ import annotations

import fnmatch
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from assist_cli import codes
from assist_cli.agents.destination import Destination, parse
from assist_cli.agents.ssh import config, config_file
from assist_cli.errors import NotFound, Refused
from assist_cli.model.names import some_of
from assist_cli.operations.controller import Controller
from assist_cli.operations.fleet import instances
from assist_cli.operations.fleet.deployment import InstallRequest
from assist_cli.operations.fleet.host_file import SAME_MACHINE, located


@dataclass(frozen=True)
class SshHosts:
    """Requests, the origin of each for messages, and notes on hosts that are skipped."""

    requests: list[InstallRequest] = field(default_factory=list)
    origins: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def to_install(controller: Controller, patterns: Sequence[str]) -> SshHosts:
    """Return the requests for the hosts that are no patterns themselves, or for those that ``patterns`` match.

    Of several names of one machine the first one counts. Raises NotFound for a pattern without a match,
    InvalidParameter, and ClientNotOnline for a configuration that cannot be read.
    """
    known = config_file.concrete_hosts()
    for pattern in patterns or ["*"]:
        if not any(fnmatch.fnmatchcase(name, pattern) for name, _ in known):
            raise NotFound(
                f"cannot find a host '{pattern}' in ~/.ssh/config",
                hint="a Host line names hosts; lines that have only patterns do not count",
                code=codes.INSTANCE_NOT_EXISTS,
            )
    found = SshHosts()
    seen: dict[tuple[object, ...], str] = {}
    others = []
    for name, origin in known:
        if patterns and not any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns):
            continue
        try:
            parse(instances.checked_name(name))
        except Refused as error:
            raise located(error, origin) from None
        # ssh is asked here, and not again at the login
        settings = config.settings(Destination(name), time.monotonic() + controller.timeouts.agent.connect)
        machine = (settings.host, settings.port, settings.user, settings.hop, settings.proxy)
        if machine in seen:
            others.append(f"{name} ({seen[machine]})")
            continue
        seen[machine] = name
        found.requests.append(InstallRequest(name, name))
        found.origins.append(origin)
    if others:
        found.notes.append(f"skipped {some_of(others)}: {SAME_MACHINE}")
    return found
