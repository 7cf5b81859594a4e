"""The doctor: checks of this controller, or of one instance. Each failed check has a hint.

The doctor starts no agent and migrates no database. Like every command, it refuses a home that others can write to or
own, and makes a home private that others can only read.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from assist_cli import __version__
from assist_cli.agents import broker_folder, embedded, route, unix
from assist_cli.deploy import pki
from assist_cli.errors import AssistError, Conflict, ExitStatus, FileFailure
from assist_cli.model.check import Check
from assist_cli.model.folding import fold
from assist_cli.model.instance import LOCAL, Health, Instance
from assist_cli.model.names import quoted
from assist_cli.model.presence import clone_hint, clone_text
from assist_cli.model.schedule import error_of
from assist_cli.model.target import Selection
from assist_cli.operations.controller import Controller, utc_now
from assist_cli.operations.fleet import health, instances
from assist_cli.operations.observe import expiry
from assist_cli.operations.server import lease, takeover
from assist_cli.paths import Home, try_folder
from assist_cli.store import checkup, queue, schedules
from assist_cli.store import instances as store
from assist_cli.store.database import RESTORE, SCHEMA_VERSION, open_database
from assist_cli.units import count, size, span

FREE_BYTES = 256 * 1024 * 1024
CLOCK_TOLERANCE = 5.0  # seconds between two clocks
SHOWN = 3
ROUTE = "route"  # the check that fails if the agent cannot be reached
IDLE = "is not running; it starts on demand"


@dataclass(frozen=True)
class Examination:
    """The checks of an examination, and its exit status."""

    checks: list[Check]
    status: ExitStatus


def examine(home: Home, name: str | None = None) -> Examination:
    """Check the controller of a home, or with ``name`` the route to an instance and its agent. Raises NotFound."""
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
    """Check certificates, agent, server, schedules and inventory of a controller whose database is usable."""
    return [
        _attempt("statuses", lambda: _statuses(controller)),
        *certificates(controller.home, controller.now()),
        _attempt("agent", lambda: _agent_of(controller)),
        *_broker(controller),
        _attempt("server", lambda: _server(controller)),
        _attempt("schedules", lambda: examine_schedules(controller)),
        _attempt("queue", lambda: _queue(controller)),
        _attempt("instances", lambda: _register(controller)),
    ]


def examine_instance(controller: Controller, name: str) -> list[Check]:
    """Check the route to an instance, and its agent. Raises NotFound."""
    if name == LOCAL:
        known = store.by_name(controller.database, LOCAL)
        if known is None or not _agent_runs(controller.home):
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
        *_another(instance, found),
        _agent(instance, found),
        _take_over(instance, found),
        Check("python", True, found.python),
        _guard(instance, found),
        _clock(found),
        *([] if found.free_bytes is None else [_disk(found.free_bytes, "the agent's folder")]),
        Check("tasks", True, f"{found.running} running"),
    ]


def damage(home: Home) -> Check | None:
    """The failed check of the database; None if it is intact."""
    home.check()
    with _database(home, thorough=True) as (database, _):
        return None if database.ok else database


def _without_database(home: Home) -> list[Check]:
    """The checks that need no database."""
    return [*certificates(home, utc_now()), _own_agent(home)]


def _attempt(name: str, run: Callable[[], Check]) -> Check:
    """Run a check. An error, or stored values that Assist never wrote, make it a failed check."""
    try:
        return run()
    except AssistError as error:
        return _failed(name, error)
    except (ArithmeticError, LookupError, TypeError, ValueError) as error:
        return Check(name, False, f"the database contains invalid values ({type(error).__name__}: {error})", RESTORE)


def _failed(name: str, error: AssistError) -> Check:
    return Check(name, False, error.message, error.hint)


def _mode(path: Path) -> int:
    """The permission bits of a folder; 0 if they are unknown."""
    with contextlib.suppress(OSError):
        return stat.S_IMODE(path.stat().st_mode) if os.name == "posix" else 0
    return 0


def _home(home: Home, exists: bool, mode: int) -> Check:
    if mode & 0o077:
        text = f"{home.root} was readable by others (mode {mode:04o}); it is private now"
        return Check("home", False, text, "check the other users of this machine, and replace secrets and keys")
    return Check("home", True, str(home.root) if exists else f"{home.root}: none yet, the first command creates it")


def _disk_of(home: Home) -> Check:
    folder = next(path for path in (home.root, *home.root.parents) if path.is_dir())
    if hasattr(os, "statvfs"):
        found = os.statvfs(folder)
        if found.f_files and not found.f_favail:
            return Check("disk", False, f"no file can be created in {folder}: no inodes are left", "free inodes there")
    return _disk(shutil.disk_usage(folder).free, str(folder))


def _disk(free: int, where: str) -> Check:
    text = f"{size(free)} free in {where}"
    return Check("disk", free >= FREE_BYTES, text, "" if free >= FREE_BYTES else "free disk space there")


@contextlib.contextmanager
def _database(home: Home, *, thorough: bool) -> Iterator[tuple[Check, Controller | None]]:
    """Check the database. Gives the check and a controller, None if it is unusable. ``thorough`` reads all of it."""
    path = home.database
    if not path.exists():
        yield Check("database", True, "none yet, the first command creates it"), None
        return
    with contextlib.ExitStack() as stack:
        try:
            faults = checkup.log_faults(path)
            if not faults:  # SQLite discards a log that it cannot read when it opens the database
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
            yield Check("database", True, f"{path} is intact"), Controller(home, database)


def _statuses(controller: Controller) -> Check:
    wrong = checkup.disagreements(controller.database)
    if wrong:
        more = f" and {len(wrong) - SHOWN} more" if len(wrong) > SHOWN else ""
        return Check(
            "statuses", False, f"{', '.join(wrong[:SHOWN])}{more} do not match their instances", "report this bug"
        )
    return Check("statuses", True, "every invocation matches its instances")


def certificates(home: Home, now: datetime) -> Iterator[Check]:
    """Check when the certificates and the broker's tokens of this home expire, if it has any."""
    try:
        for each in expiry.expiries(home):
            yield _ends(each.name, each.end, now, each.hint)
    except FileFailure as error:
        yield _failed("certificates", error)


