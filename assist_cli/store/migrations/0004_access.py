"""Access keys of the API, labels that clients give to what they create, and tokens against repeated requests."""

from __future__ import annotations

from sqlite_utils import Database


def apply(database: Database) -> None:
    for statement in (
        """
        CREATE TABLE access_keys (
            id TEXT PRIMARY KEY,
            name TEXT NOT NULL UNIQUE,
            secret TEXT NOT NULL,
            role TEXT NOT NULL,
            scope TEXT NOT NULL,
            enabled INTEGER NOT NULL,
            created_at INTEGER NOT NULL,
            used_at INTEGER
        )
        """,
        """
        CREATE TABLE labels (
            subject TEXT PRIMARY KEY,
            access_key TEXT NOT NULL,
            name TEXT NOT NULL,
            description TEXT NOT NULL,
            tags TEXT NOT NULL
        )
        """,
        "CREATE INDEX labels_access_key ON labels (access_key)",
        """
        CREATE TABLE client_tokens (
            access_key TEXT NOT NULL,
            token TEXT NOT NULL,
            request BLOB NOT NULL,
            subject TEXT NOT NULL,
            made_at INTEGER NOT NULL,
            PRIMARY KEY (access_key, token)
        )
        """,
        "CREATE INDEX client_tokens_made ON client_tokens (made_at)",
        """
        CREATE TRIGGER labels_of_invocation AFTER DELETE ON invocations
        BEGIN DELETE FROM labels WHERE subject = old.id; END
        """,
        """
        CREATE TRIGGER labels_of_command AFTER DELETE ON commands
        BEGIN DELETE FROM labels WHERE subject = old.id; END
        """,
    ):
        database.execute(statement)
