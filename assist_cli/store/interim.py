"""The interim output of running records: the requests to their agents, and the answers."""

from __future__ import annotations

import json
from collections.abc import Collection
from datetime import datetime, timedelta

from assist_cli.model.output import Output
from assist_cli.store.database import Reader, Transaction, to_ms, to_ms_or_none


def due(reader: Reader, record_ids: Collection[str], now: datetime, pause: timedelta, *, output: bool) -> list[str]:
    """Return those of these running records whose agents were not asked within ``pause``, or not for ``output``.

    Without ``output`` only the start time is wanted, so records with a known start time are skipped.
    """
    asked = "read_at" if output else "asked_at"
    rows = reader.query(
        f"""
        SELECT id FROM records LEFT JOIN interim ON record_id = id
        WHERE id IN (SELECT value FROM json_each(?)) AND status IN ('Running', 'Stopping') AND sent_at IS NOT NULL
            AND (? OR started_at IS NULL) AND ({asked} IS NULL OR abs(? - {asked}) >= ?)
        """,  # noqa: S608
        [json.dumps(list(record_ids)), output, to_ms(now), pause // timedelta(milliseconds=1)],
    )
    return [row["id"] for row in rows]


def mark_asked(transaction: Transaction, record_ids: Collection[str], now: datetime, *, output: bool) -> None:
    """Note that the agents of these records are asked now."""
    transaction.execute_many(
        """
        INSERT INTO interim (record_id, asked_at, read_at) VALUES (?, ?, ?) ON CONFLICT (record_id)
        DO UPDATE SET asked_at = excluded.asked_at, read_at = coalesce(excluded.read_at, read_at)
        """,
        ((each, to_ms(now), to_ms(now) if output else None) for each in record_ids),
    )


def put(transaction: Transaction, record_id: str, started: datetime | None, output: Output | None) -> None:
    """Write what an agent has reported of a record, unless the record has ended by now."""
    transaction.execute(
        "UPDATE records SET started_at = coalesce(started_at, ?) WHERE id = ? AND status IN ('Running', 'Stopping')",
        [to_ms_or_none(started), record_id],
    )
    if output is not None:
        transaction.execute(
            "UPDATE interim SET runs = ?, cut = ?, dropped = ?, data = ? WHERE record_id = ?",
            [" ".join(map(str, output.runs)), output.cut, output.dropped, output.data, record_id],
        )
