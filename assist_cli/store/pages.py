"""The history in pages, newest first, for clients that ask with filters: invocations, and the records in them.

A page begins after an id, or at an offset. Conditions are constant pieces of SQL; the input of a client is only ever a
value in them.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Collection
from typing import Any

from assist_cli.model.fine import FAILED, Fine
from assist_cli.model.ids import earliest
from assist_cli.model.page import InvocationResult, Slice, Wanted
from assist_cli.model.status import InvocationStatus, InvokeStatus
from assist_cli.store.database import Reader, to_ms
from assist_cli.store.rows import OUTPUT, OUTPUTS, invocation_of, record_of

# The command of a record: that of its invocation, or of the script that the invocation had then.
_COMMAND_ID = """
    coalesce((
        SELECT former.command_id FROM former_scripts AS former
        WHERE former.invocation_id = record.invocation_id AND former.until_at > record.sent_at
        ORDER BY former.until_at LIMIT 1
    ), invocation.command_id)
"""
# model.fine.of_record, for the rows of a record.
_FINE = f"""
    CASE record.status
        WHEN 'Running' THEN
            CASE WHEN record.sent_at IS NULL OR (record.queued_at IS NOT NULL AND record.accepted = 0) THEN 'Pending'
            ELSE 'Running' END
        WHEN 'Stopping' THEN 'Stopping'
        WHEN 'Stopped' THEN CASE WHEN record.started_at IS NULL THEN 'Cancelled' ELSE 'Terminated' END
        WHEN 'Finished' THEN CASE WHEN record.exit_code <> 0 THEN 'Failed' ELSE 'Success' END
        ELSE coalesce((
            SELECT value FROM json_each('{json.dumps({code: fine.value for code, fine in FAILED.items()})}')
            WHERE key = record.error_code
        ), 'Error')
    END
"""
_PLACES = "FROM invocation_instances AS place WHERE place.invocation_id = invocation.id"
_PLACE = f"SELECT 1 {_PLACES}"
_NEWEST = (
    "record.invocation_id = place.invocation_id AND record.instance_id = place.instance_id"
    " AND record.number = place.repeats"
)
# model.fine.of_place, for the row of an invocation on an instance, and its newest record if any.
_FINE_PLACE = f"""
    CASE
        WHEN place.status = 'Running' AND (record.id IS NULL OR record.status NOT IN ('Running', 'Stopping'))
            THEN 'Scheduled'
        WHEN place.status = 'Stopping' THEN 'Stopping'
        WHEN place.status = 'Stopped' THEN
            CASE WHEN record.status = 'Stopped' AND record.started_at IS NOT NULL THEN 'Terminated' ELSE 'Cancelled' END
        ELSE {_FINE}
    END
"""
# model.fine.of_all, for some of the instances of an invocation.
_FINE_WHOLE = """
    CASE
        WHEN max(fine = 'Running') THEN 'Running'
        WHEN max(fine = 'Pending') THEN 'Pending'
        WHEN max(fine = 'Scheduled') THEN 'Scheduled'
        WHEN max(fine = 'Stopping') THEN 'Stopping'
        WHEN min(fine IN ('Cancelled', 'Terminated')) THEN 'Stopped'
        WHEN NOT max(fine = 'Success') THEN 'Failed'
        WHEN max(fine NOT IN ('Success', 'Cancelled', 'Terminated')) THEN 'PartialFailed'
        ELSE 'Success'
    END
"""
# model.status.invoke_status, for some of the instances of an invocation.
_STATUS = """
    CASE
        WHEN max(place.status = 'Running') THEN 'Running'
        WHEN max(place.status = 'Stopping') THEN 'Stopping'
        WHEN max(place.status = 'Finished') AND max(place.status = 'Failed') THEN 'PartialFailed'
        WHEN max(place.status = 'Finished') THEN 'Finished'
        WHEN max(place.status = 'Failed') THEN 'Failed'
        ELSE 'Stopped'
    END
