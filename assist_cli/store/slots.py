"""Slots: what became of each due time of a schedule, on each of its instances.

A slot is written with its record, in the transaction that moves the schedule on, before anything is sent. A stretch of
due times that were missed is one row, however many they are.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

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


@dataclass(frozen=True)
class ScheduledInstance:
    """An instance on which a scheduled invocation fires: how often it has, and whether the newest record is open."""

    instance_id: str
    instance_name: str
    repeats: int
    is_busy: bool


@dataclass(frozen=True)
class Waiting:
    """A slot whose record no agent has been heard to accept, and that record."""

    invocation_id: str
    instance_name: str
    due: datetime
    record: Record


@dataclass(frozen=True)
class SlotRange:
    """A slot, or with ``until`` all due times from its own until before that."""

    slot: Slot
    until: datetime | None


def places(reader: Reader, invocation_id: str) -> list[ScheduledInstance]:
    """The instances on which an invocation was not stopped, in their order."""
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
    """Write slots as they stand. One that is ``made_up`` is MadeUp when its record is accepted."""
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
    """Write that nobody served at the due times from ``first`` until before ``until``."""
    transaction.execute_many(
        "INSERT INTO slots (invocation_id, instance_id, due_at, until_at, outcome) VALUES (?, ?, ?, ?, ?)",
        ((invocation_id, each, to_ms(first), to_ms(until), SlotOutcome.MISSED_DOWN.value) for each in instance_ids),
    )


def note_lateness(transaction: Transaction, lateness: Mapping[str, timedelta]) -> None:
    """Note by how much records are late that are sent now."""
    transaction.execute_many(
        "UPDATE slots SET lateness_ms = ? WHERE record_id = ?",
        ((late // MILLISECOND, record_id) for record_id, late in lateness.items()),
    )


def settle(transaction: Transaction, accepted: Mapping[str, bool]) -> None:
    """Write of records, where they belong to a slot, whether their agent has accepted them.

    That it has, stays; that it has not, may turn out to be wrong.
    """
    for record_id, heard in accepted.items():
        for row in transaction.query(
            """
            SELECT number, made_up, lateness_ms FROM slots
            WHERE record_id = ?1 AND (outcome = 'Pending' OR (?2 AND outcome = 'NotDelivered'))
            """,
            [record_id, heard],
        ):
            lateness = (row["lateness_ms"] or 0) * MILLISECOND
            outcome = slot_outcome(heard, made_up=bool(row["made_up"]), lateness=lateness)
            transaction.execute("UPDATE slots SET outcome = ? WHERE number = ?", [outcome.value, row["number"]])


def waiting(reader: Reader) -> list[Waiting]:
    """What was to be sent and has not been heard to arrive."""
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
    """The newest lines first, of all instances or of these, at most ``limit`` of them (None: all)."""
    rows = reader.query(
        "SELECT * FROM slots WHERE invocation_id = ? ORDER BY number DESC LIMIT ?",
        [invocation_id, -1 if limit is None or instance_ids is not None else limit],
    )
    found = [_entry(row) for row in rows if instance_ids is None or row["instance_id"] in instance_ids]
    return found if limit is None else found[:limit]


def old_records(reader: Reader, invocation_id: str, keep: int) -> list[str]:
    """The ids of the records of a schedule that are not to be kept.

    Of each instance the newest ``keep`` are, and of the older ones the newest ``keep`` of those that did not succeed.
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
    """Remove the slots whose record is gone, or that had none; of each instance the newest ``keep`` stay."""
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
