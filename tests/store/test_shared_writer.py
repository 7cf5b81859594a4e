"""The writer of many threads: changes at the same time share one commit, and an error of one is its own."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from assist_cli.errors import DatabaseFailure
from assist_cli.store.database import Database, Transaction, open_database
from assist_cli.store.shared_writer import SharedWriter

MEMBERS = 4
GUARD = 30.0


class Commits:
    """A database that counts its transactions, and fails to commit them if it is ``full``."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.count = 0
        self.is_full = self.is_locked = False

    @contextlib.contextmanager
    def transaction(self) -> Iterator[Transaction]:
        self.count += 1
        if self.is_locked:
            raise DatabaseFailure("locked")
        with self._database.transaction() as transaction:
            yield transaction
            if self.is_full:
                raise DatabaseFailure("full")


@pytest.fixture
def commits(tmp_path: Path) -> Iterator[Commits]:
    with open_database(tmp_path / "assist.db", any_thread=True) as database:
        yield Commits(database)


def together(writer: SharedWriter, changes: list[Callable[[Transaction], None]]) -> list[BaseException | None]:
    """Make changes in threads that meet: none ends before all have joined. Return the error of each."""

    def change(act: Callable[[Transaction], None]) -> None:
        with writer.transaction() as transaction:
            end = time.monotonic() + GUARD
            while writer.members + len(left) < len(changes) and time.monotonic() < end:
                time.sleep(0.001)  # joining is no event
            left.append(threading.get_ident())
            act(transaction)

    left: list[int] = []
    with ThreadPoolExecutor(len(changes)) as threads:
        return [each.exception(GUARD) for each in [threads.submit(change, act) for act in changes]]


def put(name: str) -> Callable[[Transaction], None]:
    return lambda transaction: transaction.set(name, 1)


def names(commits: Commits) -> set[str]:
    with commits.transaction() as transaction:
        return {row["name"] for row in transaction.query("SELECT name FROM settings WHERE value = '1'")}


def test_changes_at_the_same_time_share_one_commit(commits: Commits) -> None:
    writer = SharedWriter(commits)  # type: ignore[arg-type]
    assert together(writer, [put(f"n{number}") for number in range(MEMBERS)]) == [None] * MEMBERS
    assert commits.count == 1
    assert together(writer, [put("later")]) == [None]
    assert commits.count == 2
    assert names(commits) == {"n0", "n1", "n2", "n3", "later"}


def test_an_error_rolls_back_only_its_own_change(commits: Commits) -> None:
    def fail(transaction: Transaction) -> None:
        transaction.set("wrong", 1)
        raise ValueError("wrong")

    errors = together(SharedWriter(commits), [put("a"), fail, put("b")])  # type: ignore[arg-type]
    assert [type(each) for each in errors] == [type(None), ValueError, type(None)]
    assert names(commits) == {"a", "b"}


@pytest.mark.parametrize("trouble", ["is_full", "is_locked"])
def test_all_get_the_error_of_their_commit_and_the_next_ones_do_not(commits: Commits, trouble: str) -> None:
    writer = SharedWriter(commits)  # type: ignore[arg-type]
    setattr(commits, trouble, True)
    errors = together(writer, [put("a"), put("b")]) if trouble == "is_full" else [failed(writer), failed(writer)]
    assert [type(each) for each in errors] == [DatabaseFailure, DatabaseFailure]
    setattr(commits, trouble, False)
    assert together(writer, [put("c")]) == [None]
    assert names(commits) == {"c"}


def test_a_failure_of_the_database_rolls_back_all_of_them(commits: Commits) -> None:
    """SQLite may have ended the transaction."""

    def fail(transaction: Transaction) -> None:
        transaction.execute("ROLLBACK")
        raise DatabaseFailure("disk I/O error")

    writer = SharedWriter(commits)  # type: ignore[arg-type]
    errors = together(writer, [put("a"), fail, put("b")])
    assert [type(each) for each in errors] == [DatabaseFailure] * 3
    assert together(writer, [put("c")]) == [None]
    assert names(commits) == {"c"}


def failed(writer: SharedWriter) -> BaseException | None:
    try:
        with writer.transaction():
            return None
    except DatabaseFailure as error:
        return error