"""


def invocation_ids(reader: Reader, wanted: Wanted, part: Slice, *, counts: bool = True) -> tuple[list[str], int]:
    """Return the ids of a page of invocations, and the number of all that match; 0 unless it ``counts`` them."""
    if wanted.among is not None and wanted.instance_id is not None and wanted.instance_id not in wanted.among:
        return [], 0
    conditions, values = _of_invocations(wanted)
    among = wanted.among
    if wanted.instance_id is not None:
        among = [wanted.instance_id]
        conditions.append(f"EXISTS ({_PLACE} AND place.instance_id = ?)")
        values.append(wanted.instance_id)
    if wanted.status is not None:
        condition, more = _of_status(wanted.status, among)
        conditions.append(condition)
        values += more
    if wanted.unsuccessful:
        where, those = _among(among)
        conditions.append(
            f"EXISTS (SELECT 1 FROM invocation_instances AS place JOIN records AS record ON {_NEWEST}"
            " WHERE place.invocation_id = invocation.id AND record.status NOT IN ('Running', 'Stopping')"
            f" AND NOT (record.status = 'Finished' AND coalesce(record.exit_code, 0) = 0){where})"
        )
        values += those
    if wanted.timed is not None:
        status, more = _status(among)
        negated = "" if wanted.timed else "NOT "
        conditions.append(f"{negated}(invocation.frequency IS NOT NULL AND {status} IN ('Running', 'Stopping'))")
        values += more
    rows, total = _page(
        reader, "invocation.id", "FROM invocations AS invocation", conditions, values, part, counts=counts
    )
    return [row["id"] for row in rows], total


def results(
    reader: Reader, wanted: Wanted, part: Slice, *, history: bool, output: bool = True
) -> tuple[list[InvocationResult], int]:
    """Return a page of records with their ``output``: the newest of each instance or, with ``history``, all of them."""
    conditions, values = _of_invocations(wanted)
    if wanted.command_id is not None:
        conditions.append(f"{_COMMAND_ID} = ?")
        values.append(wanted.command_id)
    if wanted.instance_id is not None:
        conditions.append("record.instance_id = ?")
        values.append(wanted.instance_id)
    if wanted.among is not None:
        conditions.append("record.instance_id IN (SELECT value FROM json_each(?))")
        values.append(json.dumps(list(wanted.among)))
    if wanted.status is not None:
        conditions.append("record.status = ?" if wanted.status in set(InvocationStatus) else f"{_FINE} = ?")
        values.append(wanted.status)
    join = """
        FROM records AS record
        JOIN invocation_instances AS place ON place.invocation_id = record.invocation_id
            AND place.instance_id = record.instance_id
        JOIN invocations AS invocation ON invocation.id = record.invocation_id
    """
    if not history:
        conditions.append("record.number = place.repeats")
    rows, total = _page(reader, "record.id", join, conditions, values, part)
    return [_result(reader, row["id"], output=output) for row in rows], total


def _of_invocations(wanted: Wanted) -> tuple[list[str], list[Any]]:
    """Return the conditions on an invocation that also hold for its records, and their values."""
    conditions, values = ["invocation.id >= ?", "invocation.id < ?"], [wanted.kind.value, wanted.kind.value + "~"]
    for column, value in (
        ("id", wanted.invocation_id),
        ("command_type", wanted.command_type),
    ):
        if value is not None:
            conditions.append(f"invocation.{column} = ?")
            values.append(value)
    if wanted.command_id is not None:
        conditions.append(
            "invocation.id IN (SELECT id FROM invocations WHERE command_id = ?"
            " UNION SELECT invocation_id FROM former_scripts WHERE command_id = ?)"
        )
        values += [wanted.command_id, wanted.command_id]
    if wanted.command_ids is not None:
        conditions.append(
            "invocation.id IN (SELECT id FROM invocations WHERE command_id IN (SELECT value FROM json_each(?))"
            " UNION SELECT invocation_id FROM former_scripts WHERE command_id IN (SELECT value FROM json_each(?)))"
        )
        values += 2 * [json.dumps(list(wanted.command_ids))]
    if wanted.instance_ids is not None:
        conditions.append(f"EXISTS ({_PLACE} AND place.instance_id IN (SELECT value FROM json_each(?)))")
        values.append(json.dumps(list(wanted.instance_ids)))
    if wanted.since is not None:
        conditions.append("invocation.id >= ?")
        values.append(earliest(wanted.kind, to_ms(wanted.since)))
    if wanted.command_name is not None:
        conditions.append(
            "coalesce(invocation.command_name, (SELECT name FROM labels WHERE subject = invocation.id)) = ?"
        )
        values.append(wanted.command_name)
    if wanted.file_name is not None:
        conditions.append("(SELECT name FROM transfers WHERE invocation_id = invocation.id) = ?")
        values.append(wanted.file_name)
    if wanted.periodic is not None:
        conditions.append(f"invocation.frequency IS {'NOT ' if wanted.periodic else ''}NULL")
    for key, value in wanted.tags.items():
        conditions.append(
            "EXISTS (SELECT 1 FROM labels, json_each(labels.tags) AS tag WHERE subject = invocation.id"
            f" AND tag.key = ?{' AND tag.value = ?' if value else ''})"
        )
        values += [key, value] if value else [key]
    if wanted.among is not None:
        conditions.append(f"EXISTS ({_PLACE} AND place.instance_id IN (SELECT value FROM json_each(?)))")
        values.append(json.dumps(list(wanted.among)))
    return conditions, values


def _status(among: Collection[str] | None) -> tuple[str, list[str]]:
    """Return the InvokeStatus of an invocation on those ``among`` its instances, as SQL, and its values."""
    if among is None:
        return "invocation.status", []
    where, those = _among(among)
    return f"(SELECT {_STATUS} {_PLACES}{where})", those


def _among(among: Collection[str] | None) -> tuple[str, list[str]]:
    if among is None:
        return "", []
    return " AND place.instance_id IN (SELECT value FROM json_each(?))", [json.dumps(list(among))]


def _of_status(status: str, among: Collection[str] | None) -> tuple[str, list[str]]:
    """Return the condition on an invocation for its status on those ``among`` its instances, and its values.

    A word of both tables is that of InvokeStatus. ``PartialFailed`` matches in either table: a script that ended with 0
    on one instance and with 1 on another is Finished in one of them, and PartialFailed in the other.
    """
    plain, plain_values = _status(among)
    where, those = _among(among)
    each = f"SELECT {_FINE_PLACE} AS fine FROM invocation_instances AS place LEFT JOIN records AS record ON {_NEWEST}"
    each += f" WHERE place.invocation_id = invocation.id{where}"
    whole = f"(SELECT {_FINE_WHOLE} FROM ({each}))"
    if status == InvokeStatus.PARTIAL_FAILED.value:
        return f"? IN ({plain}, {whole})", [status, *plain_values, *those]
    if status in set(InvokeStatus):
        return f"? = {plain}", [status, *plain_values]
    if status in (Fine.SUCCESS, Fine.PENDING, Fine.SCHEDULED):
        return f"? = {whole}", [status, *those]
    return f"? IN ({each})", [status, *those]  # a status of single instances: one of them has it


def _page(
    reader: Reader, key: str, join: str, conditions: list[str], values: list[Any], part: Slice, *, counts: bool = True
) -> tuple[list[sqlite3.Row], int]:
    where = " AND ".join(conditions)
    after = "" if part.after is None else f" AND {key} < ?"
    rows = reader.query(
        f"SELECT {key} AS id {join} WHERE {where}{after} ORDER BY {key} DESC LIMIT ? OFFSET ?",
        [*values, *([part.after] if after else []), part.limit, part.offset],
    )
    if not counts:
        return rows, 0
    if not after and not part.offset and len(rows) < part.limit:
        return rows, len(rows)  # the page has all rows
    counted = reader.first(f"SELECT count(*) AS count {join} WHERE {where}", values)
    assert counted is not None
    return rows, int(counted["count"])


def _result(reader: Reader, record_id: str, *, output: bool) -> InvocationResult:
    columns, tables = (f", {OUTPUT}", OUTPUTS) if output else ("", "")
    record = reader.first(
        f"""
        SELECT records.*, place.repeats{columns} FROM records
        JOIN invocation_instances AS place USING (invocation_id, instance_id) {tables} WHERE records.id = ?
        """,
        [record_id],
    )
    assert record is not None
    row = reader.first(
        f"""
        SELECT invocation.*, {_COMMAND_ID} AS ran FROM records AS record
        JOIN invocations AS invocation ON invocation.id = record.invocation_id WHERE record.id = ?
        """,
        [record_id],
    )
    assert row is not None
    invocation = invocation_of(row, row["content"], ())._replace(command_id=row["ran"])
    return InvocationResult(invocation, record["repeats"], record_of(record, output=output))
