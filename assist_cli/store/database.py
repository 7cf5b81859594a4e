"""The database file: creating, opening, reading and changing it.

SQLite in WAL mode: readers never wait for a writer. Writers queue (busy timeout) and lock at the start
(``BEGIN IMMEDIATE``), so that what a transaction has read is still true when it writes. A commit is on the disk before
it returns (synchronous FULL), because the next delivery depends on it.

The version of the schema is the number of migrations, and the file's ``user_version``. Plain SQL compares it;
``sqlite_utils``, which takes 100 ms to import, is only needed for a migration. Each transaction compares it again: a
newer Assist may have migrated the file, and this one must not write to an unknown schema. A new file is built under
another name, and gets its own name when it is complete: it is never visible half built, and has the mode 0600 from the
start.

Times are stored as whole milliseconds since the epoch.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

from assist_cli import codes
from assist_cli.errors import Conflict, DatabaseFailure, NotPermitted
from assist_cli.model.timeouts import DEFAULTS
from assist_cli.paths import open_private

# The migrations by name, in order. The files are listed and not imported, which would make each start slower. They are
# listed one time for each process: files that an upgrade adds later do not belong to the code that runs here.
STEPS = sorted({file.stem for file in (Path(__file__).parent / "migrations").iterdir() if file.name[0].isdigit()})
SCHEMA_VERSION = len(STEPS)

EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
LATEST_MS = 250_000_000_000_000  # the year 9892
EXACT_MS = 2**42  # below, seconds as a float are exact to the microsecond
MILLISECOND = timedelta(milliseconds=1)

CONTROLLER_EPOCH = "epoch"  # a setting: see ``Controller.epoch``
REPLACED = "replaced"  # a setting: the epoch of the server that has taken over from this home
RESTORED = "restored"  # a setting: the time of the backup that was restored, in ms, until a server takes over
RESTORE = "stop every assist process, and restore assist.db from a backup"

_WRITE_LOCKS: dict[Path, threading.Lock] = {}


class FailureContext:
    """A context that raises the errors of SQLite as errors for the user. It can be used many times."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, error: BaseException | None, traceback: object) -> None:
        if error is not None:
            self.explain(error)

    def explain(self, error: BaseException) -> None:
        """Raise the error for the user, if there is one."""
        if isinstance(error, sqlite3.ProgrammingError | sqlite3.IntegrityError):
            return  # a wrong statement is a bug, and not a failure of the disk
        if isinstance(error, sqlite3.Error):
            hint = _hint(self._path, str(error))
            raise DatabaseFailure(f"cannot use the database '{self._path}': {error}", hint=hint) from error
        if isinstance(error, UnicodeDecodeError):  # of names in a damaged schema
            raise DatabaseFailure(
                f"cannot use the database '{self._path}': it has text that is not UTF-8", hint=RESTORE
            ) from error


class Reader:
    """A connection for reading rows by SQL."""

    def __init__(self, connection: sqlite3.Connection, path: Path) -> None:
        self._connection = connection
        self._path = path
        self._failures = FailureContext(path)

    def query(self, sql: str, parameters: Sequence[Any] = ()) -> list[sqlite3.Row]:
        """Return all rows. Raises DatabaseFailure."""
        try:  # a context would take a good part of the time of a small statement
            return self._connection.execute(sql, parameters).fetchall()
        except Exception as error:
            self._failures.explain(error)
            raise

    def first(self, sql: str, parameters: Sequence[Any] = ()) -> sqlite3.Row | None:
        """Return the first row, or None. Raises DatabaseFailure."""
        rows = self.query(sql, parameters)
        return rows[0] if rows else None

    def setting(self, name: str) -> str | None:
        """Return the value of a setting. ``controller`` is always set: the name by which agents know us."""
        row = self.first("SELECT value FROM settings WHERE name = ?", [name])
        return None if row is None else str(row["value"])


class Transaction(Reader):
    """A transaction in progress. All functions that write take one, so that nothing is written outside of it."""

    def execute(self, sql: str, parameters: Sequence[Any] = ()) -> int:
        """Run one statement; return the number of rows that it changed."""
        with self._failures:
            return self._connection.execute(sql, parameters).rowcount

    def set(self, name: str, value: str | int | None) -> None:
        """Remember a value under a name (see ``setting``); None removes it."""
        if value is None:
            self.execute("DELETE FROM settings WHERE name = ?", [name])
        else:
            self.execute("INSERT OR REPLACE INTO settings (name, value) VALUES (?, ?)", [name, str(value)])

    @contextlib.contextmanager
    def part(self) -> Iterator[None]:
        """Open a savepoint: an error rolls back this part only, not the rest of the transaction."""
        self.execute("SAVEPOINT part")
        try:
            yield
        except BaseException:
            self.execute("ROLLBACK TO part")
            raise
        finally:
            self.execute("RELEASE part")

    def execute_many(self, sql: str, parameters: Iterable[Sequence[Any]]) -> int:
        """Run one statement for each row of parameters; return the number of rows that these changed."""
        with self._failures:
            return self._connection.executemany(sql, parameters).rowcount


