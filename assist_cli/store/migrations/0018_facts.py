"""Facts that agents report, and saved groups of targets. ``own_facts`` has those that no two instances share."""

from __future__ import annotations

from sqlite_utils import Database


def apply(database: Database) -> None:
    for statement in (
        "ALTER TABLE instances ADD COLUMN facts TEXT NOT NULL DEFAULT '{}'",
        "ALTER TABLE instances ADD COLUMN own_facts TEXT NOT NULL DEFAULT '{}'",
        "CREATE TABLE target_groups (name TEXT PRIMARY KEY, target TEXT NOT NULL)",
    ):
        database.execute(statement)
