"""A backup: the database of a home and the files that belong to it, in one file.

The file is an SQLite database itself: the tables of the home, ``backup`` with what it is a copy of, and
``backup_files`` with the content of the other files. So one commit makes it, and ``integrity_check`` covers all of it.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from assist_cli.store.database import RESTORED, Database, Reader, Transaction, failures, from_ms, to_ms

NOBODY = "-"  # as the sender of a record: no process has this token


@dataclass(frozen=True)
class Origin:
    """The home that a backup is a copy of: its path, the name and the machine id of its host, and when it was made."""

    home: str
    host: str
    machine: str
    created: datetime


def write(database: Database, path: Path, origin: Origin, files: Mapping[str, bytes]) -> None:
    """Copy an open database, as it is at this moment, to the empty file ``path``, with these files by name.

    Others read and write it meanwhile. Raises DatabaseFailure.
    """
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as copy, failures(path):
        copy.execute("PRAGMA synchronous = OFF")  # whoever asked syncs the whole file
        database.copy_to(copy)
        copy.execute("PRAGMA journal_mode = DELETE")
        copy.execute("BEGIN")
        copy.execute("CREATE TABLE backup (home TEXT, host TEXT, machine TEXT, created_at INTEGER)")
        copy.execute("CREATE TABLE backup_files (name TEXT PRIMARY KEY, content BLOB NOT NULL)")
        copy.execute(
            "INSERT INTO backup VALUES (?, ?, ?, ?)",
            [origin.home, origin.host, origin.machine, to_ms(origin.created)],
        )
        copy.executemany("INSERT INTO backup_files VALUES (?, ?)", files.items())
        copy.execute("COMMIT")


def is_backup(reader: Reader) -> bool:
    """Return True for a file that ``write`` has made."""
    query = "SELECT count(*) FROM sqlite_master WHERE type = 'table' AND name IN ('backup', 'backup_files')"
    row = reader.first(query)
    return row is not None and row[0] == 2


def origin(reader: Reader) -> Origin:
    row = reader.query("SELECT * FROM backup")[0]
    return Origin(row["home"], row["host"], row["machine"], from_ms(row["created_at"]))


def files(reader: Reader) -> Iterator[tuple[str, bytes]]:
    """Yield the name and the content of each file of the home."""
    for row in reader.query("SELECT name, content FROM backup_files"):
        yield row["name"], row["content"]


def settle(transaction: Transaction) -> None:
    """Make a database of a copy: what only a backup has goes, and what was under way then counts as perhaps sent.

    Records that were not sent when the copy was made have been sent since, or not: their agents are asked.
    """
    row = transaction.query("SELECT created_at FROM backup")[0]
    transaction.execute(
        """
        UPDATE records SET sent_at = ?, sender = ?
        WHERE status IN ('Running', 'Stopping') AND sent_at IS NULL AND deliver_by IS NULL
        """,
        [row["created_at"], NOBODY],
    )
    transaction.set(RESTORED, str(row["created_at"]))
    transaction.execute("DROP TABLE backup_files")
    transaction.execute("DROP TABLE backup")
