"""The history as a list: one line for each invocation."""

from __future__ import annotations

import json
import sqlite3
from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from typing import Any

from assist_cli.model import ids
from assist_cli.model.invocation import Filter, RepeatMode
from assist_cli.model.status import InvocationStatus, invoke_status
from assist_cli.model.summary import InstanceCounts, Summary
from assist_cli.store.database import Reader, from_ms_or_none, to_ms
from assist_cli.store.rows import IS_QUEUED, get_transfer, invocation_of

SUMMARY_BYTES = 200
FEW_RECORDS = 20_000

# The invocations for a rerun: ended, and on an instance the newest record is not Finished with 0.
_UNSUCCESSFUL = """
    status NOT IN ('Running', 'Stopping') AND (status IN ('Failed', 'PartialFailed') OR EXISTS (
        SELECT 1 FROM invocation_instances AS place
        LEFT JOIN records AS newest ON newest.invocation_id = place.invocation_id
            AND newest.instance_id = place.instance_id AND newest.number = place.repeats
        WHERE place.invocation_id = invocations.id
            AND (newest.status IS NOT 'Finished' OR coalesce(newest.exit_code, 0) <> 0)
    ))
"""


# The field of InstanceCounts in which a record counts.
_KIND = f"""
    CASE WHEN status = 'Finished' THEN CASE WHEN coalesce(exit_code, 0) = 0 THEN 'succeeded' ELSE 'nonzero' END
        WHEN status = 'Failed' THEN 'failed'
        WHEN status = 'Stopped' THEN CASE
            WHEN started_at IS NOT NULL THEN 'stopped'
            WHEN coalesce(sent_at, stopped_at) IS NOT NULL THEN 'unstarted' ELSE 'halted' END
        WHEN {IS_QUEUED} THEN 'queued'
        WHEN sent_at IS NULL THEN 'waiting'
        ELSE 'running' END
"""


def summaries(
    reader: Reader, limit: int | None, wanted: Filter | None = None, *, few: int = FEW_RECORDS
) -> list[Summary]:
    """Return the invocations that match a filter, newest first, at most ``limit`` of them (None: all).

    For fewer than ``few`` records of the wanted instances, looking them up is faster than a scan.
    """
    conditions, values = _conditions(reader, wanted or Filter(), few)
    which = " AND ".join(conditions)
    rows = reader.query(
        f"SELECT *, substr(content, 1, ?) AS beginning FROM invocations WHERE {which} ORDER BY id DESC LIMIT ?",  # noqa: S608  texts from below
        [SUMMARY_BYTES, *values, -1 if limit is None else limit],
    )
    return _summarised(reader, rows, None)


def summaries_of(reader: Reader, invocation_ids: Sequence[str], among: Collection[str] | None) -> list[Summary]:
    """Return these invocations, newest first; only those ``among`` their instances count (None: all)."""
    rows = reader.query(
        """
        SELECT *, substr(content, 1, ?) AS beginning FROM invocations
        WHERE id IN (SELECT value FROM json_each(?)) ORDER BY id DESC
        """,
        [SUMMARY_BYTES, json.dumps(list(invocation_ids))],
    )
    return _summarised(reader, rows, among)


def _summarised(reader: Reader, rows: Sequence[sqlite3.Row], among: Collection[str] | None) -> list[Summary]:
    groups = defaultdict(list)
    where, those = _among(among)
    for group in reader.query(
        f"""
        SELECT invocation_id, status, count(*) AS count, min(instance_name) AS name,
            max(CASE typeof(exit_code) WHEN 'integer' THEN exit_code END) AS exit_code, max(repeats) AS repeats
        FROM invocation_instances WHERE invocation_id IN (SELECT value FROM json_each(?)){where} GROUP BY 1, 2
        """,  # noqa: S608 - a text from below
        [json.dumps([row["id"] for row in rows]), *those],
    ):
        groups[group["invocation_id"]].append(group)
    kinds = _kinds(reader, [row["id"] for row in rows if row["repeat_mode"] == RepeatMode.ONCE.value], among)
    found = [_summary(reader, row, groups[row["id"]], kinds.get(row["id"], ())) for row in rows]
    if among is None:
        return found
    return [
        each._replace(invocation=each.invocation._replace(status=invoke_status(each.counts)))
        for each in found
        if each.counts
    ]


def _among(among: Collection[str] | None) -> tuple[str, list[str]]:
    """Return the condition for those ``among`` the instances as SQL, and its values."""
    if among is None:
        return "", []
    return " AND instance_id IN (SELECT value FROM json_each(?))", [json.dumps(list(among))]


