"""The audit log. An entry is written in the transaction of its change; the database refuses to modify it."""

from __future__ import annotations

from datetime import datetime

from assist_cli.model.audit import Actor, AuditEntry
from assist_cli.store.database import Reader, Transaction, from_ms, to_ms


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


def entries(reader: Reader, since: datetime | None = None, limit: int | None = None) -> list[AuditEntry]:
    """Return the entries since a moment, newest first, at most ``limit`` of them (None: all)."""
    rows = reader.query(
        "SELECT * FROM audit WHERE at >= ? ORDER BY id DESC LIMIT ?",
        [0 if since is None else to_ms(since), -1 if limit is None else limit],
    )
    return [
        AuditEntry(
            time=from_ms(row["at"]),
            actor=Actor(row["login"], row["uid"], row["origin"]),
            action=row["action"],
            subject=row["subject"],
            detail=row["detail"],
            outcome=row["outcome"],
        )
        for row in rows
    ]
