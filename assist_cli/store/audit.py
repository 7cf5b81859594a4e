"""The audit log. An entry is written in the transaction of its change; the database refuses to modify it."""

from __future__ import annotations

from typing import Any

from assist_cli.model.audit import Actor, AuditEntry, AuditFilter
from assist_cli.store.database import Reader, Transaction, from_ms, to_ms

EVERY = AuditFilter()


def append(transaction: Transaction, entry: AuditEntry) -> None:
    """Write one entry."""
    transaction.execute(
        "INSERT INTO audit (at, login, uid, origin, action, subject, detail, outcome) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        [
            to_ms(entry.time),
            entry.actor.login,
            entry.actor.uid,
            entry.actor.origin,
            entry.action,
            entry.subject,
            entry.detail,
            entry.outcome,
        ],
    )


def entries(reader: Reader, wanted: AuditFilter = EVERY, limit: int | None = None) -> list[AuditEntry]:
    """Return the entries that match, newest first, at most ``limit`` of them (None: all)."""
    conditions = ["at >= ?"]
    values: list[Any] = [0 if wanted.since is None else to_ms(wanted.since)]
    for condition, value in (
        ("instr(lower(login), ?)", wanted.actor.lower()),
        ("login = ?", wanted.login),
        ("instr(action || '.', ?) = 1", f"{wanted.action}." if wanted.action else ""),
        ("id < ?", wanted.before),
    ):
        if value not in ("", None):
            conditions.append(condition)
            values.append(value)
    rows = reader.query(
        f"SELECT * FROM audit WHERE {' AND '.join(conditions)} ORDER BY id DESC LIMIT ?",  # noqa: S608 - constants
        [*values, -1 if limit is None else limit],
    )
    return [
        AuditEntry(
            time=from_ms(row["at"]),
            actor=Actor(row["login"], row["uid"], row["origin"]),
            action=row["action"],
            subject=row["subject"],
            detail=row["detail"],
            outcome=row["outcome"],
            number=row["id"],
        )
        for row in rows
    ]
