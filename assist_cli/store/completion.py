"""Queries for shell completion, in a few milliseconds. They create and change nothing.

A file that is missing, locked, or without these columns raises ``sqlite3.Error``: there is nothing to complete. Only
``sqlite3`` is imported, so that Tab answers quickly.
"""

from __future__ import annotations

import os
import sqlite3

MOST = 100  # ids, newest first: more than a person reads

Pair = tuple[str, str]


class CompletionQueries:
    """A read-only connection to the database. Raises ``sqlite3.Error``, here and in each method."""

    def __init__(self, path: str) -> None:
        # While no other program has the file open, it has no log, and SQLite would create one to read it.
        mode = "mode=ro" if os.path.exists(f"{path}-wal") else "mode=ro&immutable=1"
        name = path.replace("%", "%25").replace("?", "%3f").replace("#", "%23")
        self._connection = sqlite3.connect(f"file:{name}?{mode}", uri=True, timeout=0)

    def commands(self) -> list[tuple[str, str, int]]:
        """Return name, description and newest version of each command, by name."""
        return self._rows("SELECT name, description, latest FROM commands ORDER BY name")

    def versions(self, command: str) -> list[tuple[int, int]]:
        """Return number and time (milliseconds) of each version of a command, newest first."""
        return self._rows(
            """
            SELECT number, version.created_at FROM command_versions AS version
            JOIN commands ON commands.id = version.command_id WHERE name = ? ORDER BY number DESC
            """,
            command,
        )

    def definitions(self, command: str, version: int | None) -> list[tuple[str, str, str | None]]:
        """Return key, description and choices (as lines) of each parameter of a version, or of the newest one."""
        return self._rows(
            """
            SELECT json_extract(entry.value, '$[0]'), json_extract(entry.value, '$[1]'),
                (SELECT group_concat(value, char(10)) FROM json_each(entry.value, '$[3]'))
            FROM command_states, json_each(nullif(definitions, '')) AS entry
            WHERE name = ? AND number = coalesce(?, latest)
            """,
            command,
            version,
        )

    def instances(self) -> list[Pair]:
        """Return name and address of each instance, by name."""
        return self._rows("SELECT name, address FROM instances WHERE removed_at IS NULL ORDER BY name")

    def tags(self) -> list[tuple[str, str, int]]:
        """Return key, value and number of instances of each tag."""
        return self._rows(
            """
            SELECT entry.key, entry.value, count(*) FROM instances, json_each(tags) AS entry
            WHERE removed_at IS NULL GROUP BY entry.key, entry.value ORDER BY entry.key, entry.value
            """
        )

    def facts(self) -> list[tuple[str, str, int]]:
        """Return name, value and number of instances of the facts that targets often name."""
        return self._rows(
            """
            SELECT fact.value, json_extract(facts, '$.' || fact.value), count(*)
            FROM json_each('["os", "version", "arch"]') AS fact, instances
            WHERE removed_at IS NULL AND json_extract(facts, '$.' || fact.value) IS NOT NULL GROUP BY 1, 2 ORDER BY 1, 2
            """
        )

    def groups(self) -> list[Pair]:
        """Return name and target of each group, by name."""
        return self._rows("SELECT name, target FROM target_groups ORDER BY name")

    def invocations(self, prefix: str) -> list[tuple[str, str, int, str | None, int | None, bytes, str | None]]:
        """Return the newest invocations whose ids begin with ``prefix``.

        Of each: id, status, time, command, version, beginning of the script, and the name of a file.
        """
        return self._rows(
            """
            SELECT id, status, created_at, command_name, command_version, substr(content, 1, 200),
                (SELECT name FROM transfers WHERE invocation_id = invocations.id)
            FROM invocations WHERE id >= ?1 AND id < ?1 || '~' ORDER BY id DESC LIMIT ?2
            """,
            prefix,
            MOST,
        )

    def queued(self) -> list[tuple[str, str, int]]:
        """Id, name of the instance and time of the first queued records."""
        return self._rows(
            f"""
            SELECT records.id, instance_name, queued_at FROM records
            JOIN invocation_instances USING (invocation_id, instance_id)
            WHERE deliver_by IS NOT NULL AND records.status = 'Running' AND accepted = 0 AND queued_at IS NOT NULL
            ORDER BY queued_at LIMIT {MOST}
            """  # noqa: S608
        )

    def queued_invocations(self) -> list[tuple[str, int]]:
        """Id and number of queued records of the newest invocations that have any."""
        return self._rows(
            f"""
            SELECT invocation_id, count(*) FROM records
            WHERE deliver_by IS NOT NULL AND status = 'Running' AND accepted = 0 AND queued_at IS NOT NULL
            GROUP BY 1 ORDER BY 1 DESC LIMIT {MOST}
            """  # noqa: S608
        )

    def instances_of(self, invocation: str) -> list[Pair]:
        """Return name and status of the instances of the one invocation whose id begins with ``invocation``."""
        return self._rows(
            """
            SELECT instance_name, status FROM invocation_instances WHERE invocation_id =
                (SELECT CASE count(*) WHEN 1 THEN max(id) END FROM invocations WHERE id >= ?1 AND id < ?1 || '~')
            ORDER BY position
            """,
            invocation,
        )

    def access_keys(self) -> list[Pair]:
        """Return name and role of each access key, by name."""
        return self._rows("SELECT name, role FROM access_keys ORDER BY name")

    def enrolments(self) -> list[tuple[str, int, int]]:
        """Return id, time and number of uses of each enrolment, the newest first."""
        return self._rows("SELECT id, created_at, uses FROM enrolments ORDER BY id DESC")

    def users(self) -> list[Pair]:
        """Return name and role of each user of the console, by name."""
        return self._rows("SELECT name, role FROM users ORDER BY name")

    def close(self) -> None:
        self._connection.close()

    def _rows(self, sql: str, *parameters: str | int | None) -> list:  # type: ignore[type-arg]
        return self._connection.execute(sql, parameters).fetchall()
