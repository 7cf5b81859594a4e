"""Migrations: an older database keeps its data, a newer one is refused, and a kill leaves the database whole.

``schemas/`` has a database with data after each step, written by the program of that time (the first one by its store)
and dumped by ``sqlite3 assist.db .dump``, with its ``user_version``. Each step must still produce its dump.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from assist_cli.errors import Conflict, DatabaseFailure, ExitStatus
from assist_cli.model import phrase
from assist_cli.model.command import CommandVersion
from assist_cli.operations.commands import commands
from assist_cli.operations.controller import open_controller
from assist_cli.operations.history import search
from assist_cli.paths import Home
from assist_cli.store import checkup, invocations, listing, migrations
from assist_cli.store import search as words
from assist_cli.store.database import SCHEMA_VERSION, STEPS, open_database

DUMPS = sorted((Path(__file__).parent / "schemas").glob("*.sql"))
each_schema = pytest.mark.parametrize("dump", DUMPS, ids=lambda dump: dump.stem)

Rows = list[dict[str, object]]


def restore(dump: Path, path: Path) -> None:
    """Create the database from its dump."""
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.executescript(dump.read_text(encoding="utf-8"))


def version_of(path: Path) -> int:
    with contextlib.closing(sqlite3.connect(path)) as connection:
        return int(connection.execute("PRAGMA user_version").fetchone()[0])


def steps_of(path: Path) -> list[str]:
    """Return the applied steps of a database, in order."""
    with contextlib.closing(sqlite3.connect(path)) as connection:
        return [name for (name,) in connection.execute("SELECT name FROM _sqlite_migrations ORDER BY id")]


def schema_of(path: Path) -> set[tuple[str, str, str]]:
    """Return kind, name and text of every object in a database, except the table of the steps (by sqlite-utils)."""
    with contextlib.closing(sqlite3.connect(path)) as connection:
        return set(
            connection.execute("SELECT type, name, sql FROM sqlite_master WHERE tbl_name <> '_sqlite_migrations'")
        )


def new_schema(folder: Path) -> set[tuple[str, str, str]]:
    open_database(folder / "new.db").close()
    return schema_of(folder / "new.db")


def data_of(path: Path) -> dict[str, Rows]:
    """Return the rows of each table, except the steps and the tables of SQLite itself."""
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.row_factory = sqlite3.Row
        tables = [
            name
            for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
            if not name.startswith(("sqlite_", "_sqlite_"))
        ]
        return {name: [dict(row) for row in connection.execute(f"SELECT * FROM {name}")] for name in tables}


def is_among(old: dict[str, object], rows: Rows) -> bool:
    return any(old.items() <= row.items() for row in rows)


def test_there_is_a_database_of_each_step_up_to_the_newest_dump() -> None:
    assert [dump.stem for dump in DUMPS] == STEPS[: len(DUMPS)]
    assert len(DUMPS) >= 11


def test_the_steps_are_numbered_without_a_gap() -> None:
    assert [int(name[:4]) for name in STEPS] == list(range(1, SCHEMA_VERSION + 1))


@each_schema
def test_the_steps_still_make_the_schema_of_their_time(dump: Path, tmp_path: Path) -> None:
    restore(dump, tmp_path / "old.db")
    with contextlib.closing(sqlite3.connect(tmp_path / "made.db", isolation_level=None)) as connection:
        connection.execute("BEGIN")
        migrations.apply(connection, STEPS[: STEPS.index(dump.stem) + 1])
        connection.execute("COMMIT")
    assert schema_of(tmp_path / "made.db") == schema_of(tmp_path / "old.db")


@each_schema
def test_a_migrated_schema_equals_a_new_one(dump: Path, tmp_path: Path) -> None:
    path = tmp_path / "old.db"
    restore(dump, path)
    assert steps_of(path) == STEPS[: STEPS.index(dump.stem) + 1]
    open_database(path).close()
    assert schema_of(path) == new_schema(tmp_path)
    assert steps_of(path) == STEPS
    assert version_of(path) == len(STEPS)
    with contextlib.closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        assert connection.execute("PRAGMA foreign_key_check").fetchall() == []


@each_schema
def test_the_data_is_kept(dump: Path, tmp_path: Path) -> None:
    path = tmp_path / "old.db"
    restore(dump, path)
    before = data_of(path)
    assert len(before["records"]) > 3
    assert len(before["outputs"]) > 1
    open_database(path).close()
    after = data_of(path)
    for table, rows in before.items():
        assert len(after[table]) == len(rows), table
        assert [row for row in rows if not is_among(row, after[table])] == [], table


@each_schema
def test_the_data_is_usable(dump: Path, tmp_path: Path) -> None:
    home = Home(tmp_path)
    restore(dump, home.database)
    with open_controller(home) as controller:
        database = controller.database
        history = [
            invocations.get(database, summary.invocation.id, output=True)
            for summary in listing.summaries(database, None)
        ]
        assert len(history) >= 3
        assert any(place.record.output and place.record.output.data for run in history for place in run.instances)
        search.catch_up(controller)
        assert words.search(database, phrase.parse("hello from the past"), instance_ids=None, since=None, limit=None)
        assert words.behind(database) == 0
        commands.create(controller, "new", CommandVersion(b"true"))


@each_schema
def test_the_dump_is_whole_before_the_migration_too(dump: Path, tmp_path: Path) -> None:
    path = tmp_path / "old.db"
    restore(dump, path)
    with open_database(path, migrate=False) as database:
        assert checkup.faults(database) == []
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute("DROP TABLE outputs")
    with open_database(path, migrate=False) as database:
        assert "outputs is missing" in checkup.faults(database)


def test_version_10_has_ten_steps_or_eleven(tmp_path: Path) -> None:
    """The eleventh has no number of its own, so only the names of the steps show if it was applied."""
    missing = {}
    for dump in DUMPS[9:11]:
        path = tmp_path / f"{dump.stem}.db"
        restore(dump, path)
        assert version_of(path) == 10
        missing[dump.stem] = [name for kind, name, _ in new_schema(tmp_path) - schema_of(path) if kind == "index"]
        open_database(path).close()
        assert version_of(path) == SCHEMA_VERSION
    assert "records_unanswered" in missing["0010_overview"]
    assert "records_unanswered" not in missing["0011_unanswered"]


def test_a_newer_schema_is_refused_and_not_changed(tmp_path: Path) -> None:
    path = tmp_path / "assist.db"
    with open_database(path):
        pass
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION + 1}")
    before = path.read_bytes()
    with pytest.raises(Conflict) as refused:
        open_database(path)
    assert refused.value.code == "DatabaseTooNew"
    assert refused.value.exit_status == ExitStatus.REFUSED
    assert f"schema {SCHEMA_VERSION + 1}" in str(refused.value)
    assert refused.value.hint
    assert path.read_bytes() == before


def test_a_schema_of_an_unreleased_version_is_explained_and_not_changed(tmp_path: Path) -> None:
    path = tmp_path / "assist.db"
    restore(DUMPS[-1], path)
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE users (name)")
    before = version_of(path), schema_of(path)
    with pytest.raises(DatabaseFailure, match="table users already exists") as refused:
        open_database(path)
    assert "unreleased" in refused.value.hint
    assert (version_of(path), schema_of(path)) == before


def test_an_open_database_notices_a_newer_schema(tmp_path: Path) -> None:
    path = tmp_path / "assist.db"
    with open_database(path) as database:
        database.changes()
        with contextlib.closing(sqlite3.connect(path)) as connection:
            connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION + 1}")
        before = path.read_bytes()
        with pytest.raises(Conflict, match="newer Assist"), database.transaction() as transaction:
            transaction.execute("INSERT INTO settings VALUES ('half', 'x')")
        with pytest.raises(Conflict, match="newer Assist"):
            database.changes()
        assert database.setting("half") is None
        assert path.read_bytes() == before


# Opens copies of a database in children, each of which kills itself one statement later than the one before, until one
# ends. Prints how many were killed with the old schema left, and how many with the new; another schema is an error.
KILL_AT_EVERY_STATEMENT = """
import os, shutil, signal, sqlite3, sys
from pathlib import Path
from assist_cli.store import migrations
from assist_cli.store.database import open_database

