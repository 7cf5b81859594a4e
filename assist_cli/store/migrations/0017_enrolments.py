"""Enrolments, and the machines that were admitted by one. A machine is known by the hash of a random id of its own."""

from __future__ import annotations

from sqlite_utils import Database


def apply(database: Database) -> None:
    for statement in (
        """
        CREATE TABLE enrolments (
            id TEXT PRIMARY KEY,
            token TEXT NOT NULL UNIQUE,
            uses INTEGER NOT NULL,
            created_at INTEGER NOT NULL,
            expires_at INTEGER NOT NULL,
            disabled INTEGER NOT NULL DEFAULT 0,
            name TEXT NOT NULL,
            tags TEXT NOT NULL,
            description TEXT NOT NULL,
            creator TEXT NOT NULL
        )
        """,
        """
        CREATE TABLE enrolled (
            machine TEXT PRIMARY KEY,
            instance_id TEXT NOT NULL UNIQUE,
            enrolment_id TEXT REFERENCES enrolments (id) ON DELETE SET NULL,
            name TEXT NOT NULL,
            admitted_at INTEGER NOT NULL,
            registered_at INTEGER
        )
        """,
        "CREATE INDEX enrolled_by ON enrolled (enrolment_id)",
    ):
        database.execute(statement)
