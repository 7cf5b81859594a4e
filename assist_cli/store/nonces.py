"""The signatures of earlier calls: each call is answered one time, also after a restart of the server.

They have a file of their own. Nothing waits for the disk: what the system has received survives any end of this
process, and a call expires a quarter of an hour after it was made. Only a loss of power can damage the file. A damaged
one is replaced at the next start, and nothing else is lost with it.
"""

from __future__ import annotations

import logging
import os
import sqlite3
import threading
from datetime import datetime
from pathlib import Path

from assist_cli.errors import DatabaseFailure
from assist_cli.paths import open_private
from assist_cli.store.database import to_ms

PRUNED_EVERY = 100  # calls, which wait for it; twice as many are deleted at most

log = logging.getLogger(__name__)


class Nonces:
    """The file of nonces at ``path``, open for the threads of one server. Raises DatabaseFailure. Close it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._added = 0
        try:
            try:
                self._connection = _opened(path)
            except _Damaged as error:
                log.warning("replacing the damaged file '%s': %s", path, error)
                for suffix in ("", "-wal", "-shm"):
                    path.with_name(path.name + suffix).unlink(missing_ok=True)
                self._connection = _opened(path)
        except (OSError, sqlite3.Error, _Damaged) as error:
            raise self._failure(error) from error

    def add(self, digest: bytes, expires: datetime, now: datetime) -> bool:
        """Note a call by its digest, until it expires; return False if it was seen before."""
        with self._lock:
            try:
                added = self._connection.execute(
                    "INSERT OR IGNORE INTO nonces VALUES (?, ?)", [digest, to_ms(expires)]
                ).rowcount
                self._added += added
                if self._added >= PRUNED_EVERY:
                    self._added = 0
                    self._connection.execute(
                        "DELETE FROM nonces WHERE digest IN (SELECT digest FROM nonces WHERE expires < ? LIMIT ?)",
                        [to_ms(now), 2 * PRUNED_EVERY],
                    )
            except sqlite3.Error as error:
                raise self._failure(error) from error
        return added == 1

    def close(self) -> None:
        self._connection.close()

    def _failure(self, error: Exception) -> DatabaseFailure:
        return DatabaseFailure(
            f"cannot use the file '{self._path}': {error}",
            hint="stop the server and remove the file; it is created again",
        )


class _Damaged(Exception):
    """The file is not a whole database."""


def _opened(path: Path) -> sqlite3.Connection:
    """Open the file; create it if necessary. Raises OSError, sqlite3.Error, _Damaged."""
    os.close(open_private(path, os.O_RDWR))
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    try:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = OFF")
        (state,) = connection.execute("PRAGMA quick_check(1)").fetchone()
        if state != "ok":
            raise _Damaged(state)
        connection.execute("CREATE TABLE IF NOT EXISTS nonces (digest BLOB PRIMARY KEY, expires INTEGER) WITHOUT ROWID")
        connection.execute("CREATE INDEX IF NOT EXISTS nonces_expires ON nonces (expires)")
    except BaseException as error:
        connection.close()
        if type(error) is sqlite3.DatabaseError:  # not one of its classes, such as that of a full disk
            raise _Damaged(str(error)) from error
        raise
    return connection