old, new, copy = map(Path, sys.argv[1:])
left = 0

def count(statement):
    global left
    left -= 1
    if left == 0:
        os.kill(os.getpid(), signal.SIGKILL)

def connect(*words, **settings):
    connection = real_connect(*words, **settings)
    connection.set_trace_callback(count)
    return connection

def state(path):
    connection = real_connect(path)
    assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    version, = connection.execute("PRAGMA user_version").fetchone()
    steps = {name for name, in connection.execute("SELECT name FROM _sqlite_migrations")}
    schema = set(
        connection.execute("SELECT type, name, sql FROM sqlite_master WHERE tbl_name <> '_sqlite_migrations'")
    )
    connection.close()
    return version, steps, schema

real_connect = sqlite3.connect
states = [state(old), state(new)]
killed = [0, 0]
statement = 0
while True:
    statement += 1
    for name in copy.parent.glob(copy.name + "*"):
        name.unlink()
    shutil.copy(old, copy)
    pid = os.fork()
    if pid == 0:
        left = statement
        sqlite3.connect = connect
        open_database(copy).close()
        os._exit(0)
    _, status = os.waitpid(pid, 0)
    found = states.index(state(copy))
    if status == 0:
        break
    assert os.WTERMSIG(status) == signal.SIGKILL
    killed[found] += 1
    open_database(copy).close()
    assert state(copy) == states[1]
print(*killed)
"""


@pytest.mark.usefixtures("starts_processes")
@pytest.mark.skipif(not hasattr(os, "fork"), reason="makes its processes by fork")
@pytest.mark.long
@pytest.mark.parametrize("dump", [DUMPS[0], DUMPS[9], DUMPS[-1]], ids=lambda dump: dump.stem)
def test_a_kill_at_any_statement_leaves_the_old_or_the_new(dump: Path, tmp_path: Path) -> None:
    restore(dump, tmp_path / "old.db")
    new_schema(tmp_path)
    before = data_of(tmp_path / "old.db")
    run = subprocess.run(
        [sys.executable, "-c", KILL_AT_EVERY_STATEMENT, *(tmp_path / name for name in ("old.db", "new.db", "copy.db"))],
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    killed_before, killed_after = map(int, run.stdout.split())
    assert killed_before > 10
    assert killed_after > 0
    after = data_of(tmp_path / "copy.db")
    assert all(is_among(row, after[table]) for table, rows in before.items() for row in rows)
