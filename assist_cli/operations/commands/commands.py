"""Saved commands: create, list, modify, version and delete them. A change and its audit entry are one transaction."""

from __future__ import annotations

from collections.abc import Sequence

from assist_cli import codes
from assist_cli.errors import Conflict, InvalidParameter, NotFound
from assist_cli.model import command as rules
from assist_cli.model import names
from assist_cli.model.audit import AuditEntry
from assist_cli.model.command import Command, CommandType, CommandVersion
from assist_cli.model.ids import Kind, new_id
from assist_cli.model.parameters import Definition
from assist_cli.operations.controller import Also, Controller, nothing_more
from assist_cli.store import audit
from assist_cli.store import commands as store
from assist_cli.store.database import Transaction
from assist_cli.structs import Struct


class Changes(Struct):
    """The changes of a clone. None leaves a field as it is.

    An empty ``working_dir`` means the default, an empty ``launcher`` means none. The ``definitions`` are added to the
    old ones, or replace them with ``replaces``.
    """

    content: bytes | None = None
    type: CommandType | None = None
    working_dir: str | None = None
    timeout: int | None = None
    parameters_enabled: bool | None = None
    definitions: tuple[Definition, ...] | None = None
    launcher: str | None = None
    replaces: bool = False

    def applied(self, old: CommandVersion) -> CommandVersion:
        """Return the changed version. Definitions are merged by key; with parameters disabled, old ones are dropped."""
        enabled = old.parameters_enabled if self.parameters_enabled is None else self.parameters_enabled
        keeps = enabled and not (self.replaces and self.definitions is not None)
        kept = {entry.key.lower(): entry for entry in old.stated()} if keeps else {}
        kept.update({entry.key.lower(): entry for entry in self.definitions or ()})
        return CommandVersion(
            content=old.content if self.content is None else self.content,
            type=old.type if self.type is None else self.type,
            working_dir=old.working_dir if self.working_dir is None else self.working_dir or None,
            timeout=old.timeout if self.timeout is None else self.timeout,
            parameters_enabled=enabled,
            definitions=tuple(kept.values()),
            launcher=old.launcher if self.launcher is None else self.launcher or None,
        )


def create(
    controller: Controller, name: str, version: CommandVersion, description: str = "", *, also: Also = nothing_more
) -> Command:
    """Save a script as a new command, version 1. Raises QuotaExceeded, InvalidParameter, Conflict."""
    command = drafted(controller, name, version, description)
    with controller.database.transaction() as transaction:
        also(transaction, command.id, ())
        add(controller, transaction, command)
    return command


def drafted(controller: Controller, name: str, version: CommandVersion, description: str) -> Command:
    """A new command, validated but not written. Raises QuotaExceeded, InvalidParameter."""
    now = controller.now()
    return Command(
        id=new_id(Kind.COMMAND, controller.now_ms()),
        name=names.checked_name(name),
        description=rules.checked_description(description),
        created=now,
        modified=now,
        latest=1,
        version=rules.checked_version(version)._replace(number=1, created=now),
    )


def add(controller: Controller, transaction: Transaction, command: Command) -> None:
    """Write a new command and its audit entry. Raises QuotaExceeded, Conflict."""
    store.create(transaction, command)
    _note(controller, transaction, "command.create", command)


def listing(controller: Controller, limit: int | None = None) -> list[Command]:
    """The commands sorted by name, at most ``limit`` (None: all), without content."""
    return store.listing(controller.database, limit)


def get(controller: Controller, reference: str) -> Command:
    """The command of a reference NAME or NAME@VERSION, at that version or the newest. Raises NotFound."""
    name, number = rules.parse_reference(reference)
    return store.get(controller.database, store.find(controller.database, name), number)


def of_id(controller: Controller, command_id: str) -> Command | None:
    """The command with exactly this id at its newest version; None if there is none."""
    try:
        return store.get(controller.database, command_id)
    except NotFound:
        return None


def versions(controller: Controller, name: str) -> list[Command]:
    """The command at each of its versions, newest first. Raises NotFound."""
    return store.versions(controller.database, store.find(controller.database, name))


def modify(
    controller: Controller,
    name: str,
    new_name: str | None = None,
    description: str | None = None,
    changes: Changes | None = None,
    *,
    latest: int | None = None,
    also: Also = nothing_more,
) -> Command:
    """Change name and description in place. ``changes`` with an effect create a new version. All or nothing.

    Raises NotFound and the errors of ``create``, and Conflict if its newest version is not ``latest``.
    """
    with controller.database.transaction() as transaction:
        old = store.get(transaction, store.find(transaction, name))
        also(transaction, old.id, ())
        if latest not in (None, old.latest):
            raise Conflict(
                f"cannot change {old.name!r}: version {old.latest} was made after version {latest}",
                hint="compare your changes with the newest version, and repeat them there",
            )
        new = _modified(controller, transaction, old, new_name, description)
        version = None if changes is None else rules.checked_version(changes.applied(old.version))
        if version is not None and not is_same(version, old.version):
            new = add_version(controller, transaction, new, version, "command.clone", f"version {old.version.number}")
    return new


