"""Requests for notifications, and the notifications.

A notification is written one time, in the transaction that ends the invocation. It stays until it is delivered or given
up, so that no crash loses it.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Collection
from datetime import datetime

from assist_cli.model.notice import Notice, Occasion, Wish
from assist_cli.model.status import InvokeStatus
from assist_cli.store.database import Reader, Transaction, to_ms, to_ms_or_none

KEPT = 100  # notifications of a periodic invocation


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


def note_ends(transaction: Transaction, record_ids: Collection[str], now: datetime) -> None:
    """Write the notifications that are due because these records have ended.

    A single execution ends as a whole. A periodic one ends at each firing, with the last record of that.
    """
    rows = transaction.query(
        """
        SELECT DISTINCT invocations.id, invocations.status, notify.occasion,
            CASE invocations.repeat_mode WHEN 'Period' THEN slots.due_at ELSE 0 END AS firing_at
        FROM records JOIN notify ON notify.invocation_id = records.invocation_id
        JOIN invocations ON invocations.id = records.invocation_id
        LEFT JOIN slots ON slots.record_id = records.id
        WHERE records.id IN (SELECT value FROM json_each(?))
        """,
        [json.dumps(list(record_ids))],
    )
    for row in rows:
        end = [row["id"], row["firing_at"]]
        over = not _is_open(transaction, *end) if row["firing_at"] else InvokeStatus(row["status"]).is_final
        if over and (row["occasion"] == Occasion.END.value or _has_failed(transaction, *end)):
            transaction.execute(
                "INSERT OR IGNORE INTO notices (invocation_id, firing_at, next_at) VALUES (?, ?, ?)", [*end, to_ms(now)]
            )
            transaction.execute(
                """
                DELETE FROM notices WHERE invocation_id = ?1 AND next_at IS NULL AND number <= (
                    SELECT number FROM notices WHERE invocation_id = ?1 ORDER BY number DESC LIMIT 1 OFFSET ?2
                )
                """,
                [row["id"], KEPT],
            )


def are_waiting(reader: Reader) -> bool:
    """Return True if a notification waits for its delivery."""
    return reader.first("SELECT 1 FROM notices WHERE next_at IS NOT NULL LIMIT 1") is not None


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


def _is_open(reader: Reader, invocation_id: str, firing_at: int) -> bool:
    """Return True if a record of a firing has not ended."""
    row = reader.first(
        """
        SELECT 1 FROM records JOIN slots ON slots.record_id = records.id AND slots.due_at = ?2
        WHERE records.invocation_id = ?1 AND records.status IN ('Running', 'Stopping') LIMIT 1
        """,
        [invocation_id, firing_at],
    )
    return row is not None


def _has_failed(reader: Reader, invocation_id: str, firing_at: int) -> bool:
    """Return True if a record of a firing, or of the invocation (0), failed or ended with another code than 0."""
    if firing_at:
        row = reader.first(
            """
            SELECT 1 FROM slots JOIN records ON records.id = slots.record_id
            WHERE slots.invocation_id = ? AND slots.due_at = ?
                AND (records.status = 'Failed' OR (records.status = 'Finished' AND records.exit_code <> 0)) LIMIT 1
            """,
            [invocation_id, firing_at],
        )
    else:
        row = reader.first(
            """
            SELECT 1 FROM invocation_instances
            WHERE invocation_id = ? AND (status = 'Failed' OR (status = 'Finished' AND exit_code <> 0)) LIMIT 1
            """,
            [invocation_id],
        )
    return row is not None


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
