"""Instants of schedules, the clock that elapsed time is measured by, and errors; the zone of an invocation's frequency.

``instant_at`` is the moment of what fires once. ``booted_at`` is when the machine was started, by the wall clock of the
times of a schedule that counts elapsed time, and ``boot`` is the name of that start; empty where the schedule follows
the time of day. ``error`` tells why a schedule could not be fired.
"""

from __future__ import annotations

from sqlite_utils import Database


def apply(database: Database) -> None:
    for statement in (
        "ALTER TABLE schedules ADD COLUMN instant_at INTEGER",
        "ALTER TABLE schedules ADD COLUMN booted_at INTEGER",
        "ALTER TABLE schedules ADD COLUMN boot TEXT NOT NULL DEFAULT ''",
        "ALTER TABLE schedules ADD COLUMN error TEXT",
        "ALTER TABLE invocations ADD COLUMN timezone TEXT",
        "UPDATE schedules SET instant_at = coalesce(next_at, last_at, anchor_at) WHERE frequency GLOB 'at(*'",
        "UPDATE schedules SET booted_at = 0 WHERE frequency GLOB 'rate(*'",
        "UPDATE invocations SET timezone = (SELECT timezone FROM schedules WHERE invocation_id = invocations.id)",
    ):
        database.execute(statement)
