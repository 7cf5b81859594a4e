"""The queue: records that wait for an instance that is away, and the inputs of their later delivery."""

from __future__ import annotations

from sqlite_utils import Database


def apply(database: Database) -> None:
    for statement in (
        "ALTER TABLE instances ADD COLUMN enrolment TEXT NOT NULL DEFAULT ''",
        "ALTER TABLE records ADD COLUMN deliver_by INTEGER",
        "ALTER TABLE records ADD COLUMN enrolment TEXT NOT NULL DEFAULT ''",
        "ALTER TABLE records ADD COLUMN queued_at INTEGER",
        "ALTER TABLE records ADD COLUMN tried_at INTEGER",
        "ALTER TABLE records ADD COLUMN tried_why TEXT NOT NULL DEFAULT ''",
        """
        CREATE INDEX records_queue ON records (instance_id, deliver_by)
        WHERE deliver_by IS NOT NULL AND status = 'Running' AND accepted = 0
        """,
        """
        CREATE TABLE queue_inputs (
            invocation_id TEXT PRIMARY KEY REFERENCES invocations (id) ON DELETE CASCADE,
            secrets TEXT NOT NULL,
            content BLOB
        )
        """,
    ):
        database.execute(statement)
