"""A database of an earlier schema comes along with its data, a newer one is refused, and a kill costs nothing."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
import sqlite_utils

from assist_cli.errors import DatabaseFailure, ExitStatus
from assist_cli.model.command import CommandVersion
from assist_cli.model.output import Stream
from assist_cli.operations.commands import commands
from assist_cli.operations.controller import open_controller
from assist_cli.paths import Home
from assist_cli.store import invocations
from assist_cli.store.database import SCHEMA_VERSION, open_database
from assist_cli.store.migrations import MIGRATIONS

INVOCATION = "t-01kbdk5g8w3m9v6yx2r4hq7cne"


def make_first_schema(path: Path) -> None:
    """A database as the first schema left it, with an invocation in it."""
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("BEGIN")
        MIGRATIONS.apply(sqlite_utils.Database(connection, execute_plugins=False), stop_before="0002_commands")
        connection.execute("PRAGMA user_version = 1")
        insert(connection, "instances", id="i-1", name="local", address="local", os_type="linux", created_at=1)
        insert(
            connection, "invocations", id=INVOCATION, status="Finished", created_at=1_000, finished_at=2_000,
            command_id="c-1", command_type="RunShellScript", repeat_mode="Once", timeout=60, keep_script=0,
            parameters="{}", content=b"echo {{x}}",
        )  # fmt: skip
        insert(
            connection, "invocation_instances", invocation_id=INVOCATION, instance_id="i-1", position=0,
            instance_name="local", status="Finished", repeats=1,
        )  # fmt: skip
        insert(
            connection, "records", id="r-1", invocation_id=INVOCATION, instance_id="i-1", number=1,
            status="Finished", exit_code=0, sender="s", deadline_at=9_000, sent_at=1_500,
        )  # fmt: skip
        insert(connection, "outputs", record_id="r-1", runs="5", cut=0, dropped=0, data=b"{{x}}")
        connection.execute("COMMIT")


def insert(connection: sqlite3.Connection, table: str, **values: object) -> None:
    places = ", ".join("?" * len(values))
    connection.execute(f"INSERT INTO {table} ({', '.join(values)}) VALUES ({places})", list(values.values()))


def check_data(path: Path) -> None:
    with open_database(path) as database:
        old = invocations.get(database, INVOCATION, output=True)
        assert (old.content, old.parameters, old.parameters_enabled) == (b"echo {{x}}", {}, False)
        (place,) = old.instances
        assert place.record.output is not None
        assert place.record.output.text_of(Stream.STDOUT) == "{{x}}"


def test_the_data_comes_along(tmp_path: Path) -> None:
    home = Home(tmp_path)
    make_first_schema(home.database)
    check_data(home.database)
    with contextlib.closing(sqlite3.connect(home.database)) as connection:
        assert connection.execute("PRAGMA user_version").fetchone() == (SCHEMA_VERSION,)
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        assert connection.execute("PRAGMA foreign_key_check").fetchall() == []
    with open_controller(home) as controller:
        commands.create(controller, "new", CommandVersion(b"true"))


def test_it_is_the_same_schema_as_a_new_one(tmp_path: Path) -> None:
    make_first_schema(tmp_path / "old.db")
    assert schema_of(tmp_path / "old.db") == schema_of(tmp_path / "new.db")


def schema_of(path: Path) -> set[tuple[str, str]]:
    with open_database(path) as database:
        return {(row["name"], row["sql"]) for row in database.query("SELECT name, sql FROM sqlite_master")}


def test_a_newer_schema_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "assist.db"
    with open_database(path):
        pass
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION + 1}")
    before = path.read_bytes()
    with pytest.raises(DatabaseFailure) as refused:
        open_database(path)
    assert refused.value.code == "DatabaseTooNew"
    assert refused.value.exit_status == ExitStatus.LOCAL_FAILURE
    assert f"schema {SCHEMA_VERSION + 1}" in str(refused.value)
    assert path.read_bytes() == before


# Opens copies of a database in children, each of which kills itself one statement later than the one before, until one
# comes to the end. Prints the schema that each kill left.
KILL_AT_EVERY_STATEMENT = """
import os, shutil, signal, sqlite3, sys
from pathlib import Path
from assist_cli.store import migrations
from assist_cli.store.database import open_database

old, copy = map(Path, sys.argv[1:])
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

real_connect = sqlite3.connect
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
    check = sqlite3.connect(copy)
    assert check.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    tables = {name for name, in check.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    version, = check.execute("PRAGMA user_version").fetchone()
    assert ("audit" in tables) == ("commands" in tables) == (version > 1), (version, tables)
    check.close()
    print(version)
    if status == 0:
        break
    assert os.WTERMSIG(status) == signal.SIGKILL
    open_database(copy).close()
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="makes its processes by fork")
def test_a_kill_at_any_statement_leaves_the_old_or_the_new(tmp_path: Path) -> None:
    make_first_schema(tmp_path / "old.db")
    run = subprocess.run(
        [sys.executable, "-c", KILL_AT_EVERY_STATEMENT, tmp_path / "old.db", tmp_path / "copy.db"],
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    versions = [int(line) for line in run.stdout.split()]
    assert versions == sorted(versions)
    assert versions[0] == 1
    assert versions[-1] == SCHEMA_VERSION
    assert len(versions) > 20
    check_data(tmp_path / "copy.db")
