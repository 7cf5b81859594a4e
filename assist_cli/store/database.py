"""The one database file: how it is made, opened, read and changed.

SQLite in WAL mode: readers never wait for a writer, writers queue (busy timeout) and take their lock at the start
(``BEGIN IMMEDIATE``), so that what a transaction has read is still true when it writes. A commit is on the disk before
it returns (synchronous FULL), because what is sent next depends on it.

The version of the schema is the number of migrations, and the file's ``user_version``. It is compared with plain SQL,
and ``sqlite_utils``, which takes 100 ms to import, comes in only when a migration is due. Each transaction compares it
again: a newer Assist may have migrated the file meanwhile, and this one must not write what it does not know. A new
file is built beside its name, complete, and then given the name: nobody ever sees half a database, and it has its mode
0600 from its first moment.

Times are stored as whole milliseconds since the epoch.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import threading
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

from assist_cli import codes
from assist_cli.errors import Conflict, DatabaseFailure, NotPermitted
from assist_cli.model.timeouts import DEFAULTS
from assist_cli.paths import open_private

# The migrations by name, in their order. The files are listed and not imported, which would make each start slower;
# once for each process, since what an upgrade puts there later is not the code that runs here.
STEPS = sorted({file.stem for file in (Path(__file__).parent / "migrations").iterdir() if file.name[0].isdigit()})
SCHEMA_VERSION = len(STEPS)

EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
LATEST_MS = 250_000_000_000_000  # the year 9892
MILLISECOND = timedelta(milliseconds=1)

CONTROLLER_EPOCH = "epoch"  # a setting: see ``Controller.epoch``
REPLACED = "replaced"  # a setting: when an agent said first that another server has taken over from this one
RESTORED = "restored"  # a setting: when the backup was made that this database comes from, until a server takes over
RESTORE = "stop every assist, and put a copy of assist.db in its place"

_TURNS: dict[Path, threading.Lock] = {}


class Reader:
    """Reads rows by SQL."""

    def __init__(self, connection: sqlite3.Connection, path: Path) -> None:
        self._connection = connection
        self._path = path

    def query(self, sql: str, parameters: Sequence[Any] = ()) -> list[sqlite3.Row]:
        """All rows. Raises DatabaseFailure."""
        with failures(self._path):
            return self._connection.execute(sql, parameters).fetchall()

    def first(self, sql: str, parameters: Sequence[Any] = ()) -> sqlite3.Row | None:
        """The first row, or None. Raises DatabaseFailure."""
        rows = self.query(sql, parameters)
        return rows[0] if rows else None

    def setting(self, name: str) -> str | None:
        """What is remembered under a name; ``controller`` is always there: the name that agents know us by."""
        row = self.first("SELECT value FROM settings WHERE name = ?", [name])
        return None if row is None else str(row["value"])


class Transaction(Reader):
    """A change under way. What writes asks for one of these, so that nothing is written outside a transaction."""

    def execute(self, sql: str, parameters: Sequence[Any] = ()) -> int:
        """Run one statement; the number of rows that it changed."""
        with failures(self._path):
            return self._connection.execute(sql, parameters).rowcount

    def set(self, name: str, value: str | int | None) -> None:
        """Remember a value under a name (see ``setting``); None removes it."""
        if value is None:
            self.execute("DELETE FROM settings WHERE name = ?", [name])
        else:
            self.execute("INSERT OR REPLACE INTO settings (name, value) VALUES (?, ?)", [name, str(value)])

    @contextlib.contextmanager
    def part(self) -> Iterator[None]:
        """A part that is undone alone when it fails; the rest of the transaction stays."""
        self.execute("SAVEPOINT part")
        try:
            yield
        except BaseException:
            self.execute("ROLLBACK TO part")
            raise
        finally:
            self.execute("RELEASE part")

    def execute_many(self, sql: str, parameters: Iterable[Sequence[Any]]) -> None:
        """Run one statement for each row of parameters."""
        with failures(self._path):
            self._connection.executemany(sql, parameters)


class Database(Reader):
    """An open database. ``busy`` is how long it waits for others who write, in seconds.

    Close it, or use it as a context.
    """

    def __init__(self, connection: sqlite3.Connection, path: Path, busy: float) -> None:
        super().__init__(connection, path)
        self._busy = busy

    @contextlib.contextmanager
    def transaction(self) -> Iterator[Transaction]:
        """A transaction that is the only writer from its first statement: committed at the end, or undone by an error.

        Raises DatabaseFailure when the lock is not to be had within the busy timeout, and when the commit fails, and
        Conflict (DatabaseTooNew) when a newer Assist has migrated the file.
        """
        with self._turn():
            with failures(self._path):
                self._connection.execute("BEGIN IMMEDIATE")
            try:
                with failures(self._path):
                    _refuse_newer(self._connection, self._path)
                yield Transaction(self._connection, self._path)
                with failures(self._path):
                    self._connection.execute("COMMIT")
            except BaseException:
                _roll_back(self._connection)
                raise

    @contextlib.contextmanager
    def _turn(self) -> Iterator[None]:
        """Write when the other threads of this process have written: SQLite waits by sleeping and trying again."""
        turn = _TURNS.setdefault(self._path, threading.Lock())
        if not turn.acquire(timeout=self._busy):
            raise DatabaseFailure(f"cannot use the database '{self._path}': it is locked by another thread")
        try:
            yield
        finally:
            turn.release()

    def changes(self) -> tuple[int, int]:
        """A mark that is another one when anybody has changed something since: other programs, or this connection.

        Raises Conflict (DatabaseTooNew) when a newer Assist has migrated the file.
        """
        with failures(self._path):
            others = self._connection.execute("PRAGMA data_version").fetchone()[0]
            _refuse_newer(self._connection, self._path)
        return others, self._connection.total_changes

    @contextlib.contextmanager
    def away(self) -> Iterator[None]:
        """Not connected until the end of the block, in which this process may be forked.

        SQLite takes a connection that a child has inherited for its own and holds no lock for it; then the file is
        tidied up under the child's hands, and what it writes is lost.
        """
        self._connection.close()
        try:
            yield
        finally:
            with failures(self._path):
                self._connection = _connect(self._path, self._busy)

    def copy_to(self, copy: sqlite3.Connection) -> None:
        """Copy all of it as it is at this moment, in one step: who writes meanwhile waits for nothing."""
        with failures(self._path):
            self._connection.backup(copy)

    def log_changes(self) -> None:
        """Use a write-ahead log from now on, as every database of a home does."""
        with failures(self._path):
            self._connection.execute("PRAGMA journal_mode = WAL")

    @property
    def version(self) -> int:
        """The version of the schema. Raises DatabaseFailure."""
        with failures(self._path):
            return _version(self._connection)

    def close(self) -> None:
        self._connection.close()

    def __enter__(self) -> Database:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def open_database(
    path: Path, *, any_thread: bool = False, busy: float = DEFAULTS.database, migrate: bool = True
) -> Database:
    """The database at ``path``, made or migrated when that is due; without ``migrate`` one that exists, as it is.

    It is for the thread that opens it, or with ``any_thread`` for one at a time. ``busy`` is in seconds.

    Raises DatabaseFailure (not a database, locked for too long, disk), Conflict (DatabaseTooNew) and NotPermitted.
    """
    if migrate and not path.exists():
        _create(path, busy)
    with failures(path):
        connection = _connect(path, busy, any_thread=any_thread)
        try:
            if not _version(connection):  # one that we made is never without a schema
                raise DatabaseFailure(f"cannot use the database '{path}': nothing is in it", hint=RESTORE)
            if migrate:
                _migrate(connection, path)
            else:
                _refuse_newer(connection, path)
        except BaseException:
            connection.close()
            raise
    return Database(connection, path, busy)


def to_ms(moment: datetime) -> int:
    """A moment as it is stored."""
    return (moment - EPOCH) // MILLISECOND


def from_ms(stored: int) -> datetime:
    """A stored moment, in UTC; one that is no date in every time zone is the nearest that is."""
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
    except BaseException:  # here the file shows whether it is a database
        connection.close()
        raise
    return connection


def _create(path: Path, busy: float) -> None:
    """Build an empty database of the newest schema beside ``path`` and give it the name, unless another was faster."""
    draft = path.with_name(f".{path.name}.{os.urandom(8).hex()}")
    try:
        os.close(open_private(draft, os.O_EXCL | os.O_RDWR))
        with failures(path), contextlib.closing(_connect(draft, busy)) as connection:
            connection.execute("PRAGMA auto_vacuum = INCREMENTAL")  # what is pruned is given back step by step
            _migrate(connection, path)
            connection.execute("PRAGMA journal_mode = WAL")  # last: on a full disk a log would hold what is missing
        with contextlib.suppress(FileExistsError):
            path.hardlink_to(draft)
    except PermissionError as error:
        raise NotPermitted(
            f"cannot make the database '{path}': {error.strerror}",
            hint="set ASSIST_HOME to a folder that you may write to",
        ) from error
    except OSError as error:
        raise DatabaseFailure(f"cannot make the database '{path}': {error.strerror}") from error
    finally:
        for suffix in ("", "-wal", "-shm"):
            with contextlib.suppress(OSError):  # where it cannot be made there is nothing to remove
                draft.with_name(draft.name + suffix).unlink()


def _migrate(connection: sqlite3.Connection, path: Path) -> None:
    if _version(connection) == SCHEMA_VERSION:
        return
    # A table is changed by making a new one in its place; what refers to it must not go with the old one meanwhile.
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
    """Undo the transaction, unless SQLite has done it; what went wrong before matters more than what does here."""
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


@contextlib.contextmanager
def failures(path: Path) -> Iterator[None]:
    """Say of what SQLite reports what it means for the user."""
    try:
        yield
    except (sqlite3.ProgrammingError, sqlite3.IntegrityError):
        raise  # ours: a wrong statement is a bug and not a failure of the disk
    except sqlite3.Error as error:
        raise DatabaseFailure(f"cannot use the database '{path}': {error}", hint=_hint(path, str(error))) from error
    except UnicodeDecodeError as error:  # of names in a damaged schema
        raise DatabaseFailure(f"cannot use the database '{path}': it holds no UTF-8", hint=RESTORE) from error


def _hint(path: Path, error: str) -> str:
    if any(word in error for word in ("malformed", "not a database", "no such table", "no such column", "UTF-8")):
        return RESTORE
    with contextlib.suppress(OSError, AttributeError):  # Windows has no statvfs
        if "is full" in error or not os.statvfs(path.parent).f_bavail:
            return f"the disk is full: make room for '{path.parent}'"
    return "see that the disk has room, that the file is yours, and that no other program holds it"
