"""Notifications that become due.

A notification is written one time, in the transaction that ends the invocation. It stays until it is delivered or given
up, so that no crash loses it. Every run writes its end here, so this module loads nothing that only a notification
needs: requests and attempts are in ``notice_rows``.
"""

from __future__ import annotations

import json
from collections.abc import Collection
from datetime import datetime

from assist_cli.model.status import InvokeStatus
from assist_cli.store.database import Reader, Transaction, to_ms

KEPT = 100  # notifications of a periodic invocation


def note_ends(transaction: Transaction, record_ids: Collection[str], now: datetime) -> None:
    """Write the notifications that are due because these records have ended.

    A single execution ends as a whole. A periodic one ends at each firing, with the last record of that.
    """
    rows = transaction.query(
        """
        SELECT DISTINCT invocations.id, invocations.status, notify.occasion = 'end' AS at_every_end,
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
        if over and (row["at_every_end"] or _has_failed(transaction, *end)):
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
