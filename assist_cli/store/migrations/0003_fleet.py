"""Tags of instances, and the time of the last answer of each."""

from __future__ import annotations

from sqlite_utils import Database


def apply(database: Database) -> None:
    for statement in (
        "ALTER TABLE instances ADD COLUMN tags TEXT NOT NULL DEFAULT '{}'",
        "ALTER TABLE instances ADD COLUMN heard_at INTEGER",
        "CREATE INDEX records_instance ON records (instance_id)",
    ):
        database.execute(statement)