def _summary(reader: Reader, row: sqlite3.Row, groups: Sequence[sqlite3.Row], kinds: Sequence[sqlite3.Row]) -> Summary:
    """Return the summary of one invocation, from the groups of its instances and its rows of ``_kinds``."""
    transfer = None if row["command_type"] else get_transfer(reader, row["id"])
    invocation = invocation_of(row, row["beginning"], (), transfer)
    counts = {InvocationStatus(group["status"]): group["count"] for group in groups}
    if kinds:
        sent = [kind["sent_at"] for kind in kinds if kind["sent_at"] is not None]
        is_late = invocation.frequency or any(kind["waited"] for kind in kinds)
        first = from_ms_or_none(min(sent, default=None)) if is_late else None
        began = first or invocation.created if any(kind["begun"] for kind in kinds) else None
        numbers = InstanceCounts(**{kind["kind"]: kind["count"] for kind in kinds})
    else:
        began = invocation.created if any(group["repeats"] for group in groups) else None
        numbers = InstanceCounts()
        if invocation.repeat_mode is RepeatMode.ONCE:
            stopped = counts.get(InvocationStatus.STOPPED, 0)
            numbers = InstanceCounts(unstarted=stopped, waiting=sum(counts.values()) - stopped)
    return Summary(
        invocation=invocation,
        counts=counts,
        instance_name=min((group["name"] for group in groups), default=""),
        exit_code=max((group["exit_code"] for group in groups if group["exit_code"] is not None), default=None),
        kinds=numbers,
        began=began,
    )


def _kinds(
    reader: Reader, invocation_ids: Sequence[str], among: Collection[str] | None
) -> dict[str, list[sqlite3.Row]]:
    """Return the records of single executions by kind, as in ``InstanceCounts``, with their number.

    Each kind also has the time when the first of its records was sent, and if any of them began, or was queued. An
    invocation without a record, which was to run later, is missing.
    """
    where, those = _among(among)
    rows = reader.query(
        f"""
        SELECT invocation_id, {_KIND} AS kind, count(*) AS count, min(sent_at) AS sent_at,
            max(started_at IS NOT NULL OR status = 'Finished') AS begun, max(queued_at IS NOT NULL) AS waited
        FROM records WHERE invocation_id IN (SELECT value FROM json_each(?)){where} GROUP BY 1, 2
        """,  # noqa: S608 - texts from rows and from above
        [json.dumps(invocation_ids), *those],
    )
    found = defaultdict(list)
    for row in rows:
        found[row["invocation_id"]].append(row)
    return found


def commands_run(reader: Reader, text: str) -> list[str]:
    """Return the ids of the commands with this name at the time of a run, or with this id, deleted or not."""
    rows = reader.query(
        "SELECT command_id FROM invocations WHERE command_name = ?1 OR command_id = ?1"
        " UNION SELECT command_id FROM former_scripts WHERE command_name = ?1 OR command_id = ?1",
        [text],
    )
    return [row["command_id"] for row in rows]


def short_ids(reader: Reader, invocation_ids: Iterable[str]) -> dict[str, str]:
    """Return for each id its shortest unique prefix, but not less than its time (12 characters)."""
    rows = reader.query(
        """
        SELECT value AS id, (SELECT max(id) FROM invocations WHERE id < value) AS before,
            (SELECT min(id) FROM invocations WHERE id > value) AS after
        FROM json_each(?)
        """,
        [json.dumps(list(invocation_ids))],
    )
    return {row["id"]: row["id"][: max(ids.SHORT_LENGTH, _shared(**dict(row)) + 1)] for row in rows}


def _shared(id: str, before: str | None, after: str | None) -> int:
    """Return how many characters the id has in common with its nearest neighbours."""
    return max(_common(id, before or ""), _common(id, after or ""))


def _common(one: str, other: str) -> int:
    for position, (left, right) in enumerate(zip(one, other, strict=False)):
        if left != right:
            return position
    return min(len(one), len(other))


def _conditions(reader: Reader, wanted: Filter, few: int) -> tuple[list[str], list[Any]]:
    """Return a filter as SQL conditions that indexes answer, and their values."""
    conditions, values = ["id GLOB 't-*'"], []
    if wanted.statuses:
        conditions.append("status IN (SELECT value FROM json_each(?))")
        values.append(json.dumps([status.value for status in wanted.statuses]))
    if wanted.command_ids is not None:
        conditions.append(
            "(command_id IN (SELECT value FROM json_each(?)) OR id IN (SELECT invocation_id FROM former_scripts"
            " WHERE command_id IN (SELECT value FROM json_each(?))))"
        )
        values += 2 * [json.dumps(list(wanted.command_ids))]
    if wanted.since is not None:
        conditions.append("id >= ?")
        values.append(ids.earliest(ids.Kind.INVOCATION, to_ms(wanted.since)))
    if wanted.periodic:
        conditions.append("repeat_mode = 'Period'")
    if wanted.unsuccessful:
        conditions.append(_UNSUCCESSFUL)
    if wanted.instance_ids is not None:
        conditions.append(_on_instances(reader, wanted.instance_ids, few))
        values.append(json.dumps(list(wanted.instance_ids)))
    return conditions, values


def _on_instances(reader: Reader, instance_ids: Collection[str], few: int) -> str:
    """Return the condition on instances: a lookup for few records, else a scan that soon finds some of them."""
    found = reader.query(
        "SELECT 1 FROM records WHERE instance_id IN (SELECT value FROM json_each(?)) LIMIT ?",
        [json.dumps(list(instance_ids)), few],
    )
    if len(found) < few:
        return "id IN (SELECT invocation_id FROM records WHERE instance_id IN (SELECT value FROM json_each(?)))"
    return """
        EXISTS (SELECT 1 FROM invocation_instances WHERE invocation_id = id
            AND instance_id IN (SELECT value FROM json_each(?)))
        """
