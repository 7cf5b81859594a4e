"""Triggers that remove the words of a deleted text from the index, if they are in it."""

from __future__ import annotations

from sqlite_utils import Database


def apply(database: Database) -> None:
    for statement in (
        """
        CREATE TRIGGER output_words_go BEFORE DELETE ON outputs
        WHEN old.number <= (SELECT CAST(value AS INTEGER) FROM settings WHERE name = 'search.outputs')
        BEGIN INSERT INTO output_words (output_words, rowid, data) VALUES ('delete', old.number, old.data); END
        """,
        """
        CREATE TRIGGER invocation_words_go BEFORE DELETE ON invocations
        WHEN old.number <= (SELECT CAST(value AS INTEGER) FROM settings WHERE name = 'search.invocations')
        BEGIN
            INSERT INTO invocation_words (invocation_words, rowid, command_name, content, instance_names)
            SELECT 'delete', number, command_name, content, instance_names FROM invocation_texts
            WHERE number = old.number;
        END
        """,
    ):
        database.execute(statement)