def clone(
    controller: Controller,
    reference: str,
    changes: Changes,
    new_name: str | None = None,
    description: str | None = None,
) -> Command:
    """Create a new version of a command, or with ``new_name`` a new command, from one of its versions.

    ``description`` applies to the new command, or to all versions. Raises NotFound, InvalidParameter (also if nothing
    would change), QuotaExceeded, Conflict.
    """
    name, number = rules.parse_reference(reference)
    if new_name is not None:
        source = get(controller, reference)
        description = source.description if description is None else description
        return create(controller, new_name, changes.applied(source.version), description)
    with controller.database.transaction() as transaction:
        command_id = store.find(transaction, name)
        source = store.get(transaction, command_id, number)
        latest = store.get(transaction, command_id)
        if description is not None:
            latest = _modified(controller, transaction, latest, None, description)
        version = rules.checked_version(changes.applied(source.version))
        origin = f"version {source.version.number}"
        return add_version(controller, transaction, latest, version, "command.clone", origin)


def rollback(controller: Controller, name: str, number: int, *, also: Also = nothing_more) -> Command:
    """Create a new version with content and settings of an older one. Raises NotFound, InvalidParameter."""
    with controller.database.transaction() as transaction:
        command_id = store.find(transaction, name)
        also(transaction, command_id, ())
        source = store.get(transaction, command_id, number)
        latest = store.get(transaction, command_id)
        return add_version(controller, transaction, latest, source.version, "command.rollback", f"version {number}")


def delete(controller: Controller, wanted: Sequence[str], *, also: Also = nothing_more) -> list[Command]:
    """Delete commands, all or none. Raises NotFound, and Conflict while an invocation of one is in progress.

    The database may be behind the agents: call ``runs.refresh.refresh_commands`` first.
    """
    deleted = {}
    with controller.database.transaction() as transaction:
        for name in wanted:
            command = store.get(transaction, store.find(transaction, name))
            also(transaction, command.id, ())
            if command.id not in deleted:
                _refuse_busy(transaction, command)
                deleted[command.id] = command
        for command in deleted.values():
            store.delete(transaction, command.id)
            _note(controller, transaction, "command.delete", command, rules.versions_in_words(command.latest))
    return list(deleted.values())


def _modified(
    controller: Controller, transaction: Transaction, old: Command, new_name: str | None, description: str | None
) -> Command:
    new = old._replace(
        name=old.name if new_name is None else names.checked_name(new_name),
        description=old.description if description is None else rules.checked_description(description),
        modified=controller.now(),
    )
    store.modify(transaction, old.id, new.name, new.description, new.modified)
    details = []
    if new.name != old.name:
        details.append(f"name {old.name!r} to {new.name!r}")
    if new.description != old.description:
        details.append("description")
    _note(controller, transaction, "command.modify", new, ", ".join(details))
    return new


def _refuse_busy(transaction: Transaction, command: Command) -> None:
    running = store.open_invocations(transaction, command.id)
    if running:
        more = f" and {len(running) - 1} more" if len(running) > 1 else ""
        raise Conflict(
            f"cannot delete the command {command.name!r}: invocation {running[0]}{more} still uses it",
            code=codes.COMMAND_IN_USE,
            hint=f"wait for it, or stop it: assist stop {running[0]}",
        )


def is_same(one: CommandVersion, other: CommandVersion) -> bool:
    """Return True if two versions have the same content and settings."""
    return one._replace(number=0, created=None) == other._replace(number=0, created=None)


def add_version(
    controller: Controller,
    transaction: Transaction,
    latest: Command,
    version: CommandVersion,
    action: str,
    origin: str,
) -> Command:
    """Write a new version and its audit entry, which names the origin. Raises InvalidParameter if nothing changes."""
    now = controller.now()
    version = version._replace(number=latest.latest + 1, created=now)
    if is_same(version, latest.version):
        raise InvalidParameter(
            f"cannot make a new version of {latest.name!r}: it would be the same as version {latest.latest}",
            code=codes.NOTHING_CHANGED,
            hint="change the content or a setting, or name a new command: assist command clone NAME --as NEW",
        )
    store.add_version(transaction, latest.id, version, now)
    command = latest._replace(latest=version.number, version=version, modified=now)
    _note(controller, transaction, action, command, f"version {version.number} from {origin}")
    return command


def _note(controller: Controller, transaction: Transaction, action: str, command: Command, detail: str = "") -> None:
    detail = ", ".join(part for part in (detail, command.id) if part)
    audit.append(transaction, AuditEntry(controller.now(), controller.actor, action, command.name, detail))
