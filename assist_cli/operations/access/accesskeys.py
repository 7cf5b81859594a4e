"""Access keys: made, looked at, disabled, enabled, deleted; and which instances one reaches now.

A change and its audit line are one transaction.
"""

from __future__ import annotations

import secrets
import string
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

from assist_cli.errors import InvalidParameter, NotFound
from assist_cli.model import access, names, target
from assist_cli.model.access import AccessKey, Role
from assist_cli.model.audit import AuditEntry
from assist_cli.model.instance import Instance
from assist_cli.model.secret import Secret
from assist_cli.model.target import Selection
from assist_cli.operations.controller import Controller
from assist_cli.store import accesskeys as store
from assist_cli.store import audit, clients, instances, schedules
from assist_cli.store.database import Transaction

ID_LENGTH = 20
SECRET_LENGTH = 40
USE_IS_NOTED = timedelta(minutes=1)  # and not at every call: each note is a commit


def create(controller: Controller, name: str, role: Role, scope: Sequence[str] = ()) -> AccessKey:
    """Make a key; the one time that its secret is told. Raises InvalidParameter, NotFound (a scope), Conflict."""
    if scope:
        selection = Selection(tuple(scope))
        access.check_scope([part for term in target.terms(selection) for part in target.atoms(term)])
        target.choose(instances.registered(controller.database), selection)  # what is misspelt is said now
    key = AccessKey(
        id="AK" + _random(string.ascii_uppercase + string.digits, ID_LENGTH),
        name=names.checked_name(name),
        role=role,
        created=controller.now(),
        scope=tuple(scope),
        secret=Secret(_random(string.ascii_letters + string.digits, SECRET_LENGTH)),
    )
    with controller.database.transaction() as transaction:
        store.add(transaction, key)
        where = ", ".join(scope) or "all instances"
        _note(controller, transaction, "accesskey.create", key, f"{role} on {where}")
    return key


def listing(controller: Controller) -> list[AccessKey]:
    """All keys by name."""
    return store.listing(controller.database)


def enable(controller: Controller, name: str) -> AccessKey:
    """Enable the key of this name or id; its schedules stay paused until somebody resumes them. Raises NotFound."""
    with controller.database.transaction() as transaction:
        key = store.find(transaction, name)
        if store.set_enabled(transaction, key.id, True):
            _note(controller, transaction, "accesskey.enable", key)
    return replace(key, enabled=True)


def disable(controller: Controller, name: str) -> tuple[AccessKey, int]:
    """Disable the key of this name or id: it may do nothing from now on, and what it scheduled is paused.

    Gives the number of those schedules too. Raises NotFound.
    """
    with controller.database.transaction() as transaction:
        key = store.find(transaction, name)
        if store.set_enabled(transaction, key.id, False):
            _note(controller, transaction, "accesskey.disable", key)
        paused = _pause_schedules(controller, transaction, key)
    return replace(key, enabled=False), paused


def delete(controller: Controller, name: str) -> tuple[AccessKey, int]:
    """Remove the key of this name or id; what it scheduled is paused, as for ``disable``. Raises NotFound."""
    with controller.database.transaction() as transaction:
        key = store.find(transaction, name)
        store.delete(transaction, key.id)
        _note(controller, transaction, "accesskey.delete", key)
        paused = _pause_schedules(controller, transaction, key)
    return key, paused


def known(controller: Controller, key_id: str) -> AccessKey | None:
    """The key of exactly this id with its secret, as it stands now; None when there is none."""
    return store.with_secret(controller.database, key_id)


def note_used(controller: Controller, key: AccessKey) -> None:
    """Note that a key was used, unless that was noted a moment ago."""
    now = controller.now()
    if key.last_used is None or now - key.last_used >= USE_IS_NOTED:
        with controller.database.transaction() as transaction:
            store.note_used(transaction, key.id, now)


def reached(key: AccessKey, known: Sequence[Instance]) -> list[Instance]:
    """The instances that a key reaches, of all that are ``known``; each part of its scope is looked up anew.

    A part that names nothing any more, or is not a target any more, reaches nothing. What is taken away must be there
    to be taken away: a scope whose ``!x`` names nothing reaches nothing at all, for ``x`` may bear another name now.
    """
    if not key.scope:
        return list(known)
    terms = target.terms(Selection(key.scope))
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


def _pause_schedules(controller: Controller, transaction: Transaction, key: AccessKey) -> int:
    found = clients.running_schedules(transaction, key.id)
    for invocation_id in found:
        schedules.pause(transaction, invocation_id, controller.now())
        detail = f"the access key {key.name} may not any more"
        entry = AuditEntry(controller.now(), controller.actor, "schedule.pause", invocation_id, detail)
        audit.append(transaction, entry)
    return len(found)


def _random(alphabet: str, length: int) -> str:
    return "".join(secrets.choice(alphabet) for _ in range(length))


def _note(controller: Controller, transaction: Transaction, action: str, key: AccessKey, detail: str = "") -> None:
    detail = ", ".join(part for part in (detail, key.id) if part)
    audit.append(transaction, AuditEntry(controller.now(), controller.actor, action, key.name, detail))
