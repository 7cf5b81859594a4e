"""Principals in their tables: access keys and users have the same columns, besides a secret and a password."""

from __future__ import annotations

import json
import sqlite3
from datetime import datetime
from typing import Any

from assist_cli.model.access import Principal, Role, User
from assist_cli.store.database import Reader, Transaction, from_ms, from_ms_or_none, to_ms

COLUMNS = "id, name, role, scope, enabled, created_at"


def values_of(principal: Principal) -> list[Any]:
    """Return the values of ``COLUMNS``."""
    return [
        principal.id,
        principal.name,
        principal.role.value,
        json.dumps(principal.scope, ensure_ascii=False),
        principal.enabled,
        to_ms(principal.created),
    ]


def fields_of(row: sqlite3.Row) -> dict[str, Any]:
    """Return the fields that all principals have."""
    return {
        "id": row["id"],
        "name": row["name"],
        "role": Role(row["role"]),
        "created": from_ms(row["created_at"]),
        "scope": tuple(json.loads(row["scope"])),
        "enabled": bool(row["enabled"]),
        "last_used": from_ms_or_none(row["used_at"]),
    }


def user_of(row: sqlite3.Row) -> User:
    return User(**fields_of(row))


def is_enabled(reader: Reader, principal: Principal) -> bool:
    """Return True if the principal still exists and is enabled."""
    return reader.first(f"SELECT 1 FROM {_table(principal)} WHERE id = ? AND enabled", [principal.id]) is not None  # noqa: S608


def set_enabled(transaction: Transaction, principal: Principal, enabled: bool) -> bool:
    """Enable or disable a principal; return False if nothing changed."""
    statement = f"UPDATE {_table(principal)} SET enabled = ?1 WHERE id = ?2 AND enabled <> ?1"  # noqa: S608
    return transaction.execute(statement, [enabled, principal.id]) == 1


def note_used(transaction: Transaction, principal: Principal, now: datetime) -> None:
    transaction.execute(f"UPDATE {_table(principal)} SET used_at = ? WHERE id = ?", [to_ms(now), principal.id])  # noqa: S608


def remove(transaction: Transaction, principal: Principal) -> None:
    """Remove a principal, a user with all sessions; the history keeps what it did."""
    transaction.execute(f"DELETE FROM {_table(principal)} WHERE id = ?", [principal.id])  # noqa: S608


def _table(principal: Principal) -> str:
    return "users" if isinstance(principal, User) else "access_keys"
