"""Requests for notifications, and the attempts to deliver them."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Collection
from datetime import datetime

from assist_cli.model.notice import Notice, Occasion, Wish
from assist_cli.store.database import Reader, Transaction, to_ms, to_ms_or_none


def ask(transaction: Transaction, invocation_id: str, wish: Wish) -> None:
    """Write the request for notifications of an invocation, which is written in the same transaction."""
    transaction.execute(
        "INSERT INTO notify (invocation_id, target, occasion) VALUES (?, ?, ?)",
        [invocation_id, wish.target, wish.occasion.value],
    )


def wish(reader: Reader, invocation_id: str) -> Wish | None:
    """Return the request for this invocation."""
    row = reader.first("SELECT target, occasion FROM notify WHERE invocation_id = ?", [invocation_id])
    return None if row is None else Wish(row["target"], Occasion(row["occasion"]))


def newest_wish(reader: Reader) -> Wish | None:
    """Return the newest request for any invocation."""
    row = reader.first("SELECT target, occasion FROM notify ORDER BY invocation_id DESC LIMIT 1")
    return None if row is None else Wish(row["target"], Occasion(row["occasion"]))


def due(reader: Reader, now: datetime, *, besides: Collection[int], most: int) -> list[Notice]:
    """Return the notifications that are due, without these numbers; the longest due first."""
    rows = reader.query(
        """
        SELECT notices.*, notify.target FROM notices JOIN notify USING (invocation_id)
        WHERE next_at <= ? AND number NOT IN (SELECT value FROM json_each(?)) ORDER BY next_at LIMIT ?
        """,
        [to_ms(now), json.dumps(list(besides)), most],
    )
    return [_notice(row) for row in rows]


def newest(reader: Reader, invocation_id: str) -> Notice | None:
    """Return the newest notification of an invocation."""
    row = reader.first(
        """
        SELECT notices.*, notify.target FROM notices JOIN notify USING (invocation_id)
        WHERE invocation_id = ? ORDER BY number DESC LIMIT 1
        """,
        [invocation_id],
    )
    return None if row is None else _notice(row)


def note_attempt(
    transaction: Transaction, number: int, answer: str, *, delivered: bool, again: datetime | None
) -> None:
    """Write the result of an attempt; ``again`` is the time of the next one, None after the last one."""
    transaction.execute(
        "UPDATE notices SET attempts = attempts + 1, answer = ?, delivered = ?, next_at = ? WHERE number = ?",
        [answer, delivered, to_ms_or_none(again), number],
    )


def _notice(row: sqlite3.Row) -> Notice:
    return Notice(
        number=row["number"],
        invocation_id=row["invocation_id"],
        target=row["target"],
        attempts=row["attempts"],
        is_over=row["next_at"] is None,
        is_delivered=bool(row["delivered"]),
        answer=row["answer"],
    )
