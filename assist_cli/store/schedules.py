"""Schedules: when an invocation runs again or later. What people change in them has a new revision each time."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
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
# What is left by a change from outside without its invocation cannot be shown; the database check tells of it.
_OWNED = "schedules JOIN invocations ON invocations.id = invocation_id"
# By the sums of SQL a text is 0: what makes no sense would become a time.
_CAN_BE_MOVED = " AND ".join(
    f"coalesce({name}, 0) BETWEEN -{LATEST_MS} AND {LATEST_MS}"
    for name in ("anchor_at", "next_at", "last_at", "instant_at", "booted_at")
)


def add(transaction: Transaction, schedule: Schedule) -> None:
    """Write the schedule of an invocation that was written just now."""
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
    """The schedule of an invocation; None when it has none. What makes no sense in its row is its ``fault``."""
    row = reader.first(f"SELECT {COLUMNS} FROM schedules WHERE invocation_id = ?", [invocation_id])  # noqa: S608
    return None if row is None else schedule_of(row)


def open_among(reader: Reader, invocation_ids: Sequence[str]) -> list[Schedule]:
    """The schedules of these invocations that will fire again, also while they are paused."""
    rows = reader.query(
        f"SELECT {COLUMNS} FROM schedules WHERE next_at IS NOT NULL"  # noqa: S608
        " AND invocation_id IN (SELECT value FROM json_each(?))",
        [json.dumps(invocation_ids)],
    )
    return [schedule_of(row) for row in rows]


def changed(reader: Reader, revision: int) -> tuple[int, dict[str, int | None]]:
    """What people changed since a revision (0: all): the newest revision, and the next due time of each in ms.

    None means that it does not fire: it is over, or paused. One whose due time makes no sense is due at
    once, so that it is told.
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


def ids(reader: Reader) -> list[str]:
    """The invocations that have a schedule, also one that is over; newest first."""
    rows = reader.query(f"SELECT invocation_id FROM {_OWNED} ORDER BY invocation_id DESC")  # noqa: S608
    return [row["invocation_id"] for row in rows]


def open_ids(reader: Reader) -> list[str]:
    """Those that will fire again, also while they are paused."""
    rows = reader.query(f"SELECT invocation_id FROM {_OWNED} WHERE next_at IS NOT NULL ORDER BY 1")  # noqa: S608
    return [row["invocation_id"] for row in rows]


def count_open(reader: Reader) -> int:
    """How many will fire again, those that are paused left out."""
    row = reader.first("SELECT count(*) AS count FROM schedules WHERE next_at IS NOT NULL AND paused_at IS NULL")
    assert row is not None
    return int(row["count"])


def on_instance(reader: Reader, instance_id: str) -> list[str]:
    """The ids of the invocations that will fire on an instance again."""
    rows = reader.query(
        """
        SELECT invocation_id FROM schedules JOIN invocation_instances AS place USING (invocation_id)
        WHERE next_at IS NOT NULL AND place.instance_id = ? AND place.status = 'Running' ORDER BY invocation_id
        """,
        [instance_id],
    )
    return [row["invocation_id"] for row in rows]


def advance(transaction: Transaction, schedule: Schedule, upcoming: datetime | None, last: datetime | None) -> bool:
    """Let the due time after ``schedule.next`` be the next; False when somebody else has changed the schedule.

    It is by this that a due time fires once, whoever is killed.
    """
    changed = transaction.execute(
        """
        UPDATE schedules SET next_at = ?, last_at = coalesce(?, last_at)
        WHERE invocation_id = ? AND next_at = ? AND paused_at IS NULL
        """,
        [to_ms_or_none(upcoming), to_ms_or_none(last), schedule.invocation_id, to_ms_or_none(schedule.next)],
    )
    return changed == 1


def pause(transaction: Transaction, invocation_id: str, now: datetime) -> None:
    transaction.execute(
        f"UPDATE schedules SET paused_at = ?, revision = {_NEXT_REVISION} WHERE invocation_id = ?",  # noqa: S608
        [to_ms(now), invocation_id],
    )


def resume(transaction: Transaction, invocation_id: str, upcoming: datetime) -> None:
    """Let it fire again, from this due time on."""
    transaction.execute(
        f"UPDATE schedules SET paused_at = NULL, next_at = ?, revision = {_NEXT_REVISION} WHERE invocation_id = ?",  # noqa: S608
        [to_ms(upcoming), invocation_id],
    )


