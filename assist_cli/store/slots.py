"""Slots: the outcome of each due time of a schedule, on each of its instances.

A slot is written with its record, in the transaction that advances the schedule, before anything is sent. Successive
missed due times are one row, whatever their number.
"""

import json
import sqlite3
from collections.abc import Collection, Iterable, Mapping
from datetime import datetime, timedelta
from typing import NamedTuple

from assist_cli.model.invocation import Record
from assist_cli.model.lifecycle import slot_outcome
from assist_cli.model.schedule import Slot, SlotOutcome
from assist_cli.store.database import (
    MILLISECOND,
    Reader,
    Transaction,
    from_ms,
    from_ms_or_none,
    to_ms,
)
from assist_cli.store.rows import record_of


class ScheduledInstance(NamedTuple):
    """An instance on which a schedule fires: the number of its records, and if the newest one is open."""

    instance_id: str
    instance_name: str
    repeats: int
    is_busy: bool


class Waiting(NamedTuple):
    """A slot with its record, which no agent is known to have accepted."""

    invocation_id: str
    instance_name: str
    due: datetime
    record: Record


class SlotRange(NamedTuple):
    """A slot or, with ``until``, all due times from its own until before that."""

    slot: Slot
    until: datetime | None


def places(reader: Reader, invocation_id: str) -> list[ScheduledInstance]:
    """Return the instances on which an invocation was not stopped, in their order."""
    rows = reader.query(
        """
        SELECT place.instance_id, place.instance_name, place.repeats,
            coalesce(records.status IN ('Running', 'Stopping'), 0) AS busy
        FROM invocation_instances AS place
        LEFT JOIN records ON records.invocation_id = place.invocation_id
            AND records.instance_id = place.instance_id AND records.number = place.repeats
        WHERE place.invocation_id = ? AND place.status = 'Running' ORDER BY place.position
        """,
        [invocation_id],
    )
    return [
        ScheduledInstance(row["instance_id"], row["instance_name"], row["repeats"], bool(row["busy"])) for row in rows
    ]


def add(transaction: Transaction, invocation_id: str, slots: Iterable[Slot], *, made_up: bool = False) -> None:
    """Write slots. One that is ``made_up`` becomes MadeUp when its record is accepted."""
    transaction.execute_many(
        """
        INSERT INTO slots (invocation_id, instance_id, due_at, outcome, made_up, lateness_ms, record_id)
        VALUES (?, ?, ?, ?, ?, ?, ?)
        """,
        (
            (
                invocation_id,
                slot.instance_id,
                to_ms(slot.due),
                slot.outcome.value,
                made_up,
                None if slot.lateness is None else slot.lateness // MILLISECOND,
                slot.record_id,
            )
            for slot in slots
        ),
    )


def add_missed(
    transaction: Transaction, invocation_id: str, instance_ids: Iterable[str], first: datetime, until: datetime
) -> None:
    """Write the due times from ``first`` until before ``until`` as missed while the server was down."""
    transaction.execute_many(
        "INSERT INTO slots (invocation_id, instance_id, due_at, until_at, outcome) VALUES (?, ?, ?, ?, ?)",
        ((invocation_id, each, to_ms(first), to_ms(until), SlotOutcome.MISSED_DOWN.value) for each in instance_ids),
    )


