"""Instances, invocations, records and their output."""

from __future__ import annotations

import secrets

from sqlite_utils import Database


def apply(database: Database) -> None:
    for statement in (
        """
        CREATE TABLE settings (
            name TEXT PRIMARY KEY,
            value TEXT NOT NULL
        )
        """,
        """
        CREATE TABLE instances (
            id TEXT PRIMARY KEY,
            name TEXT NOT NULL,
            address TEXT NOT NULL,
            os_type TEXT,
            created_at INTEGER NOT NULL,
            removed_at INTEGER
        )
        """,
        "CREATE UNIQUE INDEX instances_name ON instances (name) WHERE removed_at IS NULL",
        """
        CREATE TABLE invocations (
            id TEXT PRIMARY KEY,
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
            content BLOB NOT NULL
        )
        """,
        """
        CREATE TABLE invocation_instances (
            invocation_id TEXT NOT NULL REFERENCES invocations (id) ON DELETE CASCADE,
            instance_id TEXT NOT NULL REFERENCES instances (id),
            position INTEGER NOT NULL,
            instance_name TEXT NOT NULL,
            status TEXT NOT NULL,
            exit_code INTEGER,
            repeats INTEGER NOT NULL,
            PRIMARY KEY (invocation_id, instance_id)
        ) WITHOUT ROWID
        """,
        """
        CREATE TABLE records (
            id TEXT PRIMARY KEY,
            invocation_id TEXT NOT NULL,
            instance_id TEXT NOT NULL,
            number INTEGER NOT NULL,
            status TEXT NOT NULL,
            exit_code INTEGER,
            error_code TEXT NOT NULL DEFAULT '',
            error_info TEXT NOT NULL DEFAULT '',
            sender TEXT NOT NULL,
            deadline_at INTEGER NOT NULL,
            sent_at INTEGER,
            started_at INTEGER,
            finished_at INTEGER,
            stopped_at INTEGER,
            UNIQUE (invocation_id, instance_id, number),
            FOREIGN KEY (invocation_id, instance_id) REFERENCES invocation_instances ON DELETE CASCADE
        )
        """,
        "CREATE INDEX records_open ON records (invocation_id) WHERE status IN ('Running', 'Stopping')",
        """
        CREATE TABLE outputs (
            record_id TEXT PRIMARY KEY REFERENCES records (id) ON DELETE CASCADE,
            runs TEXT NOT NULL,
            cut INTEGER NOT NULL,
            dropped INTEGER NOT NULL,
            data BLOB NOT NULL
        )
        """,
    ):
        database.execute(statement)
    # Agents know their controller by this name, which reveals nothing about the machine.
    database.execute("INSERT INTO settings VALUES ('controller', ?)", [secrets.token_hex(16)])
