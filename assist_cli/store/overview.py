"""Queries for the overview of the fleet. Their cost does not grow with the history."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Collection

from assist_cli.model.frequency import expression
from assist_cli.model.overview import FailedRecord, NextFiring, Running
from assist_cli.store.database import Reader, from_ms
from assist_cli.store.rows import IS_QUEUED, exit_code_of
from assist_cli.store.schedule_rows import IS_DUE_TIME, legible

SHOWN_BYTES = 100
_WHAT = f"""
    coalesce(invocations.command_name || coalesce('@' || invocations.command_version, ''), transfers.name,
        CAST(substr(invocations.content, 1, {SHOWN_BYTES}) AS TEXT)) AS what
"""


def running(reader: Reader, limit: int, among: Collection[str] | None = None) -> list[Running]:
    """Return the invocations with open records, newest first, at most ``limit`` of them.

    Only those ``among`` the instances count (None: all), here and below.
    """
    those, values = _among(among)
    rows = reader.query(
        f"""
        SELECT invocations.id, invocations.created_at, invocations.repeat_mode = 'Period' AS periodic,
            open.count, open.waiting, open.queued,
            {_WHAT},
            (SELECT count(*) FROM invocation_instances WHERE invocation_id = invocations.id{those}) AS total,
            (SELECT count(*) FROM invocation_instances WHERE invocation_id = invocations.id{those}
                AND (status = 'Failed' OR (status = 'Finished' AND exit_code <> 0))) AS bad
        FROM (
            SELECT invocation_id AS id, count(*) AS count,
                sum(sent_at IS NULL AND NOT {IS_QUEUED}) AS waiting,
                sum({IS_QUEUED}) AS queued
            FROM records WHERE status IN ('Running', 'Stopping'){those}
            GROUP BY 1 ORDER BY 1 DESC LIMIT ?
        ) AS open JOIN invocations ON invocations.id = open.id
        LEFT JOIN transfers ON transfers.invocation_id = invocations.id
        ORDER BY invocations.created_at DESC
        """,  # noqa: S608 - texts from above and from below
        [*values, *values, *values, limit],
    )
    return [
        Running(
            invocation_id=row["id"],
            what=_text(row),
            created=from_ms(row["created_at"]),
            periodic=bool(row["periodic"]),
            total=row["total"],
            open=row["count"],
            waiting=row["waiting"],
            queued=row["queued"],
            bad=row["bad"],
        )
        for row in rows
    ]


def firings(reader: Reader, limit: int, among: Collection[str] | None = None) -> list[NextFiring]:
    """Return the next firings, soonest first, without those whose due time is invalid."""
    those, values = _among(among)
    place = "SELECT 1 FROM invocation_instances WHERE invocation_id = invocations.id AND status = 'Running'"
    rows = reader.query(
        f"""
        SELECT invocations.id, {_WHAT}, CAST(schedules.frequency AS BLOB) AS frequency,
            CAST(schedules.timezone AS BLOB) AS timezone, schedules.next_at
        FROM schedules JOIN invocations ON invocations.id = schedules.invocation_id
        LEFT JOIN transfers ON transfers.invocation_id = invocations.id
        WHERE {IS_DUE_TIME} AND schedules.paused_at IS NULL {f"AND EXISTS ({place}{those})" if those else ""}
        ORDER BY schedules.next_at LIMIT ?
        """,  # noqa: S608 - texts from above and from below
        [*values, limit],
    )
    return [
        NextFiring(row["id"], _text(row), expression(legible(row["frequency"]), zone), from_ms(row["next_at"]))
        for row in rows
        for zone in [None if row["timezone"] is None else legible(row["timezone"])]
    ]


def failures(reader: Reader, limit: int, among: Collection[str] | None = None) -> list[FailedRecord]:
    """Return the newest records that failed or ended with an exit code other than 0."""
    those, values = _among(among)
    rows = reader.query(
        f"""
        SELECT records.invocation_id AS id, records.exit_code, records.error_code, records.finished_at,
            records.instance_id, place.instance_name, {_WHAT}
        FROM records JOIN invocations ON invocations.id = records.invocation_id
        JOIN invocation_instances AS place ON place.invocation_id = records.invocation_id
            AND place.instance_id = records.instance_id
        LEFT JOIN transfers ON transfers.invocation_id = invocations.id
        WHERE (records.status = 'Failed' OR (records.status = 'Finished' AND records.exit_code <> 0))
            AND records.finished_at IS NOT NULL
            {those.replace("instance_id", "records.instance_id", 1)}
        ORDER BY records.finished_at DESC LIMIT ?
        """,  # noqa: S608 - texts from above and from below
        [*values, limit],
    )
    return [
        FailedRecord(
            invocation_id=row["id"],
            instance_name=row["instance_name"],
            what=_text(row),
            when=from_ms(row["finished_at"]),
            exit_code=exit_code_of(row),
            error_code=row["error_code"],
            instance_id=row["instance_id"],
        )
        for row in rows
    ]


def _among(among: Collection[str] | None) -> tuple[str, list[str]]:
    """Return the condition for those ``among`` the instances as SQL, and its values."""
    if among is None:
        return "", []
    return " AND instance_id IN (SELECT value FROM json_each(?))", [json.dumps(list(among))]


def _text(row: sqlite3.Row) -> str:
    what = row["what"]
    return what.decode("utf-8", "replace") if isinstance(what, bytes) else str(what or "")