def note_lateness(transaction: Transaction, lateness: Mapping[str, timedelta]) -> None:
    """Note the lateness of records that are sent now."""
    transaction.execute_many(
        "UPDATE slots SET lateness_ms = ? WHERE record_id = ?",
        ((late // MILLISECOND, record_id) for record_id, late in lateness.items()),
    )


def settle(transaction: Transaction, accepted: Mapping[str, bool]) -> None:
    """Write if the agents have accepted these records, where they belong to a slot.

    An acceptance is final; a missing one may be corrected.
    """
    for row in transaction.query(
        """
        SELECT number, record_id, made_up, lateness_ms, each.atom AS heard
        FROM json_each(?) AS each CROSS JOIN slots ON record_id = each.key
        WHERE outcome = 'Pending' OR (heard AND outcome = 'NotDelivered')
        """,
        [json.dumps(accepted)],
    ):
        heard = bool(row["heard"])
        lateness = (row["lateness_ms"] or 0) * MILLISECOND
        outcome = slot_outcome(heard, made_up=bool(row["made_up"]), lateness=lateness)
        transaction.execute("UPDATE slots SET outcome = ? WHERE number = ?", [outcome.value, row["number"]])


def waiting(reader: Reader) -> list[Waiting]:
    """Return the slots whose records are not yet known to be accepted."""
    rows = reader.query(
        """
        SELECT records.*, slots.due_at, place.instance_name
        FROM records JOIN slots ON slots.record_id = records.id AND slots.outcome = 'Pending'
        JOIN invocation_instances AS place ON place.invocation_id = records.invocation_id
            AND place.instance_id = records.instance_id
        WHERE records.status = 'Running'
        """
    )
    return [Waiting(row["invocation_id"], row["instance_name"], from_ms(row["due_at"]), record_of(row)) for row in rows]


def listing(
    reader: Reader, invocation_id: str, *, instance_ids: Collection[str] | None = None, limit: int | None
) -> list[SlotRange]:
    """Return slots, newest first, of all instances or of these, at most ``limit`` of them (None: all)."""
    rows = reader.query(
        """
        SELECT * FROM slots
        WHERE invocation_id = ?1 AND (?2 IS NULL OR instance_id IN (SELECT value FROM json_each(?2)))
        ORDER BY number DESC LIMIT ?3
        """,
        [
            invocation_id,
            None if instance_ids is None else json.dumps(list(instance_ids)),
            -1 if limit is None else limit,
        ],
    )
    return [_entry(row) for row in rows]


def old_records(reader: Reader, invocation_id: str, keep: int) -> list[str]:
    """Return the ids of the records of a schedule that are past their retention.

    Of each instance the newest ``keep`` stay, and of the older ones the newest ``keep`` that did not succeed.
    """
    rows = reader.query(
        """
        SELECT id FROM (
            SELECT id, good, row_number() OVER (PARTITION BY instance_id, good ORDER BY number DESC) AS rank FROM (
                SELECT records.id, records.instance_id, number,
                    records.status = 'Finished' AND records.exit_code = 0 AS good
                FROM invocation_instances AS place JOIN records ON records.invocation_id = place.invocation_id
                    AND records.instance_id = place.instance_id AND records.number <= place.repeats - ?2
                WHERE place.invocation_id = ?1 AND records.status NOT IN ('Running', 'Stopping')
            )
        ) WHERE good OR rank > ?2
        """,
        [invocation_id, keep],
    )
    return [row["id"] for row in rows]


def prune(transaction: Transaction, invocation_id: str, keep: int) -> None:
    """Delete the slots that have no record, or no longer; of each instance the newest ``keep`` stay."""
    for row in transaction.query(
        "SELECT instance_id FROM invocation_instances WHERE invocation_id = ?", [invocation_id]
    ):
        transaction.execute(
            """
            DELETE FROM slots WHERE invocation_id = ?1 AND instance_id = ?2 AND number <= (
                SELECT number FROM slots WHERE invocation_id = ?1 AND instance_id = ?2
                ORDER BY number DESC LIMIT 1 OFFSET ?3
            ) AND (record_id IS NULL OR NOT EXISTS (SELECT 1 FROM records WHERE records.id = record_id))
            """,
            [invocation_id, row["instance_id"], keep],
        )


def _entry(row: sqlite3.Row) -> SlotRange:
    slot = Slot(
        instance_id=row["instance_id"],
        due=from_ms(row["due_at"]),
        outcome=SlotOutcome(row["outcome"]),
        lateness=None if row["lateness_ms"] is None else row["lateness_ms"] * MILLISECOND,
        record_id=row["record_id"],
    )
    return SlotRange(slot, from_ms_or_none(row["until_at"]))
