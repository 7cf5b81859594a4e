"""Schedules of invocations. Each change by a person gives a schedule a new revision."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Collection, Iterable, Sequence
from datetime import datetime, timedelta

from assist_cli.model.instance import Instance
from assist_cli.model.schedule import Schedule
from assist_cli.store.database import (
    LATEST_MS,
    MILLISECOND,
    Reader,
    Transaction,
    to_ms,
    to_ms_or_none,
)
from assist_cli.store.schedule_rows import COLUMNS, IS_DUE_TIME, MOST_REVISIONS, legible, schedule_of

_IS_REVISION = f"revision BETWEEN 0 AND {MOST_REVISIONS}"
_NEXT_REVISION = f"(SELECT coalesce(max(revision), 0) + 1 FROM schedules WHERE {_IS_REVISION})"  # noqa: S608
# A schedule without its invocation, left by a change from outside, cannot be shown. The database check reports it.
_OWNED = "schedules JOIN invocations ON invocations.id = invocation_id"
# In sums of SQL a text counts as 0: an invalid value would become a time.
_CAN_BE_MOVED = " AND ".join(
    f"coalesce({name}, 0) BETWEEN -{LATEST_MS} AND {LATEST_MS}"
    for name in ("anchor_at", "next_at", "last_at", "instant_at", "booted_at")
)


def add(transaction: Transaction, schedule: Schedule) -> None:
    """Write the schedule of an invocation that was just written."""
    transaction.execute(
        f"""
        INSERT INTO schedules (invocation_id, frequency, timezone, anchor_at, next_at, jitter_ms, missed, keep, secrets,
            instant_at, booted_at, boot, revision)
        VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, {_NEXT_REVISION})
        """,  # noqa: S608
        [
            schedule.invocation_id,
            schedule.frequency,
            schedule.timezone,
            to_ms(schedule.anchor),
            to_ms_or_none(schedule.next),
            schedule.jitter // MILLISECOND,
            schedule.missed.value,
            schedule.keep,
            json.dumps(dict(schedule.secrets)),
            to_ms_or_none(schedule.instant),
            to_ms_or_none(schedule.booted),
            schedule.boot,
        ],
    )


def get(reader: Reader, invocation_id: str) -> Schedule | None:
    """Return the schedule of an invocation; None when it has none. ``fault`` describes invalid values."""
    row = stored(reader, [invocation_id]).get(invocation_id)
    return None if row is None else schedule_of(row)


def stored(reader: Reader, invocation_ids: Sequence[str]) -> dict[str, sqlite3.Row]:
    """Return the rows of these schedules for ``schedule_of``, by invocation. A row differs when it was changed."""
    rows = reader.query(
        f"SELECT {COLUMNS} FROM schedules WHERE invocation_id IN (SELECT value FROM json_each(?))",  # noqa: S608
        [json.dumps(invocation_ids)],
    )
    return {row["invocation_id"]: row for row in rows}


def open_among(reader: Reader, invocation_ids: Sequence[str]) -> list[Schedule]:
    """Return the schedules of these invocations that will fire again, also paused ones."""
    rows = reader.query(
        f"SELECT {COLUMNS} FROM schedules WHERE next_at IS NOT NULL"  # noqa: S608
        " AND invocation_id IN (SELECT value FROM json_each(?))",
        [json.dumps(invocation_ids)],
    )
    return [schedule_of(row) for row in rows]


def changed(reader: Reader, revision: int) -> tuple[int, dict[str, int | None]]:
    """Return the schedules that people changed since a revision (0: all): newest revision, next due time of each in ms.

    None: it does not fire, since it has ended or is paused. A schedule with an invalid due time is due immediately, so
    that the fault is reported.
    """
    rows = reader.query(
        f"""
        SELECT invocation_id, CASE WHEN {_IS_REVISION} THEN revision ELSE 0 END AS revision,
            CASE WHEN paused_at IS NULL AND next_at IS NOT NULL THEN CASE WHEN {IS_DUE_TIME} THEN next_at ELSE 0 END END
                AS next_at
        FROM {_OWNED}
        {f"WHERE revision > ? AND {_IS_REVISION}" if revision else ""}
        """,  # noqa: S608
        [revision] if revision else [],
    )
    newest = max((row["revision"] for row in rows), default=revision)
    return newest, {row["invocation_id"]: row["next_at"] for row in rows}


def ids(reader: Reader, *, ended: bool = True, among: Collection[str] | None = None) -> list[str]:
    """Return the ids of the invocations with a schedule, newest first; with ``ended`` also those of ended ones.

    Only those that are on one of ``among``, and have not ended there, count (None: all instances).
    """
    those, values = _among(among, "" if ended else " AND place.status IN ('Running', 'Stopping')")
    is_open = "" if ended else " AND invocations.status IN ('Running', 'Stopping')"
    rows = reader.query(
        f"SELECT invocation_id FROM {_OWNED} WHERE 1{is_open}{those} ORDER BY invocation_id DESC",  # noqa: S608
        values,
    )
    return [row["invocation_id"] for row in rows]


def open_ids(reader: Reader) -> list[str]:
    """Return the ids of those that will fire again, also of paused ones."""
    rows = reader.query(f"SELECT invocation_id FROM {_OWNED} WHERE next_at IS NOT NULL ORDER BY 1")  # noqa: S608
    return [row["invocation_id"] for row in rows]


def count_open(reader: Reader) -> int:
    """Return how many schedules will fire again, without the paused ones."""
    row = reader.first("SELECT count(*) AS count FROM schedules WHERE next_at IS NOT NULL AND paused_at IS NULL")
    assert row is not None
    return int(row["count"])


def on_instance(reader: Reader, instance_id: str) -> list[str]:
    """Return the ids of the invocations that will fire on an instance again."""
    rows = reader.query(
        """
        SELECT invocation_id FROM schedules JOIN invocation_instances AS place USING (invocation_id)
        WHERE next_at IS NOT NULL AND place.instance_id = ? AND place.status = 'Running' ORDER BY invocation_id
        """,
        [instance_id],
    )
    return [row["invocation_id"] for row in rows]


def advance_all(transaction: Transaction, turns: Iterable[tuple[Schedule, datetime | None, datetime | None]]) -> int:
    """Give each of these schedules, with ``schedule.next`` passed, its next and last due time; return how many changed.

    One that another process has changed stays as it is. So a due time fires at most once, whatever crashes.
    """
    return transaction.execute_many(
        """
        UPDATE schedules SET next_at = ?, last_at = coalesce(?, last_at)
        WHERE invocation_id = ? AND next_at = ? AND paused_at IS NULL
        """,
        (
            (to_ms_or_none(upcoming), to_ms_or_none(last), schedule.invocation_id, to_ms_or_none(schedule.next))
            for schedule, upcoming, last in turns
        ),
    )


def pause(transaction: Transaction, invocation_id: str, now: datetime) -> None:
    transaction.execute(
        f"UPDATE schedules SET paused_at = ?, revision = {_NEXT_REVISION} WHERE invocation_id = ?",  # noqa: S608
        [to_ms(now), invocation_id],
    )


def resume(transaction: Transaction, invocation_id: str, upcoming: datetime) -> None:
    """Resume a schedule from this due time on."""
    transaction.execute(
        f"UPDATE schedules SET paused_at = NULL, next_at = ?, revision = {_NEXT_REVISION} WHERE invocation_id = ?",  # noqa: S608
        [to_ms(upcoming), invocation_id],
    )


def change(transaction: Transaction, schedule: Schedule) -> None:
    """Replace the frequency of a schedule. Its intervals count from the new anchor."""
    transaction.execute(
        f"""
        UPDATE schedules SET frequency = ?, timezone = ?, anchor_at = ?, next_at = ?, instant_at = ?, booted_at = ?,
            boot = ?, error = NULL, revision = {_NEXT_REVISION}
        WHERE invocation_id = ?
        """,  # noqa: S608
        [
            schedule.frequency,
            schedule.timezone,
            to_ms(schedule.anchor),
            to_ms_or_none(schedule.next),
            to_ms_or_none(schedule.instant),
            to_ms_or_none(schedule.booted),
            schedule.boot,
            schedule.invocation_id,
        ],
    )
    transaction.execute(
        "UPDATE invocations SET frequency = ?, timezone = ? WHERE id = ?",
        [schedule.frequency, schedule.timezone, schedule.invocation_id],
    )


def join(transaction: Transaction, invocation_id: str, instances: Iterable[Instance]) -> None:
    """Add instances to a schedule, from its next due time on."""
    transaction.execute_many(
        """
        INSERT INTO invocation_instances (invocation_id, instance_id, position, instance_name, status, repeats)
        SELECT ?1, ?2, 1 + max(position), ?3, 'Running', 0 FROM invocation_instances WHERE invocation_id = ?1
        """,
        ((invocation_id, each.id, each.name) for each in instances),
    )


def end(transaction: Transaction, invocation_id: str) -> None:
    """End a schedule: it does not fire again."""
    transaction.execute(
        f"UPDATE schedules SET next_at = NULL, revision = {_NEXT_REVISION} WHERE invocation_id = ?",  # noqa: S608
        [invocation_id],
    )


def shift_elapsed(transaction: Transaction, boot: str, booted: datetime, least: timedelta) -> None:
    """Correct the schedules that count elapsed time after the clock was set; ``booted`` is the start ``boot`` by it.

    A step of less than ``least`` is ignored. If the machine has restarted since, the times are right by the wall clock.
    """
    transaction.execute(
        f"""
        UPDATE schedules SET anchor_at = anchor_at + ?2 - booted_at, next_at = next_at + ?2 - booted_at,
            last_at = last_at + ?2 - booted_at, instant_at = instant_at + ?2 - booted_at, booted_at = ?2
        WHERE booted_at IS NOT NULL AND next_at IS NOT NULL AND boot = ?1 AND abs(?2 - booted_at) >= ?3
            AND {_CAN_BE_MOVED}
        """,  # noqa: S608
        [boot, to_ms(booted), least // MILLISECOND],
    )


def adopt_boot(transaction: Transaction, boot: str, booted: datetime) -> None:
    """Count elapsed time from this start of the machine, instead of an older or unknown one."""
    transaction.execute(
        "UPDATE schedules SET boot = ?1, booted_at = ?2 WHERE booted_at IS NOT NULL AND (boot <> ?1 OR boot = '')",
        [boot, to_ms(booted)],
    )


def note_error(transaction: Transaction, invocation_id: str, error: str | None) -> bool:
    """Note why a schedule could not fire (None: it could); return False if the invocation has no schedule."""
    return transaction.execute("UPDATE schedules SET error = ? WHERE invocation_id = ?", [error, invocation_id]) == 1


def clear_errors(transaction: Transaction) -> None:
    """Clear the errors of all schedules."""
    transaction.execute("UPDATE schedules SET error = NULL WHERE error IS NOT NULL")


def errors(reader: Reader, among: Collection[str] | None = None) -> dict[str, str]:
    """Return the schedules whose last attempt to fire failed, with the reasons; only those on ``among`` (None: all)."""
    those, values = _among(among)
    rows = reader.query(
        "SELECT invocation_id, CAST(error AS BLOB) AS error FROM schedules"  # noqa: S608 - a text from below
        f" WHERE error IS NOT NULL AND next_at IS NOT NULL{those} ORDER BY 1",
        values,
    )
    return {row["invocation_id"]: legible(row["error"]) for row in rows}


def ahead(reader: Reader, now: datetime) -> list[str]:
    """Return the schedules that fired or were created after ``now``: the clock was set back since."""
    rows = reader.query(
        "SELECT invocation_id FROM schedules WHERE next_at IS NOT NULL AND coalesce(last_at, anchor_at) > ?",
        [to_ms(now)],
    )
    return [row["invocation_id"] for row in rows]


def passed_over(reader: Reader, before: datetime, now: datetime) -> list[str]:
    """Return the schedules due between these moments: a clock that was set ahead has skipped these due times."""
    rows = reader.query(
        "SELECT invocation_id FROM schedules WHERE next_at > ? AND next_at <= ? AND paused_at IS NULL",
        [to_ms(before), to_ms(now)],
    )
    return [row["invocation_id"] for row in rows]


def set_next(transaction: Transaction, schedule: Schedule, upcoming: datetime | None) -> bool:
    """Correct the next due time of a schedule, and its anchor; return False if another process has changed it."""
    changed = transaction.execute(
        "UPDATE schedules SET next_at = ?, anchor_at = ? WHERE invocation_id = ? AND next_at = ?",
        [to_ms_or_none(upcoming), to_ms(schedule.anchor), schedule.invocation_id, to_ms_or_none(schedule.next)],
    )
    return changed == 1


def _among(among: Collection[str] | None, which: str = "") -> tuple[str, list[str]]:
    """Return the condition that a schedule is on one of ``among``, where ``which`` holds, as SQL, and its values."""
    if among is None:
        return "", []
    found = "SELECT 1 FROM invocation_instances AS place WHERE place.invocation_id = schedules.invocation_id"
    found += f" AND place.instance_id IN (SELECT value FROM json_each(?)){which}"  # noqa: S608 - a text from above
    return f" AND EXISTS ({found})", [json.dumps(list(among))]
