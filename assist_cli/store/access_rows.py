"""Conversion between rows and principals: access keys and users have the same columns."""

from __future__ import annotations

import json
import sqlite3
from typing import Any

from assist_cli.model.access import Principal, Role, User
from assist_cli.store.database import from_ms, from_ms_or_none, to_ms

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
