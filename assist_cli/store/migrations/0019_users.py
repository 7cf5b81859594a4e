"""Users of the web console, their sessions, and one-time links. Session ids and links are stored as SHA-256."""

from __future__ import annotations

from sqlite_utils import Database


def apply(database: Database) -> None:
    for statement in (
        """
        CREATE TABLE users (
            id TEXT PRIMARY KEY,
            name TEXT NOT NULL UNIQUE,
            password TEXT NOT NULL,
            role TEXT NOT NULL,
            scope TEXT NOT NULL,
            enabled INTEGER NOT NULL,
            created_at INTEGER NOT NULL,
            used_at INTEGER
        )
        """,
        """
        CREATE TABLE sessions (
            digest BLOB PRIMARY KEY,
            user_id TEXT REFERENCES users (id) ON DELETE CASCADE,
            owner TEXT NOT NULL,
            created_at INTEGER NOT NULL,
            seen_at INTEGER NOT NULL
        )
        """,
        "CREATE INDEX sessions_user ON sessions (user_id)",
        """
        CREATE TABLE login_links (
            digest BLOB PRIMARY KEY,
            owner TEXT NOT NULL,
            expires_at INTEGER NOT NULL
        )
        """,
    ):
        database.execute(statement)
