"""Roles and scopes: what an access key or a user may do, and on which instances.

A scope is resolved again for each call, with the names and tags of that moment. A change that a principal makes is
checked again in its transaction (``confirm``): one that was disabled a moment ago changes nothing.
"""

from __future__ import annotations

import functools
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from assist_cli import codes
from assist_cli.errors import InvalidParameter, NotFound, NotPermitted
from assist_cli.model import access, target
from assist_cli.model.access import AccessKey, Labels, Principal, Role, User
from assist_cli.model.audit import AuditEntry
from assist_cli.model.instance import Instance
from assist_cli.model.target import Selection
from assist_cli.operations.controller import Controller
from assist_cli.store import audit, clients, commands, instances, principals, schedules
from assist_cli.store.database import Reader, Transaction


@dataclass(frozen=True)
class Rights:
    """The rights of a principal, for one call."""

    principal: Principal
    controller: Controller

    def need(self, role: Role, what: str) -> None:
        """Raise NotPermitted unless the principal has this role, which ``what`` needs."""
        if not self.principal.role.may(role):
            raise NotPermitted(
                f"cannot {what}: that needs the role {role}, and {self.principal.name} is {self.principal.role}",
                hint="an administrator can give another role",
                code=codes.ROLE_TOO_LOW,
            )

    @functools.cached_property
    def unordered(self) -> dict[str, Instance]:
        """The instances in the scope, by id. All others do not exist for this call."""
        return {each.id: each for each in reached(self.principal, instances.registered(self.controller.database))}

    @functools.cached_property
    def known(self) -> dict[str, Instance]:
        """The instances in the scope, by id and in the order of their names, which takes longer."""
        return {each.id: each for each in target.ordered(self.unordered.values())}

    def find(self, instance_id: str) -> Instance | None:
        """Return the instance with this id, if it is in the scope. Without a scope no other one is read."""
        if self.principal.scope:
            return self.unordered.get(instance_id)
        return instances.registered_by_id(self.controller.database, instance_id)

    @property
    def seen(self) -> Collection[str] | None:
        """The ids of the instances to which results are limited; None: no limit."""
        return self.unordered.keys() if self.principal.scope else None

    def covers(self, instance_ids: Iterable[str]) -> bool:
        """Return True if all these instances are in the scope."""
        return not self.principal.scope or self.unordered.keys() >= set(instance_ids)

    def check_scope(self, instance_ids: Iterable[str]) -> None:
        """Raise NotPermitted unless all these instances are in the scope."""
        if not self.covers(instance_ids):
            raise beyond_scope(self.principal)

    def check_command(self, command_id: str, reader: Reader | None = None) -> None:
        """Raise NotPermitted unless the principal may change or delete a command.

        Others may run a command on any instance later. So a principal with a scope may change only commands that it
        has created, and only while they have not run outside its scope.
        """
        if not self.principal.scope:
            return
        reader = reader or self.controller.database
        labels = clients.labels_of(reader, [command_id]).get(command_id)
        if labels is None or labels.principal != self.principal.id:
            raise NotPermitted(
                f"cannot change this command: {self.principal.name} has a scope, and did not create it",
                hint="create another command with the same script",
                code=codes.BEYOND_SCOPE,
            )
        self.check_scope(commands.places(reader, command_id))

    def need_whole_fleet(self, what: str) -> None:
        """Raise NotPermitted for a principal with a scope: ``what`` reaches beyond any scope."""
        if self.principal.scope:
            raise NotPermitted(
                f"cannot {what}: that needs all instances, and {self.principal.name} has a scope",
                hint="an administrator without a scope can do it",
                code=codes.BEYOND_SCOPE,
            )

    def confirm(self, transaction: Transaction, subject: str, ids: Collection[str]) -> None:
        """Check a change of ``subject`` on instances with these ids again, in its transaction. An ``Also``."""
        confirm(transaction, self.principal, ids)

    def confirm_command(self, transaction: Transaction, command_id: str, ids: Collection[str]) -> None:
        """Check a change of a command again, in its transaction. An ``Also``."""
        confirm(transaction, self.principal, ids)
        self.check_command(command_id, transaction)

    def enter(self, controller: Controller, transaction: Transaction, subject: str, ids: Collection[str]) -> None:
        """Check the creation of ``subject`` on instances with these ids, in its transaction, and note the creator."""
        confirm(transaction, self.principal, ids)
        if not (isinstance(self.principal, User) and self.principal.is_owner):
            clients.put_labels(transaction, subject, Labels(self.principal.id))


