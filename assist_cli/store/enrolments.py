"""Enrolments, and the machines that were admitted by one. Tokens and the machines' own ids are stored as SHA-256."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Collection
from datetime import datetime

from assist_cli.model.enrolment import Enrolled, Enrolment
from assist_cli.store.database import Reader, Transaction, from_ms, to_ms

_SELECT = """
    SELECT enrolments.*,
        (SELECT count(*) FROM enrolled WHERE enrolment_id = enrolments.id) AS used,
        (SELECT count(*) FROM enrolled JOIN instances ON instances.id = instance_id
            WHERE enrolment_id = enrolments.id AND removed_at IS NOT NULL) AS removed
    FROM enrolments
"""


def add(transaction: Transaction, enrolment: Enrolment, token: str) -> None:
    """Write an enrolment with the hash of its token."""
    transaction.execute(
        """
        INSERT INTO enrolments (id, token, uses, created_at, expires_at, name, tags, description, creator)
        VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
        """,
        [
            enrolment.id,
            token,
            enrolment.uses,
            to_ms(enrolment.created),
            to_ms(enrolment.expires),
            enrolment.name,
            json.dumps(dict(enrolment.tags), ensure_ascii=False),
            enrolment.description,
            enrolment.creator,
        ],
    )


def listing(reader: Reader) -> list[Enrolment]:
    """Return all enrolments, the newest first."""
    return [_enrolment(row) for row in reader.query(f"{_SELECT} ORDER BY id DESC")]


def by_prefix(reader: Reader, prefix: str) -> list[Enrolment]:
    """Return the enrolments whose id begins so, at most two."""
    rows = reader.query(f"{_SELECT} WHERE substr(id, 1, length(?1)) = ?1 ORDER BY id LIMIT 2", [prefix])
    return [_enrolment(row) for row in rows]


def by_token(reader: Reader, token: str) -> Enrolment | None:
    """Return the enrolment whose token has this hash."""
    row = reader.first(f"{_SELECT} WHERE token = ?", [token])
    return None if row is None else _enrolment(row)


def latest_end(reader: Reader) -> datetime | None:
    """Return the time at which the last enrolment expires; None without any."""
    row = reader.first("SELECT max(expires_at) AS expires_at FROM enrolments")
    return None if row is None or row["expires_at"] is None else from_ms(row["expires_at"])


def disable(transaction: Transaction, enrolment_id: str) -> None:
    transaction.execute("UPDATE enrolments SET disabled = 1 WHERE id = ?", [enrolment_id])


def delete(transaction: Transaction, enrolment_id: str) -> None:
    """Delete an enrolment. Its machines stay known."""
    transaction.execute("DELETE FROM enrolments WHERE id = ?", [enrolment_id])


def enrolled(reader: Reader, machine: str) -> Enrolled | None:
    """Return a machine by the hash of its own id."""
    row = reader.first("SELECT * FROM enrolled WHERE machine = ?", [machine])
    if row is None:
        return None
    return Enrolled(row["instance_id"], row["enrolment_id"] or "", row["name"], is_new=False)


def sources(reader: Reader, instance_ids: Collection[str]) -> dict[str, str]:
    """Return the enrolments by which instances were admitted; those without one are missing."""
    rows = reader.query(
        """
        SELECT instance_id, enrolment_id FROM enrolled
        WHERE enrolment_id IS NOT NULL AND instance_id IN (SELECT value FROM json_each(?))
        """,
        [json.dumps(list(instance_ids))],
    )
    return {row["instance_id"]: row["enrolment_id"] for row in rows}


def admit(transaction: Transaction, machine: str, found: Enrolled, now: datetime) -> None:
    """Note that a machine was admitted, which is one use."""
    transaction.execute(
        "INSERT INTO enrolled (machine, instance_id, enrolment_id, name, admitted_at) VALUES (?, ?, ?, ?, ?)",
        [machine, found.instance, found.enrolment, found.name, to_ms(now)],
    )


def note_registered(transaction: Transaction, instance_id: str, now: datetime) -> None:
    """Note that the instance of a machine is registered. Its name is no longer reserved."""
    transaction.execute("UPDATE enrolled SET registered_at = ? WHERE instance_id = ?", [to_ms(now), instance_id])


def taken_names(reader: Reader, instance_id: str) -> set[str]:
    """Return the names that other instances have, or that are reserved for them."""
    rows = reader.query(
        """
        SELECT name FROM instances WHERE removed_at IS NULL AND id <> ?1
        UNION SELECT name FROM enrolled WHERE registered_at IS NULL AND instance_id <> ?1
        """,
        [instance_id],
    )
    return {row["name"] for row in rows}


def _enrolment(row: sqlite3.Row) -> Enrolment:
    return Enrolment(
        id=row["id"],
        uses=row["uses"],
        created=from_ms(row["created_at"]),
        expires=from_ms(row["expires_at"]),
        name=row["name"],
        tags=json.loads(row["tags"]),
        description=row["description"],
        creator=row["creator"],
        disabled=bool(row["disabled"]),
        used=row["used"],
        removed=row["removed"],
    )
