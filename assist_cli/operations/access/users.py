"""Users of the web console: add, list, disable, enable and remove them, and set their passwords.

A change and its audit entry are one transaction. A user who is disabled or removed, or has a new password, loses all
sessions in it.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import replace

from assist_cli.model import names
from assist_cli.model.access import Role, User
from assist_cli.model.audit import AuditEntry
from assist_cli.model.secret import Secret
from assist_cli.operations.access import passwords, permissions
from assist_cli.operations.controller import Also, Controller, nothing_more
from assist_cli.store import audit, principals, sessions
from assist_cli.store import users as store
from assist_cli.store.database import Transaction


def add(
    controller: Controller,
    name: str,
    password: Secret,
    role: Role,
    scope: Sequence[str] = (),
    *,
    also: Also = nothing_more,
) -> User:
    """Add a user. Raises InvalidParameter, NotFound (a scope), Conflict, LocalFailure (no Argon2 here)."""
    user = User(
        id=f"US{secrets.token_hex(9).upper()}",
        name=names.checked_name(name),
        role=role,
        created=controller.now(),
        scope=permissions.checked_scope(controller, scope),
    )
    hashed = passwords.hashed(password)
    with controller.database.transaction() as transaction:
        also(transaction, user.id, ())
        store.add(transaction, user, hashed)
        _note(controller, transaction, "user.add", user, permissions.described(role, user.scope))
    return user


def listing(controller: Controller) -> list[User]:
    """All users, sorted by name."""
    return store.listing(controller.database)


def get(controller: Controller, name: str) -> User:
    """The user of this name. Raises NotFound."""
    return store.find(controller.database, name)


def enable(controller: Controller, name: str, *, also: Also = nothing_more) -> User:
    """Enable a user, whose schedules stay paused until they are resumed. Raises NotFound."""
    with controller.database.transaction() as transaction:
        user = store.find(transaction, name)
        also(transaction, user.id, ())
        if principals.set_enabled(transaction, user, True):
            _note(controller, transaction, "user.enable", user)
    return replace(user, enabled=True)


def disable(controller: Controller, name: str, *, also: Also = nothing_more) -> tuple[User, int]:
    """Disable a user, end all sessions, and pause the schedules that the user created.

    Returns the user and the number of paused schedules. Raises NotFound.
    """
    with controller.database.transaction() as transaction:
        user = store.find(transaction, name)
        also(transaction, user.id, ())
        if principals.set_enabled(transaction, user, False):
            _note(controller, transaction, "user.disable", user)
        sessions.remove_of(transaction, user.id)
        paused = permissions.pause_schedules(controller, transaction, user)
    return replace(user, enabled=False), paused


def remove(controller: Controller, name: str, *, also: Also = nothing_more) -> tuple[User, int]:
    """Remove a user, as ``disable`` does. The history and the audit log stay. Raises NotFound."""
    with controller.database.transaction() as transaction:
        user = store.find(transaction, name)
        also(transaction, user.id, ())
        paused = permissions.pause_schedules(controller, transaction, user)
        principals.remove(transaction, user)
        _note(controller, transaction, "user.remove", user)
    return user, paused


def set_password(controller: Controller, name: str, password: Secret, *, also: Also = nothing_more) -> User:
    """Set the password of a user, and end all sessions. Raises NotFound, InvalidParameter, LocalFailure."""
    user = store.find(controller.database, name)
    hashed = passwords.hashed(password)
    with controller.database.transaction() as transaction:
        user = store.find(transaction, name)
        also(transaction, user.id, ())
        store.set_password(transaction, user.id, hashed)
        sessions.remove_of(transaction, user.id)
        _note(controller, transaction, "user.password", user)
    return user


def _note(controller: Controller, transaction: Transaction, action: str, user: User, detail: str = "") -> None:
    audit.append(transaction, AuditEntry(controller.now(), controller.actor, action, user.name, detail))