def checked_scope(controller: Controller, scope: Sequence[str]) -> tuple[str, ...]:
    """Return a scope for a new principal. Raises InvalidParameter, and NotFound if it names nothing now."""
    if scope:
        selection = Selection(tuple(scope))
        known = instances.registered(controller.database)
        tags = {key for each in known for key in each.tags}
        access.check_scope([part for term in target.terms(selection) for part in target.atoms(term)], tags)
        target.choose(known, selection)  # refuse a misspelt scope now
    return tuple(scope)


def reached(principal: Principal, known: Sequence[Instance]) -> list[Instance]:
    """The instances of ``known`` in the scope of a principal. Each part of the scope is resolved again.

    Facts do not count, because an agent could report itself into the scope: nothing but names, ids and tags does.
    A part that matches nothing any more, or is no longer a valid target, adds nothing. If an exclusion ``!x`` matches
    nothing, the whole scope is empty: the instance ``x`` may have another name now.
    """
    if not principal.scope:
        return list(known)
    terms = target.terms(Selection(principal.scope))
    wanted = [term for term in terms if not term.startswith("!")]
    try:
        unwanted = {
            each.id for term in terms if term.startswith("!") for each in target.choose(known, Selection((term[1:],)))
        }
    except (NotFound, InvalidParameter):
        return []
    found: dict[str, Instance] = {}
    for term in wanted:
        try:
            found.update((each.id, each) for each in target.choose(known, Selection((term,))))
        except (NotFound, InvalidParameter):
            continue
    return [each for each in found.values() if each.id not in unwanted]


def confirm(reader: Reader, principal: Principal, instance_ids: Collection[str] = ()) -> None:
    """Raise NotPermitted if a principal is disabled by now, or one of these instances is not in its scope."""
    is_owner = isinstance(principal, User) and principal.is_owner
    is_disabled = not is_owner and not principals.is_enabled(reader, principal)
    if is_disabled and isinstance(principal, AccessKey):
        raise NotPermitted(
            f"cannot use the access key {principal.id}: it is disabled",
            hint=f"an administrator can enable it: assist accesskey enable {principal.id}",
            code=codes.ACCESS_KEY_DISABLED,
        )
    if is_disabled:
        raise NotPermitted(
            f"cannot continue as the user {principal.name!r}: it is disabled",
            hint="an administrator can enable it: assist user enable NAME",
            code=codes.USER_DISABLED,
        )
    if principal.scope:
        known = {each.id for each in reached(principal, instances.registered(reader))}
        if not known.issuperset(instance_ids):
            raise beyond_scope(principal)


def beyond_scope(principal: Principal) -> NotPermitted:
    """Return the error for an instance outside of a scope."""
    key = isinstance(principal, AccessKey)
    return NotPermitted(
        f"cannot go beyond the scope of the {principal.noun} {principal.id if key else principal.name}",
        hint=f"assist {'accesskey' if key else 'user'} list shows the scope of each {'key' if key else 'user'}",
        code=codes.BEYOND_SCOPE,
    )


def pause_schedules(controller: Controller, transaction: Transaction, principal: Principal) -> int:
    """Pause the schedules that a principal created, and return their number."""
    found = clients.running_schedules(transaction, principal.id)
    for invocation_id in found:
        schedules.pause(transaction, invocation_id, controller.now())
        detail = f"the {principal.noun} {principal.name} is no longer permitted"
        entry = AuditEntry(controller.now(), controller.actor, "schedule.pause", invocation_id, detail)
        audit.append(transaction, entry)
    return len(found)


def described(role: Role, scope: Sequence[str]) -> str:
    """Return a role and a scope for the audit log."""
    return f"{role} on {', '.join(scope) or 'all instances'}"
