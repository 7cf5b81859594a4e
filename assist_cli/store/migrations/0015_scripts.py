"""Launchers; former scripts of a periodic invocation; the time of the stop of an invocation on an instance."""

from __future__ import annotations

from sqlite_utils import Database


def apply(database: Database) -> None:
    for statement in (
        "ALTER TABLE invocations ADD COLUMN launcher TEXT",
        "ALTER TABLE command_versions ADD COLUMN launcher TEXT",
        "DROP VIEW command_states",
        """
        CREATE VIEW command_states AS
        SELECT commands.id, name, description, commands.created_at, modified_at, latest, invocations, number,
            version.created_at AS version_at, type, working_dir, timeout, parameters_enabled, definitions, content,
            launcher
        FROM commands JOIN command_versions AS version ON version.command_id = commands.id
        """,
        "ALTER TABLE invocation_instances ADD COLUMN stopped_at INTEGER",
        """
        CREATE TABLE former_scripts (
            invocation_id TEXT NOT NULL REFERENCES invocations (id) ON DELETE CASCADE,
            until_at INTEGER NOT NULL,
            command_id TEXT NOT NULL,
            command_name TEXT,
            command_version INTEGER,
            parameters_enabled INTEGER NOT NULL,
            parameters TEXT NOT NULL,
            content BLOB NOT NULL
        )
        """,
        "CREATE INDEX former_scripts_invocation ON former_scripts (invocation_id, until_at)",
    ):
        database.execute(statement)
