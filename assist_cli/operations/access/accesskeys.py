"""Access keys: create, list, disable, enable and delete them.

A change and its audit entry are one transaction.
"""

from __future__ import annotations

import secrets
import string
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

from assist_cli.model import names
from assist_cli.model.access import AccessKey, Role
from assist_cli.model.audit import AuditEntry
from assist_cli.model.secret import Secret
from assist_cli.operations.access import permissions
from assist_cli.operations.controller import Also, Controller, nothing_more
from assist_cli.store import accesskeys as store
from assist_cli.store import audit, principals
from assist_cli.store.database import Transaction

ID_LENGTH = 20
SECRET_LENGTH = 40
USE_INTERVAL = timedelta(minutes=1)  # between two writes of the time of last use: each write is a commit


def create(
    controller: Controller, name: str, role: Role, scope: Sequence[str] = (), *, also: Also = nothing_more
) -> AccessKey:
    """Create a key. Only this call returns its secret. Raises InvalidParameter, NotFound (a scope), Conflict."""
    key = AccessKey(
        id="AK" + _random(string.ascii_uppercase + string.digits, ID_LENGTH),
        name=names.checked_name(name),
        role=role,
        created=controller.now(),
        scope=permissions.checked_scope(controller, scope),
        secret=Secret(_random(string.ascii_letters + string.digits, SECRET_LENGTH)),
    )
    with controller.database.transaction() as transaction:
        also(transaction, key.id, ())
        store.add(transaction, key)
        _note(controller, transaction, "accesskey.create", key, permissions.described(role, key.scope))
    return key


def listing(controller: Controller) -> list[AccessKey]:
    """All keys, sorted by name."""
    return store.listing(controller.database)


def enable(controller: Controller, name: str, *, also: Also = nothing_more) -> AccessKey:
    """Enable the key of this name or id. Its schedules stay paused until they are resumed. Raises NotFound."""
    with controller.database.transaction() as transaction:
        key = store.find(transaction, name)
        also(transaction, key.id, ())
        if principals.set_enabled(transaction, key, True):
            _note(controller, transaction, "accesskey.enable", key)
    return replace(key, enabled=True)


def disable(controller: Controller, name: str, *, also: Also = nothing_more) -> tuple[AccessKey, int]:
    """Disable the key of this name or id, and pause its schedules.

    Returns the key and the number of paused schedules. Raises NotFound.
    """
    with controller.database.transaction() as transaction:
        key = store.find(transaction, name)
        also(transaction, key.id, ())
        if principals.set_enabled(transaction, key, False):
            _note(controller, transaction, "accesskey.disable", key)
        paused = permissions.pause_schedules(controller, transaction, key)
    return replace(key, enabled=False), paused


def delete(controller: Controller, name: str, *, also: Also = nothing_more) -> tuple[AccessKey, int]:
    """Delete the key of this name or id, and pause its schedules, as ``disable`` does. Raises NotFound."""
    with controller.database.transaction() as transaction:
        key = store.find(transaction, name)
        also(transaction, key.id, ())
        principals.remove(transaction, key)
        _note(controller, transaction, "accesskey.delete", key)
        paused = permissions.pause_schedules(controller, transaction, key)
    return key, paused


def known(controller: Controller, key_id: str) -> AccessKey | None:
    """The current key with exactly this id, and its secret; None if there is none."""
    return store.with_secret(controller.database, key_id)


def note_used(controller: Controller, key: AccessKey) -> None:
    """Write the time of last use of a key, at most once per ``USE_INTERVAL``, unless another thread has done so."""
    if is_use_due(controller, key) and is_use_due(controller, known(controller, key.id) or key):
        with controller.database.transaction() as transaction:
            principals.note_used(transaction, key, controller.now())


def is_use_due(controller: Controller, key: AccessKey) -> bool:
    """Return True if the time of last use of a key is to be written."""
    return key.last_used is None or controller.now() - key.last_used >= USE_INTERVAL


def _random(alphabet: str, length: int) -> str:
    return "".join(secrets.choice(alphabet) for _ in range(length))


def _note(controller: Controller, transaction: Transaction, action: str, key: AccessKey, detail: str = "") -> None:
    detail = ", ".join(part for part in (detail, key.id) if part)
    audit.append(transaction, AuditEntry(controller.now(), controller.actor, action, key.name, detail))
