"""``assist doctor`` in the worst cases: it reports, and changes nothing."""

from __future__ import annotations

import contextlib
import json
import shutil
import sqlite3
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from assist_cli.deploy import pki
from assist_cli.operations.controller import open_controller
from assist_cli.paths import Home
from assist_cli.store import instances
from assist_cli.store.database import SCHEMA_VERSION
from tests.support import processes
from tests.support.application import Application
from tests.support.past import older_home
from tests.support.programs import lack, need
from tests.support.somebody import need_root

LISTS = ("invocation list", "file list", "command list", "instance list", "schedule list", "accesskey list", "quota")


@pytest.fixture
def database(assist: Application, home: Path) -> Path:
    for name in ("one", "two", "three"):
        assert assist("command", "create", name, "-c", "true").returncode == 0
    return home / "assist.db"


def bad(assist: Application, *words: str, status: int = 1) -> dict[str, tuple[str, str | None]]:
    """The detail and hint of each problem that the doctor finds."""
    done = assist("doctor", *words, "-o", "json")
    assert (done.returncode, done.stderr) == (status, b""), done
    return {check["Check"]: (check["Detail"], check["Hint"]) for check in json.loads(done.stdout) if not check["Ok"]}


def test_it_creates_nothing_for_a_missing_home(assist: Application, home: Path) -> None:
    assert bad(assist, status=0) == {}
    assert bad(assist, "local", status=0) == {}
    assert list(home.parent.glob(".assist.*")) == []
    assert assist("doctor", "web1").returncode == 66
    assert not home.exists()


def test_doctor_and_lists_start_nothing_and_add_nothing(assist: Application, database: Path) -> None:
    before = sorted(database.parent.rglob("*"))
    for words in ("doctor", "doctor local", *LISTS):
        assert assist(*words.split()).returncode == 0
    assert sorted(database.parent.rglob("*")) == before
    with open_controller(Home(database.parent)) as controller:
        assert instances.registered(controller.database) == []


@pytest.mark.usefixtures("starts_processes")
def test_it_asks_a_running_agent_and_starts_none(assist: Application, home: Path) -> None:
    assert assist("run", "--", "true").returncode == 0
    assert b" runs, version " in assist("doctor").stdout
    assert b"local leads to " in assist("doctor", "local").stdout
    processes.stop_agent(home / "agent")
    for words in (["doctor"], ["doctor", "local"]):
        done = assist(*words)
        assert (done.returncode, b"is not running; it starts on demand" in done.stdout) == (0, True)
    assert processes.listener(home / "agent" / "agentd.sock") is None


