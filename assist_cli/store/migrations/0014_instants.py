"""Instants and errors of schedules, the clock of elapsed time, and the zone of an invocation's frequency.

``instant_at`` is the moment of a one-time run. A schedule that counts elapsed time has ``booted_at``, the start of the
machine by the wall clock of its times, and ``boot``, the name of that start; they are empty where it follows the time
of day. ``error`` is the reason why a schedule could not fire.
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
