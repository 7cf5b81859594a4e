"""Figures about the whole, for monitoring: how many there are of what, by queries that indexes answer."""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import dataclass

from assist_cli.model.schedule import SlotOutcome
from assist_cli.store.database import Reader


@dataclass(frozen=True)
class SlotFigure:
    """A slot as metrics count it: its number, what became of it, and by how many seconds it was late, if sent."""

    number: int
    outcome: SlotOutcome
    lateness: float | None


def invocations(reader: Reader) -> dict[str, int]:
    """How many invocations the history holds, by status."""
    rows = reader.query("SELECT status, count(*) AS count FROM invocations GROUP BY status")
    return {row["status"]: row["count"] for row in rows}


def open_records(reader: Reader) -> dict[str, int]:
    """The records that have not ended: those that wait to be sent, that run, and that are being stopped."""
    row = reader.first(
        """
        SELECT coalesce(sum(status = 'Running' AND sent_at IS NULL), 0) AS waiting,
            coalesce(sum(status = 'Running' AND sent_at IS NOT NULL), 0) AS running,
            coalesce(sum(status = 'Stopping'), 0) AS stopping
        FROM records WHERE status IN ('Running', 'Stopping')
        """
    )
    assert row is not None
    return {name: row[name] for name in ("waiting", "running", "stopping")}


def schedules(reader: Reader) -> dict[str, int]:
    """The schedules that are not over: those that fire, those that are paused, and those that cannot be fired."""
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
    """How many ends wait to be told."""
    row = reader.first("SELECT count(*) AS count FROM notices WHERE next_at IS NOT NULL")
    assert row is not None
    return int(row["count"])


def newest_slot(reader: Reader) -> int:
    """The number of the newest slot; 0 when there is none."""
    row = reader.first("SELECT coalesce(max(number), 0) AS number FROM slots")
    assert row is not None
    return int(row["number"])


def slots(reader: Reader, after: int, others: Collection[int]) -> list[SlotFigure]:
    """The slots beyond a number, and these others."""
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