def _certificate_of(instance: Instance, found: Health, now: datetime) -> Iterator[Check]:
    if found.certificate_ends is not None:
        hint = f"assist instance upgrade {quoted(instance.name)} --rotate"
        yield _ends("certificate", found.certificate_ends, now, hint)
    elif isinstance(route.parse(instance.address), route.Ssh):
        yield Check("host key", True, "matches known_hosts")


def _another(instance: Instance, found: Health) -> Iterator[Check]:
    """The failed check of an agent with the same identity, and another journal than that of the last run."""
    if instance.enrolment and found.enrolment not in ("", instance.enrolment):
        text = "it is another agent than at the last run: it was installed again, or two machines have its identity"
        hint = f"if two have it: assist instance upgrade {quoted(instance.name)} --rotate, and remove the other one"
        yield Check("identity", False, text, hint)


def _ends(name: str, end: datetime, now: datetime, hint: str) -> Check:
    left = end - now
    ok = left > pki.NEAR_END
    text = f"expires {end:%Y-%m-%d}, in {count(left.days, 'day')}" if left > timedelta(0) else f"expired {end:%Y-%m-%d}"
    return Check(name, ok, text, "" if ok else hint)


def _queue(controller: Controller) -> Check:
    """Check that a server delivers the queued records, if there are any."""
    waiting = queue.counts(controller.database)
    if not waiting:
        return Check("queue", True, "it is empty")
    text = f"{count(sum(waiting.values()), 'record')} for {count(len(waiting), 'instance')}"
    if lease.holder(controller) is None:
        hint = takeover.start_hint(controller.database)
        return Check("queue", False, f"{text}, and the server is not running, so they are not delivered", hint)
    return Check("queue", True, text)


def _agent_of(controller: Controller) -> Check:
    """Check the agent of this machine: query it if it runs."""
    known = store.by_name(controller.database, LOCAL)
    if known is None or not _agent_runs(controller.home):
        return _own_agent(controller.home)
    found = _ask(controller, known)
    if not found.is_online:
        return Check("agent", False, found.error, found.hint)
    return Check("agent", True, f"{known.id} runs, version {found.agent}")


def _own_agent(home: Home) -> Check:
    """Check the agent of this machine without a connection."""
    return Check("agent", True, f"{embedded.instance_id(home) or LOCAL} {'runs' if _agent_runs(home) else IDLE}")


def _agent_runs(home: Home) -> bool:
    return unix.is_served(home.agent / "agentd.sock")


def _ask(controller: Controller, instance: Instance) -> Health:
    """Query the health of an instance. It is returned even if the contact cannot be written to a full disk."""
    socket = f"unix:{controller.home.agent / 'agentd.sock'}"  # this address starts no agent
    target = instance._replace(address=socket) if instance.address == LOCAL else instance
    found = asyncio.run(health.ask(controller, target))
    if found.is_online:
        controller.note_contact(instance.id, found.os_type, facts=found.facts)
        controller.settle_contacts()
    return found


