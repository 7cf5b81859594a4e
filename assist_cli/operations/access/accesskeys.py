"""Access keys: create, list, disable, enable and delete them, and resolve their scope.

A change and its audit entry are one transaction.
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
USE_INTERVAL = timedelta(minutes=1)  # between two writes of the time of last use: each write is a commit


def create(controller: Controller, name: str, role: Role, scope: Sequence[str] = ()) -> AccessKey:
    """Create a key. Only this call returns its secret. Raises InvalidParameter, NotFound (a scope), Conflict."""
    if scope:
        selection = Selection(tuple(scope))
        known = instances.registered(controller.database)
        tags = {key for each in known for key in each.tags}
        access.check_scope([part for term in target.terms(selection) for part in target.atoms(term)], tags)
        target.choose(known, selection)  # refuse a misspelt scope now
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
    """All keys, sorted by name."""
    return store.listing(controller.database)


def enable(controller: Controller, name: str) -> AccessKey:
    """Enable the key of this name or id. Its schedules stay paused until they are resumed. Raises NotFound."""
    with controller.database.transaction() as transaction:
        key = store.find(transaction, name)
        if store.set_enabled(transaction, key.id, True):
            _note(controller, transaction, "accesskey.enable", key)
    return replace(key, enabled=True)


def disable(controller: Controller, name: str) -> tuple[AccessKey, int]:
    """Disable the key of this name or id, and pause its schedules.

    Returns the key and the number of paused schedules. Raises NotFound.
    """
    with controller.database.transaction() as transaction:
        key = store.find(transaction, name)
        if store.set_enabled(transaction, key.id, False):
            _note(controller, transaction, "accesskey.disable", key)
        paused = _pause_schedules(controller, transaction, key)
    return replace(key, enabled=False), paused


def delete(controller: Controller, name: str) -> tuple[AccessKey, int]:
    """Delete the key of this name or id, and pause its schedules, as ``disable`` does. Raises NotFound."""
    with controller.database.transaction() as transaction:
        key = store.find(transaction, name)
        store.delete(transaction, key.id)
        _note(controller, transaction, "accesskey.delete", key)
        paused = _pause_schedules(controller, transaction, key)
    return key, paused


def known(controller: Controller, key_id: str) -> AccessKey | None:
    """The current key with exactly this id, and its secret; None if there is none."""
    return store.with_secret(controller.database, key_id)


def note_used(controller: Controller, key: AccessKey) -> None:
    """Write the time of last use of a key, at most once per ``USE_INTERVAL``."""
    now = controller.now()
    if key.last_used is None or now - key.last_used >= USE_INTERVAL:
        with controller.database.transaction() as transaction:
            store.note_used(transaction, key.id, now)


def reached(key: AccessKey, known: Sequence[Instance]) -> list[Instance]:
    """The instances of ``known`` in the scope of a key. Each part of the scope is resolved again.

    Facts do not count, because an agent could report itself into the scope: nothing but names, ids and tags does.
    A part that matches nothing any more, or is no longer a valid target, adds nothing. If an exclusion ``!x`` matches
    nothing, the whole scope is empty: the instance ``x`` may have another name now.
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
        detail = f"the access key {key.name} is no longer permitted"
        entry = AuditEntry(controller.now(), controller.actor, "schedule.pause", invocation_id, detail)
        audit.append(transaction, entry)
    return len(found)


def _random(alphabet: str, length: int) -> str:
    return "".join(secrets.choice(alphabet) for _ in range(length))


def _note(controller: Controller, transaction: Transaction, action: str, key: AccessKey, detail: str = "") -> None:
    detail = ", ".join(part for part in (detail, key.id) if part)
    audit.append(transaction, AuditEntry(controller.now(), controller.actor, action, key.name, detail))
