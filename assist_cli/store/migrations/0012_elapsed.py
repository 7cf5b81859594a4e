"""The time of sending by the elapsed-time clock, and if the agent is known to have accepted the record.

``sent_elapsed`` is in ms since the start of the machine that ``boot`` names; both are empty when the record has ended.
"""

from __future__ import annotations

from sqlite_utils import Database


def apply(database: Database) -> None:
    for statement in (
        "ALTER TABLE records ADD COLUMN accepted INTEGER NOT NULL DEFAULT 0",
        "ALTER TABLE records ADD COLUMN sent_elapsed INTEGER",
        "ALTER TABLE records ADD COLUMN boot TEXT NOT NULL DEFAULT ''",
    ):
        database.execute(statement)
