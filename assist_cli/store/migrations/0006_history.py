"""Indexes for a long history: to list it by any filter, to search it and to prune it.

A full-text index refers to its texts by number. So the texts have numbers that are never used twice, and that no VACUUM
changes. ``search`` fills the indexes, and not the code that writes the texts.
"""

from __future__ import annotations

from sqlite_utils import Database


def apply(database: Database) -> None:
    for statement in (
        """
        CREATE TABLE numbered (
            number INTEGER PRIMARY KEY AUTOINCREMENT,
            id TEXT NOT NULL UNIQUE,
            status TEXT NOT NULL,
            created_at INTEGER NOT NULL,
            finished_at INTEGER,
            command_id TEXT NOT NULL,
            command_name TEXT,
            command_version INTEGER,
            command_type TEXT NOT NULL,
            repeat_mode TEXT NOT NULL,
            frequency TEXT,
            timeout INTEGER NOT NULL,
            working_dir TEXT,
            username TEXT,
            keep_script INTEGER NOT NULL,
            parameters TEXT NOT NULL,
            content BLOB NOT NULL,
            parameters_enabled INTEGER NOT NULL DEFAULT 0
        )
        """,
        """
        INSERT INTO numbered (id, status, created_at, finished_at, command_id, command_name, command_version,
            command_type, repeat_mode, frequency, timeout, working_dir, username, keep_script, parameters, content,
            parameters_enabled)
        SELECT id, status, created_at, finished_at, command_id, command_name, command_version, command_type,
            repeat_mode, frequency, timeout, working_dir, username, keep_script, parameters, content,
            parameters_enabled
        FROM invocations ORDER BY id
        """,
        "DROP TABLE invocations",
        "ALTER TABLE numbered RENAME TO invocations",
        """
        CREATE TRIGGER labels_of_invocation AFTER DELETE ON invocations
        BEGIN DELETE FROM labels WHERE subject = old.id; END
        """,
        "CREATE INDEX invocations_status ON invocations (status, id)",
        "CREATE INDEX invocations_command ON invocations (command_id, id)",
        "CREATE INDEX invocations_command_name ON invocations (command_name, id) WHERE command_name IS NOT NULL",
        "CREATE INDEX invocations_periodic ON invocations (id) WHERE repeat_mode = 'Period'",
        "CREATE INDEX invocations_finished ON invocations (finished_at)",
        "DROP INDEX records_instance",
        "CREATE INDEX records_instance ON records (instance_id, invocation_id)",
        """
        CREATE TABLE numbered (
            number INTEGER PRIMARY KEY AUTOINCREMENT,
            record_id TEXT NOT NULL UNIQUE REFERENCES records (id) ON DELETE CASCADE,
            runs TEXT NOT NULL,
            cut INTEGER NOT NULL,
            dropped INTEGER NOT NULL,
            data BLOB NOT NULL
        )
        """,
        """
        INSERT INTO numbered (record_id, runs, cut, dropped, data)
        SELECT record_id, runs, cut, dropped, data FROM outputs ORDER BY record_id
        """,
        "DROP TABLE outputs",
        "ALTER TABLE numbered RENAME TO outputs",
        """
        CREATE VIEW invocation_texts AS
        SELECT number, id, created_at, command_name, content, (
            SELECT group_concat(instance_name, ' ') FROM (
                SELECT instance_name FROM invocation_instances WHERE invocation_id = invocations.id ORDER BY position
            )
        ) AS instance_names
        FROM invocations
        """,
        """
        CREATE VIRTUAL TABLE invocation_words
        USING fts5(command_name, content, instance_names, content='invocation_texts', content_rowid='number')
        """,
        "CREATE VIRTUAL TABLE output_words USING fts5(data, content='outputs', content_rowid='number')",
    ):
        database.execute(statement)
