"""The writer of many threads: their changes go over one connection, and changes at the same time share one commit.

A commit waits for the disk, and a connection reads all pages again that another one has changed. So each thread makes
its change in turn, in a savepoint, and the last one of those that wait commits them all. They return after the commit.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator

from assist_cli.errors import Conflict, DatabaseFailure
from assist_cli.store.database import Database, Transaction


class _Group:
    """The threads that share a transaction: ``members`` have not made their change. ``error``: it has failed."""

    def __init__(self) -> None:
        self.members = 0
        self.error: Exception | None = None
        self.ended = threading.Event()
        self._stack = contextlib.ExitStack()
        self._transaction: Transaction | None = None

    @contextlib.contextmanager
    def part(self, database: Database) -> Iterator[Transaction]:
        """Make a change; the first member opens the transaction. Raises its error.

        A failure of the database fails the transaction: SQLite may have rolled it back.
        """
        if self.error is not None:
            raise self.error
        try:
            if self._transaction is None:
                self._transaction = self._stack.enter_context(database.transaction())
            with self._transaction.part():
                yield self._transaction
        except (DatabaseFailure, Conflict) as error:
            if isinstance(error, DatabaseFailure) or self._transaction is None:
                self.error = error
            raise

    def end(self) -> None:
        """Commit, or roll back after an error."""
        try:
            if self.error is None:
                self._stack.close()
            else:
                self._stack.__exit__(type(self.error), self.error, None)
        except Exception as error:
            self.error = error
        self.ended.set()


class SharedWriter:
    """A writer over ``database``, which nobody else uses. Close it."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._turn = threading.Lock()
        self._joining = threading.Lock()
        self._group: _Group | None = None

    @property
    def members(self) -> int:
        """The threads that share the next commit, and have not made their change yet."""
        return 0 if self._group is None else self._group.members

    @contextlib.contextmanager
    def transaction(self) -> Iterator[Transaction]:
        """Open a transaction like ``Database.transaction``; an error rolls back the changes of this block only.

        Raises the errors of ``Database.transaction``: each thread gets those of its group.
        """
        with self._joining:
            group = self._group = self._group or _Group()
            group.members += 1
        try:
            with self._turn:
                try:
                    with group.part(self._database) as transaction:
                        yield transaction
                finally:
                    if self._is_last(group):
                        group.end()
        finally:  # also after an error, whose reason may be a change of another member
            group.ended.wait()
            if group.error is not None:
                raise group.error

    def _is_last(self, group: _Group) -> bool:
        """Leave a group. Return True for its last member, after which nobody joins it."""
        with self._joining:
            group.members -= 1
            if not group.members:
                self._group = None
            return not group.members

    def close(self) -> None:
        self._database.close()
