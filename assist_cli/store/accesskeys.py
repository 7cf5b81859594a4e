"""Access keys with their secrets, which are needed to check signatures. The file has the mode 0600."""

from __future__ import annotations

import functools
import sqlite3

from assist_cli import codes
from assist_cli.errors import Conflict, NotFound
from assist_cli.model.access import AccessKey
from assist_cli.model.secret import Secret
from assist_cli.store.database import Reader, Transaction
from assist_cli.store.principals import COLUMNS, fields_of, values_of


def add(transaction: Transaction, key: AccessKey) -> None:
    """Write a key. Raises Conflict when its name is taken."""
    taken = transaction.first("SELECT id FROM access_keys WHERE name = ?", [key.name])
    if taken is not None:
        raise Conflict(
            f"cannot use the name {key.name!r}: the access key {taken['id']} has it",
            code=codes.ACCESS_KEY_NAME_EXISTS,
            hint="choose another name, or delete that key: assist accesskey delete NAME",
        )
    transaction.execute(
        f"INSERT INTO access_keys ({COLUMNS}, secret) VALUES (?, ?, ?, ?, ?, ?, ?)",  # noqa: S608 - a constant
        [*values_of(key), key.secret.reveal()],
    )


def listing(reader: Reader) -> list[AccessKey]:
    """Return all keys by name, without their secrets."""
    return [_key(row) for row in reader.query("SELECT * FROM access_keys ORDER BY name")]


def find(reader: Reader, text: str) -> AccessKey:
    """Return the key with exactly this name or id, without its secret. Raises NotFound."""
    row = reader.first("SELECT * FROM access_keys WHERE name = ?1 OR id = ?1", [text])
    if row is None:
        raise NotFound(f"cannot find an access key {text!r}", hint="assist accesskey list shows what there is")
    return _key(row)


def with_secret(reader: Reader, key_id: str) -> AccessKey | None:
    """Return the key with exactly this id, with its secret."""
    row = reader.first("SELECT * FROM access_keys WHERE id = ?", [key_id])
    return None if row is None else _key_with_secret(row)


@functools.lru_cache(maxsize=64)  # each call reads its key: mostly an unchanged row
def _key_with_secret(row: sqlite3.Row) -> AccessKey:
    return _key(row, Secret(row["secret"]))


def _key(row: sqlite3.Row, secret: Secret | None = None) -> AccessKey:
    return AccessKey(**fields_of(row), secret=secret or Secret(None))
