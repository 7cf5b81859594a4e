"""Why it does not work: this controller, or one instance, looked over step by step. Each step says what to do.

Nothing is started or migrated. Of a home that is not this user's alone nothing is read, and one that others could only
read is made private, as by every command.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path

from assist_cli import __version__
from assist_cli.agents import embedded, route, unix
from assist_cli.deploy import pki
from assist_cli.errors import AssistError, ExitStatus, FileFailure
from assist_cli.model.check import Check
from assist_cli.model.instance import LOCAL, Health, Instance
from assist_cli.model.names import quoted
from assist_cli.model.schedule import error_of
from assist_cli.model.target import Selection
from assist_cli.operations.controller import Controller, utc_now
from assist_cli.operations.fleet import health, instances
from assist_cli.operations.server import lease
from assist_cli.paths import Home, try_folder
from assist_cli.store import checkup, schedules
from assist_cli.store import instances as store
from assist_cli.store.database import RESTORE, SCHEMA_VERSION, open_database

FREE_BYTES = 256 * 1024 * 1024
CLOCK_TOLERANCE = 5.0  # seconds between two clocks
SHOWN = 3
ROUTE = "route"  # the check that fails when the agent cannot be reached
IDLE = "does not run; it is started when it is needed"


@dataclass(frozen=True)
class Examination:
    """What was looked at, and the exit status that goes with it."""

    checks: list[Check]
    status: ExitStatus


def examine(home: Home, name: str | None = None) -> Examination:
    """Look over the controller of a home, or with ``name`` the way to an instance and its agent. Raises NotFound."""
    mode = _mode(home.root)
    try:
        exists = home.check()
        if not exists:
            try_folder(home.root)
    except AssistError as error:
        return Examination([_failed("home", error)], error.exit_status)
    if name is None:
        checks = [_home(home, exists, mode), _disk_of(home)]
        with _database(home, thorough=True) as (database, controller):
            checks.append(database)
            checks += _without_database(home) if controller is None else examine_controller(controller)
    else:
        with _database(home, thorough=False) as (database, controller):
            if controller is not None:
                checks = examine_instance(controller, name)
            elif not database.ok:
                checks = [database]
            elif name == LOCAL:
                checks = [_own_agent(home)]
            else:
                raise instances.none_registered(name)
    bad = {check.name for check in checks if not check.ok}
    status = ExitStatus.UNREACHABLE if ROUTE in bad else ExitStatus.FAILED if bad else ExitStatus.DONE
    return Examination(checks, status)


def examine_controller(controller: Controller) -> list[Check]:
    """Look over what a controller has beside its home and a whole database: certificates, agent, server, register."""
    return [
        _attempt("statuses", lambda: _statuses(controller)),
        *_certificates(controller.home, controller.now()),
        _attempt("agent", lambda: _agent_of(controller)),
        _attempt("server", lambda: _server(controller)),
        _attempt("schedules", lambda: examine_schedules(controller)),
        _attempt("instances", lambda: _register(controller)),
    ]


def examine_instance(controller: Controller, name: str) -> list[Check]:
    """Look over the way to an instance, and its agent. Raises NotFound."""
    if name == LOCAL:
        known = store.by_name(controller.database, LOCAL)
        if known is None or not _is_served(controller.home):
            return [_own_agent(controller.home)]
        instance = known
    else:
        instance = instances.get(controller, name)
    found = _ask(controller, instance)
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


def damage(home: Home) -> Check | None:
    """What is wrong with the database; None when it is whole."""
    home.check()
    with _database(home, thorough=True) as (database, _):
        return None if database.ok else database


def _without_database(home: Home) -> list[Check]:
    """What can be looked over where there is no database that could be used."""
    return [*_certificates(home, utc_now()), _own_agent(home)]


def _attempt(name: str, look: Callable[[], Check]) -> Check:
    """The check, or what prevents it: an error, or stored values that Assist never wrote."""
    try:
        return look()
    except AssistError as error:
        return _failed(name, error)
    except (ArithmeticError, LookupError, TypeError, ValueError) as error:
        return Check(name, False, f"what is stored makes no sense ({type(error).__name__}: {error})", RESTORE)


def _failed(name: str, error: AssistError) -> Check:
    return Check(name, False, error.message, error.hint)


def _mode(path: Path) -> int:
    """The bits of a mode that let others in; 0 where that cannot be told."""
    with contextlib.suppress(OSError):
        return stat.S_IMODE(path.stat().st_mode) if os.name == "posix" else 0
    return 0


def _home(home: Home, exists: bool, mode: int) -> Check:
    if mode & 0o077:
        text = f"{home.root} could be read by others (mode {mode:04o}); it is private now"
        return Check("home", False, text, "see who else is on this machine, and renew what was secret")
    return Check("home", True, str(home.root) if exists else f"{home.root}: none yet, the first command makes it")


def _disk_of(home: Home) -> Check:
    folder = next(path for path in (home.root, *home.root.parents) if path.is_dir())
    if hasattr(os, "statvfs"):
        found = os.statvfs(folder)
        if found.f_files and not found.f_favail:
            return Check(
                "disk", False, f"no file can be added in {folder}: there are no inodes left", "make room there"
            )
    return _disk(shutil.disk_usage(folder).free, str(folder))


def _disk(free: int, where: str) -> Check:
    text = f"{_size(free)} free in {where}"
    return Check("disk", free >= FREE_BYTES, text, "" if free >= FREE_BYTES else "make room there")


def _size(number: int) -> str:
    unit, name = next(
        ((2**power, name) for power, name in ((30, "GiB"), (20, "MiB")) if number >= 2**power), (2**10, "KiB")
    )
    return f"{number / unit:.1f} {name}"


@contextlib.contextmanager
def _database(home: Home, *, thorough: bool) -> Iterator[tuple[Check, Controller | None]]:
    """The check of the database, and a controller where it can be used; ``thorough`` reads all of it."""
    path = home.database
    if not path.exists():
        yield Check("database", True, "none yet, the first command makes it"), None
        return
    with contextlib.ExitStack() as stack:
        try:
            faults = checkup.log_faults(path)
            if not faults:  # opening it would throw away a log that SQLite cannot read
                database = stack.enter_context(open_database(path, migrate=False))
                faults = checkup.faults(database) if thorough else []
                current = database.version == SCHEMA_VERSION
        except AssistError as error:
            yield _failed("database", error), None
            return
        if faults:
            yield Check("database", False, "; ".join(faults[:SHOWN]), RESTORE), None
        elif not current:
            text = f"{path} has schema {database.version}: the next command migrates it to schema {SCHEMA_VERSION}"
            yield Check("database", thorough, text, "assist instance list"), None
        else:
            yield Check("database", True, f"{path} is whole"), Controller(home, database)


def _statuses(controller: Controller) -> Check:
    wrong = checkup.disagreements(controller.database)
    if wrong:
        more = f" and {len(wrong) - SHOWN} more" if len(wrong) > SHOWN else ""
        return Check(
            "statuses", False, f"{', '.join(wrong[:SHOWN])}{more} do not follow from their instances", "report this bug"
        )
    return Check("statuses", True, "every invocation follows from its instances")


def _certificates(home: Home, now: datetime) -> Iterator[Check]:
    """Those of this home, where there are any."""
    hints = {
        "authority": "install the instances anew, from a new ASSIST_HOME",
        "controller": "nothing: it is renewed when an instance is reached by tls: the next time",
    }
    try:
        pki.check(home)
        for name, end in pki.ends(home).items():
            yield _ends(f"{name} certificate", end, now, hints[name])
    except FileFailure as error:
        yield _failed("certificates", error)


def _certificate_of(instance: Instance, found: Health, now: datetime) -> Iterator[Check]:
    if found.certificate_ends is not None:
        hint = f"assist instance upgrade {quoted(instance.name)} --rotate"
        yield _ends("certificate", found.certificate_ends, now, hint)
    elif isinstance(route.parse(instance.address), route.Ssh):
        yield Check("host key", True, "the one that is known")


def _ends(name: str, end: datetime, now: datetime, hint: str) -> Check:
    left = end - now
    ok = left > pki.NEAR_END
    days = f"in {left.days} days" if left > timedelta(0) else "which is over"
    return Check(name, ok, f"good until {end:%Y-%m-%d}, {days}", "" if ok else hint)


def _agent_of(controller: Controller) -> Check:
    """The agent of this machine, which is asked where it runs."""
    known = store.by_name(controller.database, LOCAL)
    if known is None or not _is_served(controller.home):
        return _own_agent(controller.home)
    found = _ask(controller, known)
    if not found.is_online:
        return Check("agent", False, found.error, found.hint)
    return Check("agent", True, f"{known.id} runs, version {found.agent}")


def _own_agent(home: Home) -> Check:
    """The agent of this machine as it is seen from outside."""
    return Check("agent", True, f"{embedded.instance_id(home) or LOCAL} {'runs' if _is_served(home) else IDLE}")


def _is_served(home: Home) -> bool:
    return unix.is_served(home.agent / "agentd.sock")


def _ask(controller: Controller, instance: Instance) -> Health:
    """How an instance is; what is not written down for want of a disk is said all the same."""
    socket = f"unix:{controller.home.agent / 'agentd.sock'}"  # which starts none
    target = replace(instance, address=socket) if instance.address == LOCAL else instance
    found = asyncio.run(health.ask(controller, target))
    if found.is_online:
        controller.note_contact(instance.id, found.os_type)
        controller.settle_contacts()
    return found


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


def examine_schedules(controller: Controller) -> Check:
    """Return whether each schedule can be fired: by what the server has written of it, and by its zone."""
    found = schedules.errors(controller.database)
    for invocation_id in schedules.open_ids(controller.database):
        try:
            planned = schedules.get(controller.database, invocation_id)
            if planned is not None and (why := error_of(planned)) is not None:
                found[invocation_id] = why
        except Exception as error:  # whatever is wrong with one, the others are looked at
            found.setdefault(invocation_id, str(error))
    if found:
        text = "; ".join(f"{invocation_id} cannot be fired: {error}" for invocation_id, error in found.items())
        return Check("schedules", False, text, "assist schedule show ID; assist stop ID ends one")
    return Check("schedules", True, "each can be fired")


def _register(controller: Controller) -> Check:
    number = len(instances.listing(controller, Selection()))
    return Check("instances", True, f"{number} registered")


def _agent(instance: Instance, found: Health) -> Check:
    text = f"version {found.agent}, protocol {found.protocol}, up {found.uptime / 3600:.1f} h"
    same = found.agent == __version__
    hint = f"this Assist is {__version__}: assist instance upgrade {quoted(instance.name)}"
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
