"""Retention: selects and deletes old invocations and records, and returns their disk space.

Open invocations and records are never deleted, nor the newest record of an instance of a periodic invocation.
"""

from __future__ import annotations

import json
import sqlite3
from datetime import datetime

from assist_cli.store.database import Database, Reader, Transaction, to_ms
from assist_cli.structs import Struct

RECORDS = 1_000  # in one transaction, which other writers wait for
PAGES = 1_000

# In the order of an index, so that the next few are found without a full scan.
_OLD = """
    SELECT id FROM invocations
    WHERE finished_at < ?1 AND created_at < ?1 AND status NOT IN ('Running', 'Stopping') ORDER BY finished_at LIMIT ?2
    """
_BEYOND = """
    SELECT id FROM invocations
    WHERE number <= (SELECT number FROM invocations ORDER BY number DESC LIMIT 1 OFFSET ?1)
        AND status NOT IN ('Running', 'Stopping') ORDER BY number LIMIT ?2
    """
_OLD_RECORDS = """
    SELECT records.id
    FROM invocations CROSS JOIN invocation_instances AS place ON place.invocation_id = invocations.id
    CROSS JOIN records ON records.invocation_id = place.invocation_id AND records.instance_id = place.instance_id
    WHERE invocations.repeat_mode = 'Period' AND invocations.status IN ('Running', 'Stopping')
        AND records.number < place.repeats AND records.finished_at < ?1
        AND records.status NOT IN ('Running', 'Stopping') LIMIT ?2
    """


class Limit(Struct):
    """The limit of the history: what ended ``before`` a moment is deleted, or all but the newest ``keep``."""

    before: datetime | None = None
    keep: int | None = None


class Batch(Struct):
    """The deletions of one transaction, by ids: whole invocations, or records of invocations that stay."""

    invocation_ids: tuple[str, ...]
    record_ids: tuple[str, ...]

    @property
    def is_empty(self) -> bool:
        return not self.record_ids and not self.invocation_ids


def count(reader: Reader, limit: Limit) -> tuple[int, int]:
    """Return the number of invocations and of all records to delete."""
    whole = _invocations(reader, limit, -1)
    records = sum(_size(reader, row["id"]) for row in whole)
    return len(whole), records + len(_old_records(reader, limit, -1))


def batch(reader: Reader, limit: Limit) -> Batch:
    """Return the next deletions: whole invocations or, when none is left, records of invocations that stay."""
    chosen: list[str] = []
    size = 0
    for row in _invocations(reader, limit, RECORDS):
        size += _size(reader, row["id"])
        if chosen and size > RECORDS:
            break
        chosen.append(row["id"])
    rows = () if chosen else _old_records(reader, limit, RECORDS)
    return Batch(tuple(chosen), tuple(row["id"] for row in rows))


def delete(transaction: Transaction, what: Batch) -> None:
    """Delete a batch, with all that belongs to it."""
    for statement, gone in (
        ("DELETE FROM records WHERE id IN (SELECT value FROM json_each(?))", what.record_ids),
        ("DELETE FROM invocations WHERE id IN (SELECT value FROM json_each(?))", what.invocation_ids),
    ):
        transaction.execute(statement, [json.dumps(gone)])


def outputs(reader: Reader) -> int:
    """Return the number of stored outputs."""
    return _number(reader, "SELECT count(*) FROM outputs")


def size(reader: Reader) -> int:
    """Return the size of the database in bytes."""
    return _number(reader, "PRAGMA page_count") * _number(reader, "PRAGMA page_size")


def free_some(database: Database) -> bool:
    """Return some of the free space in the file to the system; return False when none is left.

    Each call is a short transaction, which moves some of the free pages to the end of the file and removes them there.
    """
    before = _number(database, "PRAGMA freelist_count")
    if before:
        database.query(f"PRAGMA incremental_vacuum({PAGES:d})")
    return before > 0 and _number(database, "PRAGMA freelist_count") < before


def shorten(database: Database) -> None:
    """Shorten the file itself, as far as no reader uses its earlier state."""
    database.query("PRAGMA wal_checkpoint(PASSIVE)")


def _invocations(reader: Reader, limit: Limit, most: int) -> list[sqlite3.Row]:
    if limit.before is not None:
        return reader.query(_OLD, [to_ms(limit.before), most])
    return reader.query(_BEYOND, [limit.keep, most])


def _old_records(reader: Reader, limit: Limit, most: int) -> list[sqlite3.Row]:
    return [] if limit.before is None else reader.query(_OLD_RECORDS, [to_ms(limit.before), most])


def _size(reader: Reader, invocation_id: str) -> int:
    return _number(reader, "SELECT count(*) FROM records WHERE invocation_id = ?", invocation_id)


def _number(reader: Reader, sql: str, *values: str) -> int:
    row = reader.first(sql, values)
    assert row is not None
    return int(row[0])
