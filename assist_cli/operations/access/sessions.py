"""Sessions of the web console: log in by a password or by a one-time link, check, log out.

The id of a session has 256 random bits. The browser has it, and the database only its SHA-256. ``_begin`` is the one
place that makes a session, whatever proves the user.
"""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import replace
from datetime import timedelta

from assist_cli import codes
from assist_cli.errors import NotPermitted
from assist_cli.model.access import Session, User
from assist_cli.model.audit import Actor, AuditEntry
from assist_cli.model.secret import Secret
from assist_cli.operations.access import passwords
from assist_cli.operations.controller import Controller
from assist_cli.store import audit, principals, users
from assist_cli.store import sessions as store
from assist_cli.store.database import Transaction

IDLE = timedelta(hours=12)  # without a request, until a session ends
LONGEST = timedelta(days=7)
LINK_LASTS = timedelta(minutes=10)
SEEN_INTERVAL = timedelta(minutes=1)  # between two writes of the time of last use: each write is a commit


def new_id() -> str:
    """Return a new id for a browser: 256 random bits."""
    return secrets.token_urlsafe(32)


def log_in(controller: Controller, name: str, password: Secret, origin: str) -> str:
    """Begin a session of a user, and return its id. Raises NotPermitted, the same for any reason."""
    found = users.with_password(controller.database, name)
    fits = passwords.fits(password, found[1] if found else None)
    with controller.database.transaction() as transaction:
        if found is None or not fits or not _is_still(transaction, *found):
            actor = Actor(found[0].name if found else "somebody", None, origin)
            _note(controller, transaction, actor, "session.refuse", found[0].name if found else "unknown user")
            refused = True
        else:
            refused = False
            principals.note_used(transaction, found[0], controller.now())
            session_id = _begin(controller, transaction, found[0], origin)
    if refused:
        raise NotPermitted(
            "cannot log in: the name or the password is wrong, or the user is disabled",
            hint="an administrator can set a password: assist user password NAME",
            code=codes.LOGIN_FAILED,
        )
    return session_id


def _is_still(transaction: Transaction, user: User, password: str) -> bool:
    """Return True if a user is enabled, and has the password that was compared: it may have changed meanwhile."""
    found = users.with_password(transaction, user.name)
    return found is not None and found[0].enabled and (found[0].id, found[1]) == (user.id, password)


def make_link(controller: Controller) -> str:
    """Return the token of a one-time link to the console, for the user of this home."""
    token, now, name = new_id(), controller.now(), controller.actor.login
    with controller.database.transaction() as transaction:
        store.add_link(transaction, _digest(token), name, now + LINK_LASTS, now)
        _note(controller, transaction, controller.actor, "session.link", name)
    return token


def redeem(controller: Controller, token: str, origin: str) -> str:
    """Begin a session by a one-time link, and return its id. Raises NotPermitted for an invalid one."""
    with controller.database.transaction() as transaction:
        name = store.take_link(transaction, _digest(token), controller.now())
        if name is not None:
            return _begin(controller, transaction, store.owner(name, controller.now()), origin)
    raise NotPermitted(
        "cannot log in by this link: it was used before, or is older than 10 minutes",
        hint="make another one: assist console open",
        code=codes.LOGIN_FAILED,
    )


def find(controller: Controller, session_id: str) -> Session | None:
    """Return the session with this id and note its use; None if it has ended or its user is disabled."""
    session = valid(controller, session_id)
    now = controller.now()
    if session is not None and now - session.seen >= SEEN_INTERVAL:
        with controller.database.transaction() as transaction:
            store.note_seen(transaction, _digest(session_id), now)
        return replace(session, seen=now)
    return session


def valid(controller: Controller, session_id: str) -> Session | None:
    """Return the session with this id, as ``find`` does, without noting its use."""
    session = store.find(controller.database, _digest(session_id))
    now = controller.now()
    if session is None or now - session.seen >= IDLE or now - session.created >= LONGEST:
        return None
    return session


def log_out(controller: Controller, session_id: str, user: User, origin: str) -> None:
    """End a session."""
    with controller.database.transaction() as transaction:
        store.remove(transaction, _digest(session_id))
        _note(controller, transaction, Actor(user.name, None, origin), "session.end", user.name)


def _begin(controller: Controller, transaction: Transaction, user: User, origin: str) -> str:
    now = controller.now()
    store.remove_old(transaction, now - LONGEST, now - IDLE)
    session_id = new_id()
    store.add(transaction, _digest(session_id), user, now)
    _note(controller, transaction, Actor(user.name, None, origin), "session.begin", user.name)
    return session_id


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).digest()


def _note(controller: Controller, transaction: Transaction, actor: Actor, action: str, subject: str) -> None:
    audit.append(transaction, AuditEntry(controller.now(), actor, action, subject))
