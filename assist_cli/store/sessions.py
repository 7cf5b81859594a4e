"""Sessions of the web console, and one-time links, by the SHA-256 of their ids."""

from __future__ import annotations

from datetime import datetime

from assist_cli.model.access import OWNER, Role, Session, User
from assist_cli.store.database import Reader, Transaction, from_ms, to_ms
from assist_cli.store.principals import user_of


def add(transaction: Transaction, digest: bytes, user: User, now: datetime) -> None:
    """Write a new session."""
    transaction.execute(
        "INSERT INTO sessions (digest, user_id, owner, created_at, seen_at) VALUES (?, ?, ?, ?, ?)",
        [digest, user.id or None, user.name if user.is_owner else "", to_ms(now), to_ms(now)],
    )


def find(reader: Reader, digest: bytes) -> Session | None:
    """Return the session, with its user as it is now; None if there is none, or the user is disabled."""
    row = reader.first(
        """
        SELECT sessions.user_id, owner, sessions.created_at AS began_at, seen_at, users.id, name, role, scope, enabled,
            users.created_at, used_at
        FROM sessions LEFT JOIN users ON users.id = user_id WHERE digest = ? AND (user_id IS NULL OR enabled)
        """,
        [digest],
    )
    if row is None:
        return None
    began = from_ms(row["began_at"])
    user = owner(row["owner"], began) if row["user_id"] is None else user_of(row)
    return Session(user, began, from_ms(row["seen_at"]))


def owner(name: str, now: datetime) -> User:
    """Return the user of the home, who has no row in the database."""
    return User(OWNER, name, Role.ADMIN, now)


def note_seen(transaction: Transaction, digest: bytes, now: datetime) -> None:
    transaction.execute("UPDATE sessions SET seen_at = ? WHERE digest = ?", [to_ms(now), digest])


def remove(transaction: Transaction, digest: bytes) -> None:
    transaction.execute("DELETE FROM sessions WHERE digest = ?", [digest])


def remove_of(transaction: Transaction, user_id: str) -> None:
    """Remove all sessions of a user."""
    transaction.execute("DELETE FROM sessions WHERE user_id = ?", [user_id])


def remove_old(transaction: Transaction, created: datetime, seen: datetime) -> None:
    """Remove the sessions that began before ``created``, or were last used before ``seen``."""
    transaction.execute("DELETE FROM sessions WHERE created_at < ? OR seen_at < ?", [to_ms(created), to_ms(seen)])


def add_link(transaction: Transaction, digest: bytes, name: str, expires: datetime, now: datetime) -> None:
    """Write a one-time link for the user of the home, of this name; remove those that have expired."""
    transaction.execute("DELETE FROM login_links WHERE expires_at <= ?", [to_ms(now)])
    transaction.execute(
        "INSERT INTO login_links (digest, owner, expires_at) VALUES (?, ?, ?)", [digest, name, to_ms(expires)]
    )


def take_link(transaction: Transaction, digest: bytes, now: datetime) -> str | None:
    """Remove a one-time link, and return the name of its user; None if there is none, or it has expired."""
    row = transaction.first("SELECT owner FROM login_links WHERE digest = ? AND expires_at > ?", [digest, to_ms(now)])
    transaction.execute("DELETE FROM login_links WHERE digest = ?", [digest])
    return None if row is None else row["owner"]
