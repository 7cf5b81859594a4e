"""Saved commands, and the audit log, which only grows."""

from __future__ import annotations

from sqlite_utils import Database


def apply(database: Database) -> None:
    for statement in (
        """
        CREATE TABLE commands (
            id TEXT PRIMARY KEY,
            name TEXT NOT NULL UNIQUE,
            description TEXT NOT NULL,
            created_at INTEGER NOT NULL,
            modified_at INTEGER NOT NULL,
            latest INTEGER NOT NULL,
            invocations INTEGER NOT NULL
        )
        """,
        """
        CREATE TABLE command_versions (
            command_id TEXT NOT NULL REFERENCES commands (id) ON DELETE CASCADE,
            number INTEGER NOT NULL,
            created_at INTEGER NOT NULL,
            type TEXT NOT NULL,
            working_dir TEXT,
            timeout INTEGER NOT NULL,
            parameters_enabled INTEGER NOT NULL,
            definitions TEXT NOT NULL,
            content BLOB NOT NULL,
            UNIQUE (command_id, number)
        )
        """,
        """
        CREATE VIEW command_states AS
        SELECT commands.id, name, description, commands.created_at, modified_at, latest, invocations, number,
            version.created_at AS version_at, type, working_dir, timeout, parameters_enabled, definitions, content
        FROM commands JOIN command_versions AS version ON version.command_id = commands.id
        """,
        "ALTER TABLE invocations ADD COLUMN parameters_enabled INTEGER NOT NULL DEFAULT 0",
        "CREATE INDEX invocations_command ON invocations (command_id)",
        """
        CREATE TABLE audit (
            id INTEGER PRIMARY KEY AUTOINCREMENT,
            at INTEGER NOT NULL,
            login TEXT NOT NULL,
            uid INTEGER,
            origin TEXT NOT NULL,
            action TEXT NOT NULL,
            subject TEXT NOT NULL,
            detail TEXT NOT NULL,
            outcome TEXT NOT NULL
        )
        """,
        "CREATE INDEX audit_at ON audit (at)",
        """
        CREATE TRIGGER audit_is_not_replaced BEFORE INSERT ON audit WHEN EXISTS (SELECT 1 FROM audit WHERE id = new.id)
        BEGIN SELECT raise(ABORT, 'a line of the audit log cannot be replaced'); END
        """,
        """
        CREATE TRIGGER audit_is_not_changed BEFORE UPDATE ON audit
        BEGIN SELECT raise(ABORT, 'a line of the audit log cannot be changed'); END
        """,
        """
        CREATE TRIGGER audit_is_not_deleted BEFORE DELETE ON audit
        BEGIN SELECT raise(ABORT, 'a line of the audit log cannot be deleted'); END
        """,
    ):
        database.execute(statement)
