"""The queue: records that wait for an instance that is away (docs/rules.md section 2).

A record that may wait has ``deliver_by``. It is in the queue from the first failed attempt to reach its
instance until it is accepted or ends.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from datetime import datetime, timedelta

from assist_cli.model.invocation import NOBODY, QueuedRecord
from assist_cli.model.outcomes import MOST_QUEUED
from assist_cli.store.database import Reader, Transaction, to_ms
from assist_cli.store.rows import record_of

_OPEN = "deliver_by IS NOT NULL AND records.status = 'Running' AND accepted = 0"  # as in the index


def put(transaction: Transaction, record_id: str, now: datetime, why: str) -> bool:
    """Keep a record in the queue after a failed attempt; return False when the queue of its instance is full."""
    transaction.execute(
        f"""
        UPDATE records SET tried_at = ?, tried_why = ?, sender = ?, queued_at = CASE
            WHEN queued_at IS NOT NULL THEN queued_at
            WHEN (
                SELECT count(*) FROM records AS other WHERE other.instance_id = records.instance_id
                    AND other.queued_at IS NOT NULL AND other.{_OPEN.replace("records.", "other.")}
            ) < ? THEN ?1
        END
        WHERE id = ? AND {_OPEN}
        """,  # noqa: S608
        [to_ms(now), why, NOBODY, MOST_QUEUED, record_id],
    )
    row = transaction.first("SELECT queued_at FROM records WHERE id = ?", [record_id])
    return row is None or row["queued_at"] is not None


def adopt(transaction: Transaction, record_id: str, sender: str) -> bool:
    """Assign a queued record to another sender; return False when it no longer waits."""
    return transaction.execute(f"UPDATE records SET sender = ? WHERE id = ? AND {_OPEN}", [sender, record_id]) == 1  # noqa: S608


def listing(reader: Reader) -> list[QueuedRecord]:
    """Return the queued records, in the order of the queue."""
    return _found(reader, "queued_at IS NOT NULL ORDER BY queued_at, invocation_id, position")


def counts(reader: Reader) -> dict[str, int]:
    """Return the number of queued records of each instance that has any, by its id."""
    rows = reader.query(
        f"SELECT instance_id, count(*) AS count FROM records WHERE {_OPEN} AND queued_at IS NOT NULL GROUP BY 1"  # noqa: S608
    )
    return {row["instance_id"]: row["count"] for row in rows}


def undelivered(reader: Reader, instance_id: str) -> list[QueuedRecord]:
    """Return the records of an instance that may wait and were not accepted, oldest first; not all are queued yet."""
    return _found(reader, "instance_id = ? ORDER BY records.id", instance_id)


def expired(reader: Reader, now: datetime) -> list[QueuedRecord]:
    """Return the records that may not wait any longer."""
    return _found(reader, "deliver_by <= ? ORDER BY records.id", to_ms(now))


def senders(reader: Reader) -> set[str]:
    """Return the senders of all records that may wait and were not accepted, ``NOBODY`` among them."""
    return {row["sender"] for row in reader.query(f"SELECT DISTINCT sender FROM records WHERE {_OPEN}")}  # noqa: S608


def due(reader: Reader, now: datetime, pause: timedelta, busy: Collection[str]) -> dict[str, bool]:
    """Return the ids of the instances that are due for a retry; True for one that has answered since the last attempt.

    The last attempt of the others was a ``pause`` ago or more, the oldest first, or there was none. Records of ``busy``
    senders do not count.
    """
    waiting = f"{_OPEN} AND sender NOT IN (SELECT value FROM json_each(?))"  # noqa: S608
    senders, since = json.dumps(list(busy)), to_ms(now - pause)
    late = reader.query(
        f"""
        SELECT instance_id FROM records WHERE {waiting} GROUP BY 1
        HAVING NOT min(queued_at IS NOT NULL) OR max(tried_at) NOT BETWEEN ? AND ? ORDER BY max(tried_at)
        """,  # noqa: S608
        [senders, since + 1, to_ms(now)],
    )
    heard = reader.query(
        f"""
        SELECT id FROM instances WHERE heard_at > ?
            AND heard_at > (SELECT max(tried_at) FROM records WHERE instance_id = instances.id AND {waiting})
        """,  # noqa: S608
        [since, senders],
    )
    return {**{row["instance_id"]: False for row in late}, **{row["id"]: True for row in heard}}


def _found(reader: Reader, which: str, *values: object) -> list[QueuedRecord]:
    rows = reader.query(
        f"""
        SELECT records.*, instance_name FROM records JOIN invocation_instances USING (invocation_id, instance_id)
        WHERE {_OPEN} AND {which}
        """,  # noqa: S608
        list(values),
    )
    return [QueuedRecord(row["invocation_id"], row["instance_name"], record_of(row)) for row in rows]


def put_inputs(transaction: Transaction, invocation_id: str, secrets: Mapping[str, str], content: bytes | None) -> None:
    """Write the inputs of a later delivery that are not in the history: references of secrets, content of a file."""
    if secrets or content is not None:
        transaction.execute(
            "INSERT INTO queue_inputs (invocation_id, secrets, content) VALUES (?, ?, ?)",
            [invocation_id, json.dumps(dict(secrets)), content],
        )


def inputs(reader: Reader, invocation_id: str) -> tuple[Mapping[str, str], bytes | None]:
    """Return the references of an invocation's secrets, by key, and the content of its file (None: a script)."""
    row = reader.first("SELECT secrets, content FROM queue_inputs WHERE invocation_id = ?", [invocation_id])
    return ({}, None) if row is None else (json.loads(row["secrets"]), row["content"])


def clean(transaction: Transaction) -> None:
    """Delete the inputs of invocations without waiting records."""
    transaction.execute(
        f"""
        DELETE FROM queue_inputs WHERE NOT EXISTS (
            SELECT 1 FROM records WHERE records.invocation_id = queue_inputs.invocation_id AND {_OPEN}
        )
        """  # noqa: S608
    )
