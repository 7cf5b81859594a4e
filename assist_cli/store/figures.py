"""Figures for monitoring: counts of invocations, records, schedules and slots, by queries that use indexes."""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import dataclass

from assist_cli.model.schedule import SlotOutcome
from assist_cli.store.database import Reader
from assist_cli.store.rows import IS_QUEUED


@dataclass(frozen=True)
class SlotFigure:
    """A slot as metrics count it: its number, its outcome, and its lateness in seconds if it was sent."""

    number: int
    outcome: SlotOutcome
    lateness: float | None


def invocations(reader: Reader) -> dict[str, int]:
    """Return the number of invocations in the history, by status."""
    rows = reader.query("SELECT status, count(*) AS count FROM invocations GROUP BY status")
    return {row["status"]: row["count"] for row in rows}


def open_records(reader: Reader) -> dict[str, int]:
    """Return the number of open records: waiting to be sent, queued, running, and stopping."""
    row = reader.first(
        f"""
        SELECT coalesce(sum(status = 'Running' AND sent_at IS NULL AND NOT {IS_QUEUED}), 0) AS waiting,
            coalesce(sum({IS_QUEUED}), 0) AS queued,
            coalesce(sum(status = 'Running' AND sent_at IS NOT NULL AND NOT {IS_QUEUED}), 0) AS running,
            coalesce(sum(status = 'Stopping'), 0) AS stopping
        FROM records WHERE status IN ('Running', 'Stopping')
        """  # noqa: S608 - a text from rows
    )
    assert row is not None
    return {name: row[name] for name in ("waiting", "queued", "running", "stopping")}


def schedules(reader: Reader) -> dict[str, int]:
    """Return the number of schedules that have not ended: active, paused, and failing."""
    row = reader.first(
        """
        SELECT coalesce(sum(paused_at IS NULL AND error IS NULL), 0) AS active, count(paused_at) AS paused,
            coalesce(sum(paused_at IS NULL AND error IS NOT NULL), 0) AS failing
        FROM schedules WHERE next_at IS NOT NULL
        """
    )
    assert row is not None
    return {name: row[name] for name in ("active", "paused", "failing")}


def waiting_notices(reader: Reader) -> int:
    """Return the number of notifications that wait."""
    row = reader.first("SELECT count(*) AS count FROM notices WHERE next_at IS NOT NULL")
    assert row is not None
    return int(row["count"])


def newest_slot(reader: Reader) -> int:
    """Return the number of the newest slot; 0 when there is none."""
    row = reader.first("SELECT coalesce(max(number), 0) AS number FROM slots")
    assert row is not None
    return int(row["number"])


def slots(reader: Reader, after: int, others: Collection[int]) -> list[SlotFigure]:
    """Return the slots after a number, and these others."""
    rows = reader.query(
        """
        SELECT number, outcome, lateness_ms FROM slots WHERE number > ?
        UNION ALL SELECT number, outcome, lateness_ms FROM slots WHERE number IN (SELECT value FROM json_each(?))
        """,
        [after, json.dumps(list(others))],
    )
    return [
        SlotFigure(
            row["number"],
            SlotOutcome(row["outcome"]),
            None if row["lateness_ms"] is None else row["lateness_ms"] / 1000,
        )
        for row in rows
    ]
