"""The instances that this controller knows. One that was removed stays for the history that names it."""

from __future__ import annotations

import sqlite3

from assist_cli.model.instance import Instance
from assist_cli.store.database import Reader, Transaction, from_ms, to_ms


def by_name(reader: Reader, name: str) -> Instance | None:
    """The instance that bears the name now."""
    row = reader.first("SELECT * FROM instances WHERE name = ? AND removed_at IS NULL", [name])
    return None if row is None else _instance(row)


def by_id(reader: Reader, instance_id: str) -> Instance | None:
    """The instance of this id, removed or not."""
    row = reader.first("SELECT * FROM instances WHERE id = ?", [instance_id])
    return None if row is None else _instance(row)


def register(transaction: Transaction, instance: Instance) -> None:
    """Remember an instance. Another one that bore its name is removed; one of the same id is updated."""
    transaction.execute(
        "UPDATE instances SET removed_at = ? WHERE name = ? AND id <> ? AND removed_at IS NULL",
        [to_ms(instance.created), instance.name, instance.id],
    )
    transaction.execute(
        """
        INSERT INTO instances (id, name, address, os_type, created_at) VALUES (?, ?, ?, ?, ?)
        ON CONFLICT (id) DO UPDATE SET
            name = excluded.name, address = excluded.address, os_type = excluded.os_type, removed_at = NULL
        """,
        [instance.id, instance.name, instance.address, instance.os_type, to_ms(instance.created)],
    )


def _instance(row: sqlite3.Row) -> Instance:
    return Instance(
        id=row["id"],
        name=row["name"],
        address=row["address"],
        os_type=row["os_type"],
        created=from_ms(row["created_at"]),
    )
