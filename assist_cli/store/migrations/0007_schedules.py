"""Schedules, their slots (each due time and its outcome), and the lease of the server.

``revision`` counts the changes by people, so that a server reads only the new ones. A slot with ``until_at`` is all due
times from ``due_at`` until before that.
"""

from __future__ import annotations

from sqlite_utils import Database


def apply(database: Database) -> None:
    for statement in (
        """
        CREATE TABLE schedules (
            invocation_id TEXT PRIMARY KEY REFERENCES invocations (id) ON DELETE CASCADE,
            frequency TEXT NOT NULL,
            timezone TEXT,
            anchor_at INTEGER NOT NULL,
            next_at INTEGER,
            last_at INTEGER,
            jitter_ms INTEGER NOT NULL,
            missed TEXT NOT NULL,
            keep INTEGER NOT NULL,
            paused_at INTEGER,
            secrets TEXT NOT NULL,
            revision INTEGER NOT NULL
        ) WITHOUT ROWID
        """,
        "CREATE INDEX schedules_revision ON schedules (revision)",
        """
        CREATE TABLE slots (
            number INTEGER PRIMARY KEY,
            invocation_id TEXT NOT NULL,
            instance_id TEXT NOT NULL,
            due_at INTEGER NOT NULL,
            until_at INTEGER,
            outcome TEXT NOT NULL,
            made_up INTEGER NOT NULL DEFAULT 0,
            lateness_ms INTEGER,
            record_id TEXT,
            FOREIGN KEY (invocation_id, instance_id) REFERENCES invocation_instances ON DELETE CASCADE
        )
        """,
        "CREATE INDEX slots_place ON slots (invocation_id, instance_id)",
        "CREATE INDEX slots_record ON slots (record_id) WHERE record_id IS NOT NULL",
        """
        CREATE TABLE lease (
            one INTEGER PRIMARY KEY CHECK (one = 1),
            owner TEXT NOT NULL,
            host TEXT NOT NULL,
            pid INTEGER NOT NULL,
            until_at INTEGER NOT NULL
        )
        """,
    ):
        database.execute(statement)
