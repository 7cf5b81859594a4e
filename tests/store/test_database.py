"""The file of the database, its transactions, and its errors."""

from __future__ import annotations

import os
import sqlite3
import stat
import subprocess
import sys
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from assist_cli.errors import DatabaseFailure
from assist_cli.store.database import Database, Transaction, from_ms, open_database, to_ms


@pytest.fixture
def path(isolation: Path) -> Path:
    return isolation / "assist.db"


COUNT_UP = """
import pathlib, sys
from assist_cli.store.database import open_database
with open_database(pathlib.Path(sys.argv[1])) as opened:
    for _ in range(25):
        with opened.transaction() as transaction:
            number = int(transaction.setting("number") or 0) + 1
            transaction.execute("INSERT OR REPLACE INTO settings VALUES ('number', ?)", [str(number)])
"""


def set_number(transaction: Transaction, number: int) -> None:
    transaction.execute("INSERT OR REPLACE INTO settings VALUES ('number', ?)", [str(number)])


def test_a_new_file_is_private_and_in_wal_mode(path: Path) -> None:
    old = os.umask(0)
    try:
        with open_database(path) as opened:
            assert opened.query("PRAGMA journal_mode")[0][0] == "wal"
            assert opened.query("PRAGMA synchronous")[0][0] == 2
            assert opened.query("PRAGMA foreign_keys")[0][0] == 1
            with opened.transaction() as transaction:
                set_number(transaction, 1)
            for file in path.parent.glob("assist.db*"):
                assert stat.S_IMODE(file.stat().st_mode) == 0o600, file
    finally:
        os.umask(old)
    assert sorted(file.name for file in path.parent.iterdir()) == ["assist.db", "user"]


def test_the_controller_has_a_permanent_name(path: Path) -> None:
    with open_database(path) as opened:
        name = opened.setting("controller")
    with open_database(path) as opened:
        assert opened.setting("controller") == name
    assert name
    assert len(name) == 32


@pytest.mark.usefixtures("starts_processes")
def test_concurrent_opens_of_a_new_home_lose_no_count(path: Path) -> None:
    processes = [subprocess.Popen([sys.executable, "-c", COUNT_UP, path]) for _ in range(4)]
    assert [process.wait() for process in processes] == [0, 0, 0, 0]
    with open_database(path) as opened:
        assert opened.setting("number") == "100"
    assert sorted(file.name for file in path.parent.iterdir()) == ["assist.db", "user"]


def test_an_error_undoes_the_transaction(path: Path) -> None:
    def change_and_fail(database: Database) -> None:
        with database.transaction() as transaction:
            set_number(transaction, 1)
            raise LookupError

    with open_database(path) as opened:
        with pytest.raises(LookupError):
            change_and_fail(opened)
        assert opened.setting("number") is None
        with opened.transaction() as transaction:
            set_number(transaction, 2)
        assert opened.setting("number") == "2"


def test_a_wrong_statement_is_a_bug_and_not_a_failure_of_the_disk(path: Path) -> None:
    with open_database(path) as opened, pytest.raises(sqlite3.ProgrammingError):
        opened.query("SELECT ?", [])


def test_a_file_that_is_not_a_database_is_refused(path: Path) -> None:
    path.write_text("a letter to grandmother, and not at all a database\n" * 30)
    with pytest.raises(DatabaseFailure, match="cannot use the database"):
        open_database(path)


def test_a_missing_folder_is_reported(path: Path) -> None:
    with pytest.raises(DatabaseFailure, match="cannot create the database"):
        open_database(path.parent / "nowhere" / "assist.db")


def test_a_writer_that_waits_too_long_is_reported(path: Path) -> None:
    with open_database(path) as one, open_database(path, busy=0.05) as other, one.transaction():
        assert other.setting("controller")  # readers never wait
        with pytest.raises(DatabaseFailure, match="locked"), other.transaction():
            pass


def test_a_full_disk_is_a_failure_and_undoes_the_change(path: Path) -> None:
    with open_database(path) as opened:
        opened.query("PRAGMA max_page_count = 1")  # SQLite takes the present size as the minimum
        with pytest.raises(DatabaseFailure, match="full"), opened.transaction() as transaction:
            transaction.execute("INSERT INTO settings VALUES ('much', zeroblob(1000000))")
        assert opened.setting("much") is None
        assert opened.query("PRAGMA integrity_check")[0][0] == "ok"


@pytest.mark.usefixtures("starts_processes")
def test_a_killed_writer_leaves_all_or_nothing(path: Path) -> None:
    with open_database(path):
        pass
    script = (
        "import os, pathlib, signal, sys\n"
        "from assist_cli.store.database import open_database\n"
        "with open_database(pathlib.Path(sys.argv[1])).transaction() as transaction:\n"
        "    transaction.execute(\"INSERT INTO settings VALUES ('half', 'x')\")\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    subprocess.run([sys.executable, "-c", script, path], check=False)
    with open_database(path) as opened:
        assert opened.setting("half") is None
        assert opened.query("PRAGMA integrity_check")[0][0] == "ok"


@pytest.mark.usefixtures("starts_processes")
def test_opening_a_database_that_is_up_to_date_imports_no_sqlite_utils(path: Path) -> None:
    script = (
        "import pathlib, sys\n"
        "from assist_cli.store.database import open_database\n"
        "open_database(pathlib.Path(sys.argv[1])).close()\n"
        "print('sqlite_utils' in sys.modules)\n"
    )
    said = [
        subprocess.run([sys.executable, "-c", script, path], check=True, capture_output=True, text=True).stdout
        for _ in range(2)
    ]
    assert said == ["True\n", "False\n"]


def test_times_are_whole_milliseconds() -> None:
    moment = datetime(2026, 11, 22, 8, 0, 0, 123_999, timezone.utc)
    assert to_ms(moment) == 1_795_334_400_123
    assert from_ms(to_ms(moment)) == moment - timedelta(microseconds=999)


def test_a_closed_database_is_closed(path: Path) -> None:
    opened = open_database(path)
    opened.close()
    with pytest.raises(sqlite3.ProgrammingError):
        opened.query("SELECT 1")
