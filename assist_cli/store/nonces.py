"""The signatures of earlier calls: each call is answered one time, also after a restart of the server.

They have a file of their own. Writes do not wait for the disk: data that the system has survives any end of this
process, and a call expires a quarter of an hour after it was made. If the file is lost, nothing else is lost.
"""

from __future__ import annotations

import os
import sqlite3
import threading
from datetime import datetime
from pathlib import Path

from assist_cli.errors import DatabaseFailure
from assist_cli.paths import open_private
from assist_cli.store.database import to_ms

PRUNED_EVERY = 1000


class Nonces:
    """The file of nonces at ``path``, open for the threads of one server. Raises DatabaseFailure. Close it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._added = 0
        try:
            os.close(open_private(path, os.O_RDWR))
            self._connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
            try:
                self._connection.execute("PRAGMA journal_mode = WAL")
                self._connection.execute("PRAGMA synchronous = NORMAL")
                self._connection.execute(
                    "CREATE TABLE IF NOT EXISTS nonces (digest BLOB PRIMARY KEY, expires INTEGER) WITHOUT ROWID"
                )
            except BaseException:
                self._connection.close()
                raise
        except (OSError, sqlite3.Error) as error:
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
                    self._connection.execute("DELETE FROM nonces WHERE expires < ?", [to_ms(now)])
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
