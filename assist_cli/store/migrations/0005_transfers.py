"""Files that are sent: invocations without a command. Their content is never stored."""

from __future__ import annotations

from sqlite_utils import Database


def apply(database: Database) -> None:
    database.execute(
        """
        CREATE TABLE transfers (
            invocation_id TEXT PRIMARY KEY REFERENCES invocations (id) ON DELETE CASCADE,
            name TEXT NOT NULL,
            directory TEXT NOT NULL,
            size INTEGER NOT NULL,
            sha256 TEXT NOT NULL,
            mode TEXT NOT NULL,
            owner TEXT,
            group_name TEXT,
            overwrite INTEGER NOT NULL
        ) WITHOUT ROWID
        """
    )