def _broker(controller: Controller) -> Iterator[Check]:
    """Check that the brokers run and accept this controller, and that no machine was cloned.

    While no instance dials out, a broker that does not answer is a fact and no failure.
    """
    if any(each.dials for each in instances.listing(controller, Selection())):
        yield _attempt("broker", lambda: _brokers(controller))
    elif broker_folder.exists(controller.home):
        found = _attempt("broker", lambda: _brokers(controller))
        yield found if found.ok else Check("broker", True, f"no instance dials out yet; {found.detail}; {found.hint}")


def _brokers(controller: Controller) -> Check:
    from assist_cli.operations.broker import presence
    from assist_cli.operations.fleet import dialling

    statuses, connected = presence.survey(controller)
    for status in statuses:
        if status.error is not None:
            raise status.error
    dialling.check_broker(controller)
    names = instances.known_names(controller)
    clones = [(names.get(each, each), clone_text(connected, each)) for each in sorted(connected.cloned)]
    if clones:
        text = "; ".join(f"{name}: {what}" for name, what in clones[:SHOWN])
        more = f"; and {len(clones) - SHOWN} more" if len(clones) > SHOWN else ""
        return Check("broker", False, text + more, clone_hint(quoted(clones[0][0])))
    now = controller.now()
    for status in statuses:
        if status.certificate_ends is not None and status.certificate_ends - now <= pki.NEAR_END:
            text = f"the certificate that {status.address} uses expires {status.certificate_ends:%Y-%m-%d}"
            return Check("broker", False, text, "assist broker init --renew, and copy the files to it")
    near = sorted(names.get(each, each) for each, end in connected.token_ends().items() if end - now <= pki.NEAR_END)
    if near:
        hint = f"assist instance upgrade {quoted(fold(near))} --rotate"
        return Check("broker", False, f"certificates and tokens of agents expire soon: {fold(near)}", hint)
    text = f"{count(len(statuses), 'broker')}, {count(len(connected.links), 'agent')} connected"
    return Check("broker", True, text)


def _server(controller: Controller) -> Check:
    """Check that the server is running, if there are schedules to fire."""
    try:
        takeover.check(controller.database)
    except Conflict as error:
        return _failed("server", error)
    server = lease.holder(controller)
    waiting = schedules.count_open(controller.database)
    if server is not None:
        return Check("server", True, f"process {server.pid} on {server.host}, {count(waiting, 'schedule')}")
    if waiting:
        hint = takeover.start_hint(controller.database)
        return Check("server", False, f"it is not running, and {count(waiting, 'schedule')} will not fire", hint)
    return Check("server", True, "it is not running; there is no schedule to fire")


def examine_schedules(controller: Controller) -> Check:
    """Check that each schedule can be fired: by the errors that the server has stored, and by its time zone."""
    found = schedules.errors(controller.database)
    for invocation_id in schedules.open_ids(controller.database):
        try:
            planned = schedules.get(controller.database, invocation_id)
            if planned is not None and (why := error_of(planned)) is not None:
                found[invocation_id] = why
        except Exception as error:  # an error in one schedule must not hide the others
            found.setdefault(invocation_id, str(error))
    if found:
        text = "; ".join(f"{invocation_id} cannot be fired: {error}" for invocation_id, error in found.items())
        return Check("schedules", False, text, "assist schedule show ID; to end one: assist stop ID")
    return Check("schedules", True, "no errors")


def _register(controller: Controller) -> Check:
    number = len(instances.listing(controller, Selection()))
    return Check("instances", True, f"{number} registered")


def _agent(instance: Instance, found: Health) -> Check:
    text = f"version {found.agent}, protocol {found.protocol}, up {span(found.uptime)}"
    same = found.agent == __version__
    hint = f"this Assist is {__version__}: assist instance upgrade {quoted(instance.name)}"
    return Check("agent", same, text, "" if same else hint)


def _take_over(instance: Instance, found: Health) -> Check:
    if found.knows_epochs:
        return Check("take-over", True, "its agent can refuse other copies of this home")
    hint = f"assist instance upgrade {quoted(instance.name)}"
    return Check("take-over", False, "its agent is too old to refuse other copies of this home", hint)


def _guard(instance: Instance, found: Health) -> Check:
    if found.guard is None:
        if instance.address == LOCAL:
            return Check("guard", True, "none; this agent starts on demand")
        return Check("guard", False, "none: nothing restarts the agent", "run it under: agentd guard")
    restarts = found.guard.get("restarts", 0)
    return Check("guard", True, f"pid {found.guard.get('pid')}, {count(restarts, 'restart')}")


def _clock(found: Health) -> Check:
    if found.clock_offset is None:
        return Check("clock", True, "not reported by this agent")
    ok = abs(found.clock_offset) <= CLOCK_TOLERANCE
    way = "ahead" if found.clock_offset > 0 else "behind"
    return Check("clock", ok, f"{abs(found.clock_offset):.1f} s {way}", "" if ok else "set it by NTP, there or here")