# Opens a transaction, like ``Database.transaction``.
Transactions = Callable[[], contextlib.AbstractContextManager[Transaction]]


class Database(Reader):
    """An open database. ``busy`` is the time that it waits for other writers, in seconds.

    With ``shared`` its transactions are those of another connection. Close it, or use it as a context.
    """

    def __init__(
        self, connection: sqlite3.Connection, path: Path, busy: float, shared: Transactions | None = None
    ) -> None:
        super().__init__(connection, path)
        self._busy = busy
        self._shared = shared

    @contextlib.contextmanager
    def transaction(self) -> Iterator[Transaction]:
        """Open a transaction that is the only writer from its start: committed at the end, rolled back by an error.

        Raises DatabaseFailure when it cannot lock the file within the busy timeout, and when the commit fails. Raises
        Conflict (DatabaseTooNew) when a newer Assist has migrated the file.
        """
        if self._shared is not None:
            with self._shared() as transaction:
                yield transaction
            return
        with self._write_lock():
            with self._failures:
                self._connection.execute("BEGIN IMMEDIATE")
            try:
                with self._failures:
                    _refuse_newer(self._connection, self._path)
                yield Transaction(self._connection, self._path)
                with self._failures:
                    self._connection.execute("COMMIT")
            except BaseException:
                _roll_back(self._connection)
                raise

    @contextlib.contextmanager
    def _write_lock(self) -> Iterator[None]:
        """Wait for the other threads of this process here, since SQLite waits by sleeping and retrying."""
        lock = _WRITE_LOCKS.setdefault(self._path, threading.Lock())
        if not lock.acquire(timeout=self._busy):
            raise DatabaseFailure(f"cannot use the database '{self._path}': it is locked by another thread")
        try:
            yield
        finally:
            lock.release()

    def changes(self) -> tuple[int, int]:
        """Return a value that differs after any change, by another program or on this connection.

        Raises Conflict (DatabaseTooNew) when a newer Assist has migrated the file.
        """
        with self._failures:
            others = self._connection.execute("PRAGMA data_version").fetchone()[0]
            _refuse_newer(self._connection, self._path)
        return others, self._connection.total_changes

    @contextlib.contextmanager
    def away(self) -> Iterator[None]:
        """Close the connection until the end of the block, so that the block can fork this process.

        SQLite takes a connection that a child has inherited for its own, and holds no lock for it. Another process may
        then remove the log while the child writes to it, and what the child writes is lost.
        """
        self._connection.close()
        try:
            yield
        finally:
            with self._failures:
                self._connection = _connect(self._path, self._busy)

    def copy_to(self, copy: sqlite3.Connection) -> None:
        """Copy the database as it is at this moment, in one step. Nobody waits meanwhile. Raises sqlite3.Error."""
        self._connection.backup(copy)

    def log_changes(self) -> None:
        """Use a write-ahead log from now on, as every database of a home does."""
        with self._failures:
            self._connection.execute("PRAGMA journal_mode = WAL")

    def undo_in_memory(self) -> None:
        """Keep in memory what rolls back a part of a transaction. In a file it takes two writes for each page."""
        with self._failures:
            self._connection.execute("PRAGMA temp_store = MEMORY")

    @property
    def version(self) -> int:
        """Return the version of the schema. Raises DatabaseFailure."""
        with self._failures:
            return _version(self._connection)

    def close(self) -> None:
        self._connection.close()

    def __enter__(self) -> Database:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def open_database(
    path: Path,
    *,
    any_thread: bool = False,
    busy: float = DEFAULTS.database,
    migrate: bool = True,
    shared: Transactions | None = None,
) -> Database:
    """Open the database at ``path``; create or migrate it if necessary. Without ``migrate`` open it as it is.

    It is for the thread that opens it or, with ``any_thread``, for one thread at a time. ``busy`` is in seconds. With
    ``shared`` it is for reading, and its transactions are those of another connection.

    Raises DatabaseFailure (not a database, locked for too long, disk), Conflict (DatabaseTooNew) and NotPermitted.
    """
    if migrate and not path.exists():
        _create(path, busy)
    with FailureContext(path):
        connection = _connect(path, busy, any_thread=any_thread)
        try:
            if not _version(connection):  # all of ours have a schema
                raise DatabaseFailure(f"cannot use the database '{path}': it is empty", hint=RESTORE)
            if migrate:
                _migrate(connection, path)
            else:
                _refuse_newer(connection, path)
        except BaseException:
            connection.close()
            raise
    return Database(connection, path, busy, shared)


