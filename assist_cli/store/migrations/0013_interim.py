"""The interim output of running records, as their agents reported it on request.

It is deleted when the final output arrives, and is in no full-text index. ``asked_at`` and ``read_at`` are the times of
the last request to the agent: of any, and of one for output.
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
