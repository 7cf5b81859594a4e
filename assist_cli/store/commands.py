"""Saved commands and their versions. A deleted command is removed here; the history keeps its runs."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable
from datetime import datetime

from assist_cli import codes
from assist_cli.errors import Conflict, NotFound
from assist_cli.model import ids, quotas
from assist_cli.model.command import Command, CommandType, CommandVersion
from assist_cli.model.names import meant, normal, some_of
from assist_cli.model.parameters import Definition
from assist_cli.store.database import Reader, Transaction, from_ms, to_ms

_LIMIT = "quota.commands"


def limit(reader: Reader) -> int:
    """Return the maximum number of commands."""
    stored = reader.setting(_LIMIT)
    return quotas.COMMANDS.limit if stored is None else int(stored)


def set_limit(transaction: Transaction, value: int) -> None:
    """Set the maximum number of commands; existing ones stay."""
    transaction.set(_LIMIT, value)


def count(reader: Reader) -> int:
    """Return the number of commands."""
    row = reader.first("SELECT count(*) AS count FROM commands")
    assert row is not None
    return int(row["count"])


def largest(reader: Reader) -> dict[quotas.Quota, int]:
    """Return the highest use of each limit by a saved command; empty when there is none."""
    row = reader.first(
        """
        SELECT max(length(content)) AS content, max(timeout) AS timeout, max(length(name)) AS name,
            max(length(description)) AS description, max(length(working_dir)) AS working_dir,
            max(CASE definitions WHEN '' THEN 0 ELSE json_array_length(definitions) END) AS parameters
        FROM command_states
        """
    )
    if row is None or row["content"] is None:
        return {}
    return {
        quotas.SCRIPT: quotas.base64_length(row["content"]),
        quotas.PARAMETERS: row["parameters"],
        quotas.TIMEOUT: row["timeout"],
        quotas.NAME: row["name"],
        quotas.DESCRIPTION: row["description"],
        quotas.WORKING_DIR: row["working_dir"] or 0,
    }


def create(transaction: Transaction, command: Command) -> None:
    """Write a command with its first version. Raises QuotaExceeded, and Conflict when the name is taken."""
    quotas.check_command_count(count(transaction) + 1, limit(transaction))
    _refuse_taken(transaction, command.name)
    transaction.execute(
        """
        INSERT INTO commands (id, name, description, created_at, modified_at, latest, invocations)
        VALUES (?, ?, ?, ?, ?, ?, ?)
        """,
        [
            command.id,
            command.name,
            command.description,
            to_ms(command.created),
            to_ms(command.modified),
            command.version.number,
            command.invocations,
        ],
    )
    _add_version(transaction, command.id, command.version, command.modified)


def add_version(transaction: Transaction, command_id: str, version: CommandVersion, now: datetime) -> int:
    """Write a version after the newest one; return its number."""
    row = transaction.first("SELECT latest FROM commands WHERE id = ?", [command_id])
    assert row is not None
    number = int(row["latest"]) + 1
    transaction.execute(
        "UPDATE commands SET latest = ?, modified_at = ? WHERE id = ?", [number, to_ms(now), command_id]
    )
    _add_version(transaction, command_id, version, now, number)
    return number


def modify(transaction: Transaction, command_id: str, name: str, description: str, now: datetime) -> None:
    """Change name and description in place. Raises Conflict when another command has the name."""
    _refuse_taken(transaction, name, but=command_id)
    transaction.execute(
        "UPDATE commands SET name = ?, description = ?, modified_at = ? WHERE id = ?",
        [name, description, to_ms(now), command_id],
    )


def delete(transaction: Transaction, command_id: str) -> None:
    """Delete a command with its versions."""
    transaction.execute("DELETE FROM commands WHERE id = ?", [command_id])


def count_invocation(transaction: Transaction, command_id: str) -> bool:
    """Count one more invocation of a command; return False if the command no longer exists."""
    return transaction.execute("UPDATE commands SET invocations = invocations + 1 WHERE id = ?", [command_id]) == 1


def open_invocations(reader: Reader, command_id: str) -> list[str]:
    """Return the ids of the invocations of a command that are Running or Stopping."""
    rows = reader.query(
        "SELECT id FROM invocations WHERE command_id = ? AND status IN ('Running', 'Stopping') ORDER BY id",
        [command_id],
    )
    return [row["id"] for row in rows]


def places(reader: Reader, command_id: str) -> set[str]:
    """Return the ids of all instances of the invocations of a command."""
    rows = reader.query(
        """
        SELECT instance_id FROM invocation_instances JOIN invocations ON invocations.id = invocation_id
        WHERE command_id = ?1
        UNION SELECT instance_id FROM invocation_instances JOIN former_scripts USING (invocation_id)
        WHERE command_id = ?1
        """,
        [command_id],
    )
    return {row["instance_id"] for row in rows}


def exists(reader: Reader, command_id: str) -> bool:
    """Return True if the command with this id exists."""
    return reader.first("SELECT 1 FROM commands WHERE id = ?", [command_id]) is not None


def named(reader: Reader, name: str) -> str | None:
    """Return the id of the command with exactly this name."""
    row = reader.first("SELECT id FROM commands WHERE name = ?", [name])
    return None if row is None else str(row["id"])


def find(reader: Reader, text: str) -> str:
    """Return the id of the command that ``text`` names: by name, by id, or by a unique prefix of the id.

    Raises NotFound, also when a prefix matches several.
    """
    by_name = named(reader, normal(text))
    if by_name is not None:
        return by_name
    prefix = text.lower()
    if len(prefix) > len(ids.Kind.COMMAND.value) and ids.is_prefix(prefix, ids.Kind.COMMAND):
        rows = reader.query(
            "SELECT id, name FROM commands WHERE id >= ? AND id < ? ORDER BY name", [prefix, prefix + "~"]
        )
        if len(rows) == 1:
            return str(rows[0]["id"])
        if rows:
            which = some_of([row["name"] for row in rows])
            raise NotFound(
                f"cannot tell which command {text!r} means: more than one id begins with it",
                hint=f"give more of it, or the name: {which}",
            )
    near = meant(text, (row["name"] for row in reader.query("SELECT name FROM commands")))
    raise NotFound(f"cannot find a command {text!r}", hint=f"{near}assist command list shows what there is")


def get(reader: Reader, command_id: str, number: int | None = None) -> Command:
    """Return a command with its newest version, or with the version of this number. Raises NotFound."""
    row = reader.first(
        "SELECT * FROM command_states WHERE id = ? AND number = coalesce(?, latest)", [command_id, number]
    )
    if row is not None:
        return _command(row)
    row = reader.first("SELECT name, latest FROM commands WHERE id = ?", [command_id])
    if row is None:
        raise NotFound(f"cannot find a command {command_id!r}", hint="assist command list shows what there is")
    raise NotFound(
        f"cannot find version {number} of {row['name']!r}: "
        + ("it has only version 1" if row["latest"] == 1 else f"it has the versions 1 to {row['latest']}"),
        hint="assist command versions NAME shows them",
    )


def versions(reader: Reader, command_id: str) -> list[Command]:
    """Return a command one time for each of its versions, newest first."""
    rows = reader.query("SELECT * FROM command_states WHERE id = ? ORDER BY number DESC", [command_id])
    return [_command(row) for row in rows]


def listing(reader: Reader, limit: int | None = None) -> list[Command]:
    """Return the commands with their newest version, by name, at most ``limit`` (None: all); without the content."""
    rows = reader.query(
        """
        SELECT id, name, description, created_at, modified_at, latest, invocations, number, version_at, type,
            working_dir, timeout, parameters_enabled, definitions, launcher, x'' AS content
        FROM command_states WHERE number = latest ORDER BY name LIMIT ?
        """,
        [-1 if limit is None else limit],
    )
    return [_command(row) for row in rows]


def _refuse_taken(reader: Reader, name: str, *, but: str = "") -> None:
    taken = named(reader, name)
    if taken not in (None, but):
        raise Conflict(
            f"cannot use the name {name!r}: the command {taken} has it",
            code=codes.COMMAND_NAME_EXISTS,
            hint="choose another name, or make a new version of that command: assist command clone NAME",
        )


def _add_version(
    transaction: Transaction, command_id: str, version: CommandVersion, now: datetime, number: int = 1
) -> None:
    transaction.execute(
        """
        INSERT INTO command_versions (command_id, number, created_at, type, content, working_dir, timeout,
            parameters_enabled, definitions, launcher)
        VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
        """,
        [
            command_id,
            number,
            to_ms(version.created or now),
            version.type.value,
            version.content,
            version.working_dir,
            version.timeout,
            version.parameters_enabled,
            _packed(version.definitions),
            version.launcher,
        ],
    )


def _packed(definitions: Iterable[Definition]) -> str:
    rows = [
        [entry.key, entry.description, entry.default, entry.choices, entry.pattern, entry.secret]
        for entry in definitions
    ]
    return json.dumps(rows, ensure_ascii=False) if rows else ""


def _unpacked(text: str) -> tuple[Definition, ...]:
    return tuple(
        Definition(key, description, default, tuple(choices), pattern, secret)
        for key, description, default, choices, pattern, secret in (json.loads(text) if text else ())
    )


def _command(row: sqlite3.Row) -> Command:
    return Command(
        id=row["id"],
        name=row["name"],
        description=row["description"],
        created=from_ms(row["created_at"]),
        modified=from_ms(row["modified_at"]),
        latest=row["latest"],
        invocations=row["invocations"],
        version=CommandVersion(
            content=row["content"],
            type=CommandType(row["type"]),
            working_dir=row["working_dir"],
            launcher=row["launcher"],
            timeout=row["timeout"],
            parameters_enabled=bool(row["parameters_enabled"]),
            definitions=_unpacked(row["definitions"]),
            number=row["number"],
            created=from_ms(row["version_at"]),
        ),
    )