def _half(path: Path) -> None:
    with path.open("r+b") as file:
        file.truncate(path.stat().st_size // 2)


def _index(path: Path) -> None:
    """Change one cell in the index of names, which has three."""
    with contextlib.closing(sqlite3.connect(path)) as connection:
        (page,) = connection.execute(
            "SELECT rootpage FROM sqlite_master WHERE type = 'index' AND tbl_name = 'commands'"
        ).fetchone()
        (size,) = connection.execute("PRAGMA page_size").fetchone()
    with path.open("r+b") as file:
        file.seek((page - 1) * size + 3)
        file.write(b"\0\1")


def _changed(sql: str) -> Callable[[Path], None]:
    def change(path: Path) -> None:
        with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as connection:
            connection.execute(sql)

    return change


@pytest.mark.parametrize(
    ("damage", "status", "hint"),
    [
        (lambda path: path.write_bytes(b"\xe5" * 50_000), 74, "assist.db from a backup"),
        (lambda path: path.write_bytes(b""), 74, "assist.db from a backup"),
        (_half, 74, "assist.db from a backup"),
        (_index, None, "assist.db from a backup"),
        (_changed("DROP TABLE command_versions"), 74, "assist.db from a backup"),
        (_changed("DELETE FROM settings"), None, "assist.db from a backup"),
        (_changed(f"PRAGMA user_version = {SCHEMA_VERSION + 1}"), 65, "newer Assist"),
    ],
    ids=["garbage", "empty", "truncated", "index", "table", "settings", "newer"],
)
def test_an_unusable_database_is_a_line_of_the_report(
    assist: Application, database: Path, damage: Callable[[Path], None], status: int | None, hint: str
) -> None:
    damage(database)
    found = bad(assist)
    assert found
    for _, todo in found.values():
        assert hint in (todo or "")
    done = assist("command", "show", "one")
    assert status is None or (done.returncode, done.stdout) == (status, b"")
    assert b"Traceback" not in done.stderr
    assert b"bug in Assist" not in done.stderr


@pytest.mark.parametrize(
    "version",
    [1, *(pytest.param(each, marks=pytest.mark.long) for each in range(2, SCHEMA_VERSION - 1)), SCHEMA_VERSION - 1],
)
def test_an_older_schema_is_ok(assist: Application, home: Path, version: int) -> None:
    older_home(home, version)
    done = assist("doctor")
    assert (done.returncode, b"BAD" in done.stdout) == (0, False), done
    assert f"has schema {version}: the next command migrates it to schema {SCHEMA_VERSION}".encode() in done.stdout
    assert assist("invocation", "list").returncode == 0
    assert b"is intact" in assist("doctor").stdout


def test_invalid_values_are_damage_and_not_a_bug(assist: Application, database: Path) -> None:
    _changed(
        "INSERT INTO invocations (id, status, created_at, command_id, command_type, repeat_mode, timeout, keep_script,"
        " parameters, content) VALUES ('t-1', 'Rvnning', 1, 'c-1', 'RunShellScript', 'Once', 60, 0, '{}', x'')"
    )(database)
    assert bad(assist)["database"][0] == "t-1 has an unknown status"
    done = assist("invocation", "list")
    assert (done.returncode, done.stdout) == (74, b"")
    assert b"error: cannot go on: t-1 has an unknown status" in done.stderr
    assert not (database.parent / "logs").exists()


@pytest.fixture
def log(database: Path) -> bytearray:
    """The write-ahead log of a killed writer, for a test to change; its frames have 4,120 bytes."""
    with contextlib.closing(sqlite3.connect(database, isolation_level=None)) as connection:
        for number in range(5):
            connection.execute(f"INSERT INTO settings VALUES ('{number}', zeroblob(5000))")
        content = bytearray(database.with_name("assist.db-wal").read_bytes())
        shutil.copy(database, database.with_name("copy"))
    database.with_name("copy").replace(database)
    return content


def test_the_log_of_a_killed_writer_is_ok(assist: Application, database: Path, log: bytearray) -> None:
    database.with_name("assist.db-wal").write_bytes(log)
    assert bad(assist, status=0) == {}
    assert len(log) > 5 * 4120


@pytest.mark.parametrize("start", [3, 32 + 4120 + 100, 32 + 2 * 4120 + 8], ids=["head", "page", "frame"])
def test_a_damaged_log_is_reported_and_not_changed(
    assist: Application, database: Path, log: bytearray, start: int
) -> None:
    log[start : start + 8] = b"\x5a" * 8
    path = database.with_name("assist.db-wal")
    path.write_bytes(log)
    detail, hint = bad(assist)["database"]
    assert detail.startswith("its log assist.db-wal is damaged")
    assert "assist.db from a backup" in (hint or "")
    assert path.read_bytes() == log


@pytest.mark.parametrize("missing", ["ca.key", "ca.pem"])
def test_a_missing_certificate_is_reported_and_not_created(assist: Application, home: Path, missing: str) -> None:
    with open_controller(Home(home)) as controller:
        pki.prepare(controller.home, controller.id, controller.now())
        assert bad(assist, status=0) == {}
        (home / "pki" / missing).unlink()
        left = sorted((home / "pki").iterdir())
        detail, hint = bad(assist)["certificates"]
        assert missing in detail
        assert "restore pki/ from a backup" in (hint or "")
        with pytest.raises(pki.FileFailure):
            pki.agent_credentials(controller.home, controller.id, "i-1", controller.now())
        assert sorted((home / "pki").iterdir()) == left


@pytest.fixture
def small_disk(starts_processes: None, isolation: Path) -> Iterator[Path]:
    """A file system of 1 MiB."""
    need_root()
    folder = isolation / "disk"
    folder.mkdir()
    mount = [need("mount"), "-t", "tmpfs", "-o", "size=1m,mode=0700", "none", folder]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        lack("the right to mount a file system")
    yield folder
    subprocess.run([need("umount"), folder], check=True)


def test_a_full_disk_is_named_as_the_cause(assist: Application, small_disk: Path) -> None:
    """The disk becomes full at any point while a database is created or used: it is whole, or does not exist."""
    for free in (0, 100, 320, 360, 400):
        home = small_disk / "home"
        (small_disk / "much").write_bytes(bytes((1024 - free) * 1024))
        for words in ("command create x -c true", "quota"):
            done = assist(*words.split(), env={"ASSIST_HOME": str(home)})
            assert done.returncode in (0, 74), done
            assert b"malformed" not in done.stderr
            assert done.returncode == 0 or b"\nhint: the disk is full" in done.stderr, done
        report = assist("doctor", "-o", "json", env={"ASSIST_HOME": str(home)})
        checks = {check["Check"]: check for check in json.loads(report.stdout)}
        assert (report.returncode, checks["disk"]["Ok"]) == (1, False)
        assert checks["database"]["Ok"] or "the disk is full" in checks["database"]["Hint"]
        shutil.rmtree(home, ignore_errors=True)
        (small_disk / "much").unlink()
