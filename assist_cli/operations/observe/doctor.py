"""Why it does not work: this controller, or one instance, looked over step by step. Each step says what to do."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from datetime import datetime, timedelta

from assist_cli import __version__
from assist_cli.agents import route
from assist_cli.deploy import pki
from assist_cli.errors import AssistError
from assist_cli.model.check import Check
from assist_cli.model.instance import LOCAL, Health, Instance
from assist_cli.model.target import Selection
from assist_cli.operations.controller import Controller
from assist_cli.operations.fleet import health, instances
from assist_cli.operations.server import lease
from assist_cli.store import checkup, schedules

FREE_BYTES = 256 * 1024 * 1024
CLOCK_TOLERANCE = 5.0  # seconds between two clocks
SHOWN = 3
ROUTE = "route"  # the check that fails when the agent cannot be reached


def examine_controller(controller: Controller) -> list[Check]:
    """Look over this controller: its home, its database, its certificates, the agent of this machine."""
    return [
        _home(controller),
        _disk(shutil.disk_usage(controller.home.root).free, str(controller.home.root)),
        _database(controller),
        _statuses(controller),
        *_certificates(controller),
        _own_agent(controller),
        _server(controller),
        _register(controller),
    ]


def examine_instance(controller: Controller, name: str) -> list[Check]:
    """Look over the way to an instance, and its agent. Raises NotFound."""
    instance = _find(controller, name)
    (state,) = health.states(controller, [instance])
    found = state.health
    tags = ", ".join(f"{key}={value}" if value else key for key, value in instance.tags.items())
    checks = [Check("name", True, f"{instance.name} is {instance.id}" + (f", tags {tags}" if tags else ""))]
    if not found.is_online:
        return [*checks, Check(ROUTE, False, f"{instance.address}: {found.error} ({found.error_code})", found.hint)]
    return [
        *checks,
        Check(ROUTE, True, f"{instance.address} leads to {found.hostname}"),
        *_certificate_of(instance, found, controller.now()),
        _agent(instance, found),
        Check("python", True, found.python),
        _guard(instance, found),
        _clock(found),
        *([] if found.free_bytes is None else [_disk(found.free_bytes, "the agent's folder")]),
        Check("tasks", True, f"{found.running} running"),
    ]


def _find(controller: Controller, name: str) -> Instance:
    if name == LOCAL:
        return instances.resolve(controller, Selection())[0]
    return instances.get(controller, name)


def _home(controller: Controller) -> Check:
    root = controller.home.root
    status = root.stat()
    if os.name == "posix" and (status.st_mode & 0o077 or status.st_uid != os.geteuid()):
        return Check(
            "home", False, f"{root} is open to others or belongs to another user", f"chown and chmod 700 {root}"
        )
    return Check("home", True, str(root))


def _disk(free: int, where: str) -> Check:
    text = f"{free / 2**30:.1f} GiB free in {where}"
    return Check("disk", free >= FREE_BYTES, text, "" if free >= FREE_BYTES else "make room there")


def _database(controller: Controller) -> Check:
    faults = checkup.faults(controller.database)
    if faults:
        hint = "stop every assist, and bring the file back from a copy"
        return Check("database", False, "; ".join(faults[:SHOWN]), hint)
    return Check("database", True, f"{controller.home.database} is whole")


def _statuses(controller: Controller) -> Check:
    wrong = checkup.disagreements(controller.database)
    if wrong:
        more = f" and {len(wrong) - SHOWN} more" if len(wrong) > SHOWN else ""
        return Check(
            "statuses", False, f"{', '.join(wrong[:SHOWN])}{more} do not follow from their instances", "report this bug"
        )
    return Check("statuses", True, "every invocation follows from its instances")


def _certificates(controller: Controller) -> Iterator[Check]:
    """Those of this home, where there are any."""
    hints = {
        "authority": "install the instances anew, from a new ASSIST_HOME",
        "controller": "nothing: it is renewed when an instance is reached by tls: the next time",
    }
    for name, end in pki.ends(controller.home).items():
        yield _ends(f"{name} certificate", end, controller.now(), hints[name])


def _certificate_of(instance: Instance, found: Health, now: datetime) -> Iterator[Check]:
    if found.certificate_ends is not None:
        hint = f"assist instance upgrade {instance.name} --rotate"
        yield _ends("certificate", found.certificate_ends, now, hint)
    elif isinstance(route.parse(instance.address), route.Ssh):
        yield Check("host key", True, "the one that is known")


def _ends(name: str, end: datetime, now: datetime, hint: str) -> Check:
    left = end - now
    ok = left > pki.NEAR_END
    days = f"in {left.days} days" if left > timedelta(0) else "which is over"
    return Check(name, ok, f"good until {end:%Y-%m-%d}, {days}", "" if ok else hint)


def _own_agent(controller: Controller) -> Check:
    """The agent of this machine; it is started when it does not run, since that is what a run would do."""
    try:
        (state,) = health.states(controller, instances.resolve(controller, Selection()))
    except AssistError as error:
        return Check("agent", False, error.message, error.hint)
    if not state.health.is_online:
        return Check("agent", False, state.health.error, state.health.hint)
    return Check("agent", True, f"{state.instance.id} runs, version {state.health.agent}")


def _server(controller: Controller) -> Check:
    """Whether somebody serves, where there is something to fire."""
    server = lease.holder(controller)
    waiting = schedules.count_open(controller.database)
    if server is not None:
        return Check("server", True, f"process {server.pid} on {server.host}, {waiting} schedules")
    if waiting:
        hint = "assist serve, or for good: assist service install"
        return Check("server", False, f"nobody serves, and {waiting} schedules wait", hint)
    return Check("server", True, "nobody serves, and nothing waits for it")


def _register(controller: Controller) -> Check:
    number = len(instances.listing(controller, Selection()))
    return Check("instances", True, f"{number} registered")


def _agent(instance: Instance, found: Health) -> Check:
    text = f"version {found.agent}, protocol {found.protocol}, up {found.uptime / 3600:.1f} h"
    same = found.agent == __version__
    hint = f"this Assist is {__version__}: assist instance upgrade {instance.name}"
    return Check("agent", same, text, "" if same else hint)


def _guard(instance: Instance, found: Health) -> Check:
    if found.guard is None:
        if instance.address == LOCAL:
            return Check("guard", True, "none; this agent is started when it is needed")
        return Check("guard", False, "none: nobody starts the agent again", "run it under: agentd guard")
    restarts = found.guard.get("restarts", 0)
    return Check("guard", True, f"pid {found.guard.get('pid')}, {restarts} restarts")


def _clock(found: Health) -> Check:
    if found.clock_offset is None:
        return Check("clock", True, "not told by this agent")
    ok = abs(found.clock_offset) <= CLOCK_TOLERANCE
    way = "ahead" if found.clock_offset > 0 else "behind"
    return Check("clock", ok, f"{abs(found.clock_offset):.1f} s {way}", "" if ok else "set it by NTP, there or here")
