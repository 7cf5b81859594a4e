"""What records that run have printed so far, as their agents told somebody who looked.

It goes when the output itself comes, and is in no index of words. ``asked_at`` and ``read_at`` are when an agent was
asked last, at all and for its output.
"""

from __future__ import annotations

from sqlite_utils import Database


def apply(database: Database) -> None:
    database.execute(
        """
        CREATE TABLE interim (
            record_id TEXT PRIMARY KEY REFERENCES records (id) ON DELETE CASCADE,
            asked_at INTEGER NOT NULL,
            read_at INTEGER,
            runs TEXT,
            cut INTEGER,
            dropped INTEGER,
            data BLOB
        )
        """
    )
