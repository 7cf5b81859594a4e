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
from urllib.parse import quote

from assist_cli.errors import Conflict, DatabaseFailure, FileFailure
from assist_cli.model.invocation import NOBODY
from assist_cli.store.database import RESTORED, Database, Reader, Transaction, from_ms, to_ms


@dataclass(frozen=True)
class Origin:
    """The home that a backup is a copy of: its path, the name and the machine id of its host, and the time."""

    home: str
    host: str
    machine: str
    created: datetime


def write(database: Database, draft: Path, path: Path, origin: Origin, files: Mapping[str, bytes]) -> None:
    """Copy an open database, as it is at this moment, to the empty file ``draft``, with these files by name.

    Others read and write the database meanwhile. Raises DatabaseFailure, which names the backup ``path``.
    """
    with _failures(path, draft), contextlib.closing(sqlite3.connect(draft, isolation_level=None)) as copy:
        copy.execute("PRAGMA synchronous = OFF")  # the caller syncs the whole file
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


def is_backup_file(path: Path) -> bool:
    """Return True if ``write`` has written the file at ``path``. Nothing is written beside it, as SQLite may do."""
    where = f"file:{quote(str(path))}?mode=ro&immutable=1"
    try:
        with contextlib.closing(sqlite3.connect(where, uri=True)) as connection:
            return is_backup(Reader(connection, path))
    except (sqlite3.Error, DatabaseFailure):
        return False


def is_backup(reader: Reader) -> bool:
    """Return True if ``write`` has written this database. Raises DatabaseFailure."""
    query = "SELECT count(*) FROM sqlite_master WHERE type = 'table' AND name IN ('backup', 'backup_files')"
    row = reader.first(query)
    return row is not None and row[0] == 2


@contextlib.contextmanager
def readable(path: Path, copy: Path) -> Iterator[None]:
    """Report what is wrong with the ``copy`` of the backup ``path``.

    Raises DatabaseFailure with the bare reason for what ``write`` never writes, FileFailure if the disk is full, and
    Conflict if a newer Assist has written it.
    """
    try:
        yield
    except DatabaseFailure as error:
        reason = error.message.removeprefix(f"cannot use the database '{copy}': ")
        if any(words in reason for words in ("is full", "I/O error")):
            raise FileFailure(f"cannot restore '{path}': {reason}", hint="make room for ASSIST_HOME") from error
        raise DatabaseFailure(reason) from error
    except Conflict as error:
        raise Conflict(
            f"cannot restore '{path}': a newer Assist has written it", hint="use the newer Assist", code=error.code
        ) from error
    except (sqlite3.Error, ArithmeticError, LookupError, TypeError, ValueError) as error:
        raise DatabaseFailure(f"its content makes no sense ({error})") from error


def origin(reader: Reader) -> Origin:
    """Return the origin of a backup. Raises DatabaseFailure, LookupError, TypeError, ValueError."""
    row = reader.query("SELECT home, host, machine, created_at FROM backup")[0]
    return Origin(_text(row["home"]), _text(row["host"]), _text(row["machine"]), from_ms(row["created_at"]))


def files(reader: Reader) -> Iterator[tuple[str, bytes]]:
    """Yield the name and the content of each file of the home. Raises DatabaseFailure, ValueError."""
    for row in reader.query("SELECT name, content FROM backup_files"):
        if not isinstance(row["content"], bytes):
            raise ValueError("the content of a file is not bytes")
        yield _text(row["name"]), row["content"]


def _text(value: object) -> str:
    """Return a value that the system can use as a path. Raises ValueError."""
    if not isinstance(value, str) or "\0" in value:
        raise ValueError(f"{value!r:.40} is not text")
    return value


@contextlib.contextmanager
def _failures(path: Path, draft: Path) -> Iterator[None]:
    """Report an error of SQLite as one of writing the backup ``path``."""
    try:
        yield
    except sqlite3.Error as error:
        is_damaged = "malformed" in str(error)  # the home, not the backup
        hint = "check the home: assist doctor" if is_damaged else f"see if there is room in '{draft.parent}'"
        raise DatabaseFailure(f"cannot write the backup '{path}': {error}", hint=hint) from error


def settle(transaction: Transaction) -> None:
    """Turn the copy of a backup into the database of a home.

    Records that were not sent when the backup was written may have been sent since, so their agents are asked. The
    server of then is not one of this home. Raises DatabaseFailure, LookupError.
    """
    row = transaction.query("SELECT created_at FROM backup")[0]
    transaction.execute(
        """
        UPDATE records SET sent_at = ?, sender = ?
        WHERE status IN ('Running', 'Stopping') AND sent_at IS NULL AND deliver_by IS NULL
        """,
        [row["created_at"], NOBODY],
    )
    transaction.execute("DELETE FROM lease")
    transaction.set(RESTORED, str(row["created_at"]))
    transaction.execute("DROP TABLE backup_files")
    transaction.execute("DROP TABLE backup")
