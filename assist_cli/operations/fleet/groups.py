"""Saved groups: a name for a target, which is resolved again each time.

A group may name other groups, which exist before it and stay as long as it does. So no group contains itself.
"""

from __future__ import annotations

from collections.abc import Sequence

from assist_cli import codes
from assist_cli.errors import Conflict, InvalidParameter, NotFound
from assist_cli.model import names, target
from assist_cli.model.audit import AuditEntry
from assist_cli.model.instance import Instance
from assist_cli.model.target import Selection, TargetGroup
from assist_cli.operations.controller import Also, Controller, nothing_more
from assist_cli.operations.fleet import instances
from assist_cli.store import audit
from assist_cli.store import groups as store
from assist_cli.store import instances as inventory
from assist_cli.store.database import Transaction


def add(controller: Controller, name: str, text: str, *, also: Also = nothing_more) -> TargetGroup:
    """Save a target. It may match nothing yet. Raises InvalidParameter, NotFound (a group in it) and Conflict."""
    group = TargetGroup(names.checked_target_name(name), text)
    target.refuse_files(text)
    if all(term.startswith("!") for term in target.terms(Selection((text,)))):
        raise InvalidParameter(
            f"cannot use the target '{text}' for a group: it only excludes",
            hint=f"from every instance: {names.quoted(f'*,{text}')}",
            code=codes.INVALID_TARGET,
        )
    with controller.database.transaction() as transaction:
        also(transaction, name, ())
        for other in _named(group):
            store.get(transaction, other)
        store.add(transaction, group)
        _note(controller, transaction, "group.add", group)
    return group


def listing(
    controller: Controller, among: Sequence[Instance] | None = None
) -> list[tuple[TargetGroup, list[Instance]]]:
    """Return all groups by name, with their instances now: none if a part of the target matches nothing.

    With ``among``, only the groups of which each part matches some of these instances, with those that it matches.
    """
    known = inventory.registered(controller.database) if among is None else among
    found = []
    for group in store.listing(controller.database):
        try:
            members = instances.chosen(controller.database, known, Selection((f"group:{group.name}",)))
        except (NotFound, InvalidParameter):
            if among is not None:
                continue
            members = []
        found.append((group, members))
    return found


def show(controller: Controller, name: str) -> tuple[TargetGroup, list[Instance], NotFound | None]:
    """Return a group, its instances now, and the error if a part of its target matches nothing. Raises NotFound."""
    group = store.get(controller.database, name)
    try:
        return group, instances.listing(controller, Selection((f"group:{name}",))), None
    except NotFound as error:
        return group, [], error


def remove(controller: Controller, name: str, *, also: Also = nothing_more) -> TargetGroup:
    """Delete a group. Its instances stay. Raises NotFound, and Conflict if another group names it."""
    with controller.database.transaction() as transaction:
        also(transaction, name, ())
        group = store.get(transaction, name)
        users = [each.name for each in store.listing(transaction) if name in _named(each)]
        if users:
            raise Conflict(
                f"cannot remove the group '{name}': the group '{users[0]}' names it",
                hint=f"assist group remove {names.quoted(users[0])}",
                code=codes.GROUP_IN_USE,
            )
        store.remove(transaction, name)
        _note(controller, transaction, "group.remove", group)
    return group


def _named(group: TargetGroup) -> set[str]:
    """Return the names of the groups in the target of a group."""
    parts = (part for term in target.terms(Selection((group.target,))) for part in target.atoms(term))
    return {part.removeprefix("group:") for part in parts if part.startswith("group:")}


def _note(controller: Controller, transaction: Transaction, action: str, group: TargetGroup) -> None:
    audit.append(transaction, AuditEntry(controller.now(), controller.actor, action, group.name, group.target))