def to_ms(moment: datetime) -> int:
    """Return a moment as it is stored."""
    return (moment - EPOCH) // MILLISECOND


def from_ms(stored: int) -> datetime:
    """Return a stored moment, in UTC; a value out of range becomes the nearest valid date."""
    if 0 <= stored < EXACT_MS:
        return datetime.fromtimestamp(stored / 1000, timezone.utc)  # takes half the time
    return EPOCH + min(max(stored, 0), LATEST_MS) * MILLISECOND


def to_ms_or_none(moment: datetime | None) -> int | None:
    return None if moment is None else to_ms(moment)


def from_ms_or_none(stored: int | None) -> datetime | None:
    return None if stored is None else from_ms(stored)


def _connect(path: Path, busy: float, *, any_thread: bool = False) -> sqlite3.Connection:
    connection = sqlite3.connect(path, timeout=busy, isolation_level=None, check_same_thread=not any_thread)
    try:
        connection.row_factory = sqlite3.Row
        connection.execute("PRAGMA foreign_keys = ON")
        connection.execute("PRAGMA synchronous = FULL")
    except BaseException:  # these statements show if the file is a database
        connection.close()
        raise
    return connection


def _create(path: Path, busy: float) -> None:
    """Build an empty database of the newest schema and give it the name ``path``, unless that exists by then."""
    draft = path.with_name(f".{path.name}.{os.urandom(8).hex()}")
    try:
        os.close(open_private(draft, os.O_EXCL | os.O_RDWR))
        with FailureContext(path), contextlib.closing(_connect(draft, busy)) as connection:
            connection.execute("PRAGMA auto_vacuum = INCREMENTAL")  # pruned space is returned step by step
            _migrate(connection, path)
            connection.execute("PRAGMA journal_mode = WAL")  # last: on a full disk, a log would hide a lack of space
        with contextlib.suppress(FileExistsError):
            path.hardlink_to(draft)
    except PermissionError as error:
        raise NotPermitted(
            f"cannot create the database '{path}': {error.strerror}",
            hint="set ASSIST_HOME to a folder that you may write to",
        ) from error
    except OSError as error:
        raise DatabaseFailure(f"cannot create the database '{path}': {error.strerror}") from error
    finally:
        for suffix in ("", "-wal", "-shm"):
            with contextlib.suppress(OSError):  # if it cannot be created, there is nothing to remove
                draft.with_name(draft.name + suffix).unlink()


def _migrate(connection: sqlite3.Connection, path: Path) -> None:
    if _version(connection) == SCHEMA_VERSION:
        return
    # A table is changed by creating a new one in its place. Rows that refer to the old one must not be deleted with it.
    connection.execute("PRAGMA foreign_keys = OFF")
    connection.execute("BEGIN IMMEDIATE")
    try:
        _refuse_newer(connection, path)
        if _version(connection) < SCHEMA_VERSION:
            from assist_cli.store import migrations

            migrations.apply(connection, STEPS)
            connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION:d}")
        connection.execute("COMMIT")
    except BaseException:
        _roll_back(connection)
        raise
    connection.execute("PRAGMA foreign_keys = ON")


def _roll_back(connection: sqlite3.Connection) -> None:
    """Roll back the transaction, unless SQLite has done so. Its errors matter less than the earlier one."""
    if connection.in_transaction:
        with contextlib.suppress(sqlite3.Error):
            connection.execute("ROLLBACK")


def _refuse_newer(connection: sqlite3.Connection, path: Path) -> None:
    version = _version(connection)
    if version > SCHEMA_VERSION:
        raise Conflict(
            f"cannot use the database '{path}': a newer Assist has changed it to schema {version}, "
            f"and this one knows {SCHEMA_VERSION}",
            hint="use the newer Assist, or set ASSIST_HOME to another folder",
            code=codes.DATABASE_TOO_NEW,
        )


def _version(connection: sqlite3.Connection) -> int:
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


def _hint(path: Path, error: str) -> str:
    if any(word in error for word in ("malformed", "not a database", "no such table", "no such column", "UTF-8")):
        return RESTORE
    if any(word in error for word in ("already exists", "duplicate column")):
        return f"an unreleased Assist has changed it, whose schema is another one: {RESTORE}"
    with contextlib.suppress(OSError, AttributeError):  # Windows has no statvfs
        if "is full" in error or not os.statvfs(path.parent).f_bavail:
            return f"the disk is full: make room for '{path.parent}'"
    return "check that the disk has free space, that the file is yours, and that no other program locks it"