def change(transaction: Transaction, schedule: Schedule) -> None:
    """Give it the frequency of this one, which counts from its anchor on."""
    transaction.execute(
        f"""
        UPDATE schedules SET frequency = ?, timezone = ?, anchor_at = ?, next_at = ?, booted_at = ?, boot = ?,
            error = NULL, revision = {_NEXT_REVISION}
        WHERE invocation_id = ?
        """,  # noqa: S608
        [
            schedule.frequency,
            schedule.timezone,
            to_ms(schedule.anchor),
            to_ms_or_none(schedule.next),
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
    """Let it run on these too, from its next due time on."""
    transaction.execute_many(
        """
        INSERT INTO invocation_instances (invocation_id, instance_id, position, instance_name, status, repeats)
        SELECT ?1, ?2, 1 + max(position), ?3, 'Running', 0 FROM invocation_instances WHERE invocation_id = ?1
        """,
        ((invocation_id, each.id, each.name) for each in instances),
    )


def end(transaction: Transaction, invocation_id: str) -> None:
    """Let it fire no more."""
    transaction.execute(
        f"UPDATE schedules SET next_at = NULL, revision = {_NEXT_REVISION} WHERE invocation_id = ?",  # noqa: S608
        [invocation_id],
    )


def shift_elapsed(transaction: Transaction, boot: str, booted: datetime, least: timedelta) -> None:
    """Move what counts elapsed time along with a clock that was set: ``booted`` is when this ``boot`` was, by it.

    Less than ``least`` is no step. Where the machine was started since, its times are right by the wall clock.
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
    """Count elapsed time by this start of the machine, where it was counted by an older one or by an unknown one."""
    transaction.execute(
        "UPDATE schedules SET boot = ?1, booted_at = ?2 WHERE booted_at IS NOT NULL AND (boot <> ?1 OR boot = '')",
        [boot, to_ms(booted)],
    )


def note_error(transaction: Transaction, invocation_id: str, error: str | None) -> bool:
    """Note why it could not be fired (None: it could); False when the invocation has no schedule."""
    return transaction.execute("UPDATE schedules SET error = ? WHERE invocation_id = ?", [error, invocation_id]) == 1


def clear_errors(transaction: Transaction) -> None:
    """Clear the errors of all."""
    transaction.execute("UPDATE schedules SET error = NULL WHERE error IS NOT NULL")


def errors(reader: Reader) -> dict[str, str]:
    """Those that could not be fired when that was tried last, and why."""
    rows = reader.query(
        "SELECT invocation_id, CAST(error AS BLOB) AS error FROM schedules"
        " WHERE error IS NOT NULL AND next_at IS NOT NULL ORDER BY 1"
    )
    return {row["invocation_id"]: legible(row["error"]) for row in rows}


def ahead(reader: Reader, now: datetime) -> list[str]:
    """Those that have fired or were made, by their own word, after now: the clock was set back since."""
    rows = reader.query(
        "SELECT invocation_id FROM schedules WHERE next_at IS NOT NULL AND coalesce(last_at, anchor_at) > ?",
        [to_ms(now)],
    )
    return [row["invocation_id"] for row in rows]


def passed_over(reader: Reader, before: datetime, now: datetime) -> list[str]:
    """Those whose next due time lies between these: where the clock was set ahead, it has not come but was left out."""
    rows = reader.query(
        "SELECT invocation_id FROM schedules WHERE next_at > ? AND next_at <= ? AND paused_at IS NULL",
        [to_ms(before), to_ms(now)],
    )
    return [row["invocation_id"] for row in rows]


def set_next(transaction: Transaction, schedule: Schedule, upcoming: datetime | None) -> bool:
    """Correct the next due time of a schedule, and its anchor; False when somebody else has changed it."""
    changed = transaction.execute(
        "UPDATE schedules SET next_at = ?, anchor_at = ? WHERE invocation_id = ? AND next_at = ?",
        [to_ms_or_none(upcoming), to_ms(schedule.anchor), schedule.invocation_id, to_ms_or_none(schedule.next)],
    )
    return changed == 1
