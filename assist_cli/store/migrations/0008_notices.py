"""Notifications: the request for an invocation, and the attempts.

A request is written before its invocation, in the same transaction. ``firing_at`` is the due time of a periodic
invocation, 0 for a one-off one.
"""

from __future__ import annotations

from sqlite_utils import Database


def apply(database: Database) -> None:
    for statement in (
        """
        CREATE TABLE notify (
            invocation_id TEXT PRIMARY KEY
                REFERENCES invocations (id) ON DELETE CASCADE DEFERRABLE INITIALLY DEFERRED,
            target TEXT NOT NULL,
            occasion TEXT NOT NULL
        ) WITHOUT ROWID
        """,
        """
        CREATE TABLE notices (
            number INTEGER PRIMARY KEY,
            invocation_id TEXT NOT NULL REFERENCES notify (invocation_id) ON DELETE CASCADE,
            firing_at INTEGER NOT NULL,
            attempts INTEGER NOT NULL DEFAULT 0,
            next_at INTEGER,
            delivered INTEGER NOT NULL DEFAULT 0,
            answer TEXT NOT NULL DEFAULT '',
            UNIQUE (invocation_id, firing_at)
        )
        """,
        "CREATE INDEX slots_due ON slots (invocation_id, due_at) WHERE record_id IS NOT NULL",
        "CREATE INDEX notices_waiting ON notices (next_at) WHERE next_at IS NOT NULL",
    ):
        database.execute(statement)
