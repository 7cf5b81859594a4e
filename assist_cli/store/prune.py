"""Forgetting what is old: which invocations that is, and how they and the room that they took go.

What is open is never among it, nor the newest record of an instance of what runs again and again.
"""

from __future__ import annotations

import json
import sqlite3
from dataclasses import dataclass
from datetime import datetime

from assist_cli.store.database import Database, Reader, Transaction, to_ms

RECORDS = 1_000  # in one transaction, which others who write wait for
PAGES = 1_000

# In the order of an index, so that the next few are found without looking at all.
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


@dataclass(frozen=True)
class Limit:
    """What goes: what ended ``before`` a moment, or all but the newest ``keep`` invocations; one of them is None."""

    before: datetime | None = None
    keep: int | None = None


@dataclass(frozen=True)
class Batch:
    """What goes in one transaction, by ids: whole invocations, or records of what goes on."""

    invocation_ids: tuple[str, ...]
    record_ids: tuple[str, ...]

    @property
    def is_empty(self) -> bool:
        return not self.record_ids and not self.invocation_ids


def count(reader: Reader, limit: Limit) -> tuple[int, int]:
    """How many invocations go, and how many records in all."""
    whole = _invocations(reader, limit, -1)
    records = sum(_size(reader, row["id"]) for row in whole)
    return len(whole), records + len(_old_records(reader, limit, -1))


def batch(reader: Reader, limit: Limit) -> Batch:
    """What goes next: whole invocations, and when there are none left, records of what goes on."""
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
    """Delete it, with all that belongs to it."""
    for statement, gone in (
        ("DELETE FROM records WHERE id IN (SELECT value FROM json_each(?))", what.record_ids),
        ("DELETE FROM invocations WHERE id IN (SELECT value FROM json_each(?))", what.invocation_ids),
    ):
        transaction.execute(statement, [json.dumps(gone)])


def outputs(reader: Reader) -> int:
    """How many outputs of records there are."""
    return _number(reader, "SELECT count(*) FROM outputs")


def size(reader: Reader) -> int:
    """The bytes of the database."""
    return _number(reader, "PRAGMA page_count") * _number(reader, "PRAGMA page_size")


def free_some(database: Database) -> bool:
    """Give some of the room that is free in the file back to the system; False when there is none left.

    Each call is a short transaction of its own, in which a part of the free pages is moved to the end and cut off.
    """
    before = _number(database, "PRAGMA freelist_count")
    if before:
        database.query(f"PRAGMA incremental_vacuum({PAGES:d})")
    return before > 0 and _number(database, "PRAGMA freelist_count") < before


def shorten(database: Database) -> None:
    """Let the file itself become shorter, as far as nobody reads what was there before."""
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
