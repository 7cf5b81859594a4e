"""The history as a list: one line for each invocation, with what tells them apart."""

from __future__ import annotations

import json
import sqlite3
from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from typing import Any

from assist_cli.model import ids
from assist_cli.model.invocation import Filter, RepeatMode
from assist_cli.model.status import InvocationStatus
from assist_cli.model.summary import InstanceCounts, Summary
from assist_cli.store.database import Reader, from_ms_or_none, to_ms
from assist_cli.store.rows import invocation_of

SUMMARY_BYTES = 200
FEW_RECORDS = 20_000

# What a rerun would take: it is over, and somewhere the newest record did not finish with 0.
_UNSUCCESSFUL = """
    status NOT IN ('Running', 'Stopping') AND (status IN ('Failed', 'PartialFailed') OR EXISTS (
        SELECT 1 FROM invocation_instances AS place
        LEFT JOIN records AS newest ON newest.invocation_id = place.invocation_id
            AND newest.instance_id = place.instance_id AND newest.number = place.repeats
        WHERE place.invocation_id = invocations.id
            AND (newest.status IS NOT 'Finished' OR coalesce(newest.exit_code, 0) <> 0)
    ))
"""


def summaries(
    reader: Reader, limit: int | None, wanted: Filter | None = None, *, few: int = FEW_RECORDS
) -> list[Summary]:
    """The newest invocations first that a filter lets through, at most ``limit`` of them (None: all).

    Fewer than ``few`` records of some instances are quicker looked up than met.
    """
    conditions, values = _conditions(reader, wanted or Filter(), few)
    which = " AND ".join(conditions)
    rows = reader.query(
        f"SELECT *, substr(content, 1, ?) AS beginning FROM invocations WHERE {which} ORDER BY id DESC LIMIT ?",  # noqa: S608  texts from below
        [SUMMARY_BYTES, *values, -1 if limit is None else limit],
    )
    groups = defaultdict(list)
    for group in reader.query(
        """
        SELECT invocation_id, status, count(*) AS count, min(instance_name) AS name,
            max(CASE typeof(exit_code) WHEN 'integer' THEN exit_code END) AS exit_code, max(repeats) AS repeats
        FROM invocation_instances WHERE invocation_id IN (SELECT value FROM json_each(?)) GROUP BY 1, 2
        """,
        [json.dumps([row["id"] for row in rows])],
    ):
        groups[group["invocation_id"]].append(group)
    kinds = _kinds(reader, [row["id"] for row in rows if row["repeat_mode"] == RepeatMode.ONCE.value])
    return [_summary(row, groups[row["id"]], kinds.get(row["id"])) for row in rows]


def _summary(row: sqlite3.Row, groups: Sequence[sqlite3.Row], kinds: sqlite3.Row | None) -> Summary:
    """The summary of one invocation, by the groups of its instances and what ``_kinds`` has of it."""
    invocation = invocation_of(row, row["beginning"], ())
    counts = {InvocationStatus(group["status"]): group["count"] for group in groups}
    if kinds is not None:
        first = from_ms_or_none(kinds["sent_at"]) if invocation.frequency else None
        began = first or invocation.created if kinds["begun"] else None
        numbers = InstanceCounts(**{field: kinds[field] for field in InstanceCounts._fields})
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


def _kinds(reader: Reader, invocation_ids: Sequence[str]) -> dict[str, sqlite3.Row]:
    """How the records of invocations that run once stand, as ``InstanceCounts`` has it, and when the first was sent.

    One without a record, which was to run later, is not in it.
    """
    rows = reader.query(
        """
        SELECT invocation_id, min(sent_at) AS sent_at, max(started_at IS NOT NULL OR status = 'Finished') AS begun,
            sum(status = 'Finished' AND coalesce(exit_code, 0) = 0) AS succeeded,
            sum(status = 'Failed') AS failed,
            sum(status = 'Finished' AND coalesce(exit_code, 0) <> 0) AS nonzero,
            sum(status = 'Stopped' AND started_at IS NOT NULL) AS stopped,
            sum(status = 'Stopped' AND started_at IS NULL AND coalesce(sent_at, stopped_at) IS NOT NULL) AS unstarted,
            sum(status = 'Stopped' AND started_at IS NULL AND coalesce(sent_at, stopped_at) IS NULL) AS halted,
            sum(status IN ('Running', 'Stopping') AND sent_at IS NULL) AS waiting,
            sum(status IN ('Running', 'Stopping') AND sent_at IS NOT NULL) AS running
        FROM records WHERE invocation_id IN (SELECT value FROM json_each(?)) GROUP BY 1
        """,
        [json.dumps(invocation_ids)],
    )
    return {row["invocation_id"]: row for row in rows}


def commands_run(reader: Reader, text: str) -> list[str]:
    """The ids of the commands that bore this name when they were run, or have this id, whatever became of them."""
    rows = reader.query(
        "SELECT DISTINCT command_id FROM invocations WHERE command_name = ?1 OR command_id = ?1", [text]
    )
    return [row["command_id"] for row in rows]


def short_ids(reader: Reader, invocation_ids: Iterable[str]) -> dict[str, str]:
    """For each id the shortest beginning that names it alone, and not less than its time (12 characters)."""
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
    """How many characters the id has in common with its nearest neighbours."""
    return max(_common(id, before or ""), _common(id, after or ""))


def _common(one: str, other: str) -> int:
    for position, (left, right) in enumerate(zip(one, other, strict=False)):
        if left != right:
            return position
    return min(len(one), len(other))


def _conditions(reader: Reader, wanted: Filter, few: int) -> tuple[list[str], list[Any]]:
    """What a filter asks for, as SQL that an index answers."""
    conditions, values = ["id GLOB 't-*'"], []
    if wanted.statuses:
        conditions.append("status IN (SELECT value FROM json_each(?))")
        values.append(json.dumps([status.value for status in wanted.statuses]))
    if wanted.command_ids is not None:
        conditions.append("command_id IN (SELECT value FROM json_each(?))")
        values.append(json.dumps(list(wanted.command_ids)))
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
    """Where little was run on these, it is looked up; where much was, whoever goes back in time soon meets it."""
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
