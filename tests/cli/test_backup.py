"""A backup is one private file, made while everything runs, and a home is restored from it whole or not at all."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import sqlite3
import stat
from datetime import timedelta
from pathlib import Path

import pytest

from assist_cli.deploy import pki
from assist_cli.errors import Conflict
from assist_cli.operations.controller import open_controller, utc_now
from assist_cli.operations.server import backup, restore
from assist_cli.paths import Home
from assist_cli.store import checkup, lease
from assist_cli.store.database import SCHEMA_VERSION
from assist_cli.store.lease import Lease
from tests.support.application import Application
from tests.support.past import older_home


@pytest.fixture
def made(assist: Application, home: Path) -> Home:
    """A home with a command, an authority, a key of notifications, and an agent of its own."""
    assert assist("command", "create", "one", "-c", "true").returncode == 0
    found = Home(home)
    with open_controller(found) as controller:
        pki.prepare(found, controller.id, utc_now())
    found.notify_key.write_bytes(b"key")
    (found.folder(found.agent) / "instance-id").write_text("i-1")
    return found


def tree(home: Home) -> dict[str, bytes]:
    """Every file of a home but those of SQLite that say who reads it."""
    files = [each for each in home.root.rglob("*") if each.is_file() and not each.name.endswith(("-wal", "-shm"))]
    return {str(each.relative_to(home.root)): each.read_bytes() for each in files}


def test_a_home_comes_back_whole_and_the_backup_changes_nothing(
    assist: Application, made: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, file = tree(made), tmp_path / "a.backup"
    done = assist("backup", str(file))
    assert (done.returncode, tree(made)) == (0, before)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert not list(tmp_path.glob(".a.backup*"))
    monkeypatch.setenv("ASSIST_HOME", str(tmp_path / "new"))
    done = assist("restore", str(file))
    assert done.returncode == 0, done
    assert b"--take-over" in done.stderr
    new = Home(tmp_path / "new")
    assert stat.S_IMODE(new.root.stat().st_mode) == 0o700
    assert {name: data for name, data in tree(new).items() if name != "assist.db"} == {
        name: data for name, data in before.items() if name not in ("assist.db", "pki/lock", "agent/instance-id")
    }
    assert b"one" in assist("command", "list").stdout
    with open_controller(new) as controller, open_controller(made) as old:
        assert controller.id == old.id
        assert checkup.faults(controller.database) == []
        assert controller.database.query("PRAGMA journal_mode")[0][0] == "wal"


def test_the_agent_of_this_machine_keeps_its_identity_where_its_home_is_gone(made: Home, tmp_path: Path) -> None:
    machine_id = Path("/etc/machine-id")
    if not machine_id.exists() or not machine_id.read_text().strip():
        pytest.skip("this machine has no id")
    file = tmp_path / "a.backup"
    backup.write(made, file)
    assert restore.restore(Home(tmp_path / "beside"), file).loses_local
    made.root.rename(tmp_path / "moved")
    restored = restore.restore(made, file)
    assert not restored.loses_local
    assert (made.agent / "instance-id").read_text() == "i-1"


def test_a_backup_is_replaced_and_no_other_file(assist: Application, made: Home, tmp_path: Path) -> None:
    file = tmp_path / "a.backup"
    for _ in range(2):
        assert assist("backup", str(file)).returncode == 0
    for content in (b"precious", made.database.read_bytes()):
        file.write_bytes(content)
        done = assist("backup", str(file))
        assert (done.returncode, file.read_bytes()) == (65, content)
        assert b"not a backup" in done.stderr
    file.write_bytes(b"")
    assert assist("backup", str(file)).returncode == 0


def test_where_a_backup_cannot_be(
    assist: Application, made: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    os.mkfifo("fifo")
    Path("loop").symlink_to("loop")
    Path("into the home").symlink_to("assist/notify.lock")
    device = Path("/dev/null")
    before, number = everything(tmp_path), device.stat().st_rdev
    for file, status, why in (
        ("-", 2, "to standard output"),
        (".", 74, "it is a folder"),
        ("/dev/null", 74, "it is not a file"),
        ("fifo", 74, "it is not a file"),
        ("no/folder", 74, "No such file or directory"),
        ("loop", 74, "too many links"),
        ("assist/a.backup", 65, "it is in the home itself"),
        ("assist/assist.db-wal", 65, "it is in the home itself"),
        ("assist/agent/../notify.lock", 65, "it is in the home itself"),
        ("into the home", 65, "it is in the home itself"),
    ):
        done = assist("backup", file)
        assert (done.returncode, done.stdout) == (status, b""), file
        assert done.stderr.startswith(b"error: cannot write ")
        assert why.encode() in done.stderr
        assert done.stderr.count(b"\n") == 2
        assert everything(tmp_path) == before
    assert device.stat().st_rdev == number


def everything(folder: Path) -> dict[str, int]:
    """Names and sizes of all files but those of SQLite for its readers."""
    found = [each for each in folder.rglob("*") if not each.name.endswith(("-wal", "-shm"))]
    return {str(each): each.lstat().st_size for each in found}


def test_a_backup_is_written_where_a_link_leads_and_by_a_relative_path(
    assist: Application, made: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "link").symlink_to("../target")
    monkeypatch.chdir(tmp_path / "other")
    monkeypatch.setenv("ASSIST_HOME", str(made.root))
    assert assist("backup", "link").returncode == 0
    assert (tmp_path / "other" / "link").is_symlink()
    monkeypatch.chdir(tmp_path)
    assert assist("backup", "a backup").returncode == 0
    for file in ("target", "a backup"):
        with sqlite3.connect(file) as copy:
            assert copy.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        copy.close()


def test_the_draft_of_a_killed_backup_is_removed_by_a_later_one(made: Home, tmp_path: Path) -> None:
    drafts = [tmp_path / f".assist-backup-{name}" for name in ("old", "new")]
    for each in drafts:
        each.write_bytes(b"half")
    os.utime(drafts[0], (0, 0))
    backup.write(made, tmp_path / "a.backup")
    assert [each.exists() for each in drafts] == [False, True]


@pytest.mark.parametrize("version", [1, SCHEMA_VERSION - 1])
def test_an_older_schema_is_backed_up_as_it_is_and_migrated_when_it_is_restored(
    assist: Application, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, version: int
) -> None:
    older_home(home, version)
    before = (home / "assist.db").read_bytes()
    file = tmp_path / "a.backup"
    assert assist("backup", str(file)).returncode == 0
    assert (home / "assist.db").read_bytes() == before
    monkeypatch.setenv("ASSIST_HOME", str(tmp_path / "new"))
    done = assist("restore", str(file))
    assert done.returncode == 0, done
    assert version_of(tmp_path / "new" / "assist.db") == SCHEMA_VERSION
    assert version_of(file) == version
    assert b"is intact" in assist("doctor").stdout


def version_of(database: Path) -> int:
    with contextlib.closing(sqlite3.connect(database)) as connection:
        return int(connection.execute("PRAGMA user_version").fetchone()[0])


def test_a_newer_schema_is_refused(
    assist: Application, made: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "a.backup"
    backup.write(made, file)
    for each in (made.database, file):
        changed(each, f"PRAGMA user_version = {SCHEMA_VERSION + 1}")
    before = file.read_bytes()
    done = assist("backup", str(file))
    assert (done.returncode, file.read_bytes()) == (65, before)
    assert b"a newer Assist has changed it" in done.stderr
    monkeypatch.setenv("ASSIST_HOME", str(tmp_path / "new"))
    done = assist("restore", str(file))
    assert done.returncode == 65
    assert b"a newer Assist has written it" in done.stderr
    assert not (tmp_path / "new").exists()


def changed(database: Path, *statements: str) -> None:
    with contextlib.closing(sqlite3.connect(database, isolation_level=None)) as connection:
        for each in statements:
            connection.execute(each)


# restoring


def test_a_home_that_is_in_use_is_not_restored_over(assist: Application, made: Home, tmp_path: Path) -> None:
    file = tmp_path / "a.backup"
    assert assist("backup", str(file)).returncode == 0
    before = tree(made)
    done = assist("restore", str(file))
    assert (done.returncode, tree(made)) == (65, before)
    assert b"it is not empty" in done.stderr


@pytest.mark.parametrize("kind", ["folder", "link", "relative path", "absent parents", "space"])
def test_the_kinds_of_places_for_a_restored_home(
    assist: Application, made: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    file, root = tmp_path / "a.backup", tmp_path / ("new home" if kind == "space" else "new")
    backup.write(made, file)
    if kind in ("folder", "link"):
        root.mkdir(0o755)
    if kind == "link":
        (tmp_path / "link").symlink_to("new")
    if kind == "absent parents":
        root = tmp_path / "one" / "two"
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ASSIST_HOME", {"link": str(tmp_path / "link"), "relative path": "new"}.get(kind, str(root)))
    done = assist("restore", str(file))
    assert done.returncode == 0, done
    assert stat.S_IMODE(root.stat().st_mode) == 0o700
    assert {each.name for each in root.iterdir()} - {"assist.db-wal", "assist.db-shm"} == {
        "assist.db", "notify.key", "pki"
    }  # fmt: skip
    assert not [each for each in tmp_path.rglob("*") if "assist-restore" in each.name]
    assert b"one" in assist("command", "list").stdout


def test_what_a_killed_restore_has_left_is_removed_by_the_next_one(made: Home, tmp_path: Path) -> None:
    file, root = tmp_path / "a.backup", tmp_path / "new"
    backup.write(made, file)
    beside = tmp_path / ".assist-restore-1"
    beside.mkdir()
    restore.restore(Home(root), file)
    assert not beside.exists()
    (root / ".assist-restore-2").mkdir()
    (root / "assist.db").rename(root / ".assist-restore-2" / "assist.db")  # it comes last
    (root / "notify.key").write_bytes(b"old")
    restore.restore(Home(root), file)
    assert {each.name for each in root.iterdir()} == {"assist.db", "notify.key", "pki"}
    assert (root / "notify.key").read_bytes() == b"key"


def test_a_restore_in_progress_is_left_alone(assist: Application, made: Home, tmp_path: Path) -> None:
    file, root = tmp_path / "a.backup", tmp_path / "new"
    backup.write(made, file)
    root.mkdir(0o700)
    draft = root / ".assist-restore-1"
    draft.mkdir()
    descriptor = os.open(draft, os.O_RDONLY)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    with pytest.raises(Conflict, match="it is not empty"):
        restore.restore(Home(root), file)
    os.close(descriptor)
    restore.restore(Home(root), file)


def test_the_server_of_the_backup_is_not_one_of_the_restored_home(made: Home, tmp_path: Path) -> None:
    with open_controller(made) as controller, controller.database.transaction() as transaction:
        lease.take(transaction, Lease("0123456789abcdef", "elsewhere", 1, utc_now() + timedelta(minutes=1)))
    backup.write(made, tmp_path / "a.backup")
    restore.restore(Home(tmp_path / "new"), tmp_path / "a.backup")
    with open_controller(Home(tmp_path / "new")) as controller:
        assert lease.get(controller.database) is None


@pytest.mark.usefixtures("starts_processes")
def test_a_restored_home_is_served_after_it_has_taken_over(
    assist: Application, made: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    backup.write(made, tmp_path / "a.backup")
    monkeypatch.setenv("ASSIST_HOME", str(tmp_path / "new"))
    assert assist("restore", str(tmp_path / "a.backup")).returncode == 0
    for words in (("serve",), ("serve", "--once")):
        done = assist(*words)
        assert (done.returncode, done.stdout) == (65, b"")
        assert b"it was restored from a backup, and the original may still be in use" in done.stderr
        assert b"assist serve --once --take-over" in done.stderr
    assert b"restored from a backup" in assist("doctor").stdout
    done = assist("serve", "--once", "--take-over")
    assert done.returncode == 0, done
    assert b"took over" in done.stderr
    assert assist("serve", "--once").returncode == 0
    assert b"restored from a backup" not in assist("doctor").stdout
    assert b"server.take-over" in assist("audit", "list").stdout


@pytest.mark.parametrize("damage", ["absent", "text", "foreign", "cut", "garbled"])
def test_what_is_no_whole_backup_makes_no_home(
    assist: Application, made: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, damage: str
) -> None:
    file = tmp_path / "a.backup"
    backup.write(made, file)
    data = file.read_bytes()
    if damage == "absent":
        file.unlink()
    elif damage == "text":
        file.write_bytes(b"no database")
    elif damage == "foreign":
        file.write_bytes(made.database.read_bytes())
    elif damage == "cut":
        file.write_bytes(data[: len(data) // 2])
    else:
        file.write_bytes(data[:8192] + os.urandom(len(data) - 8192))
    root = tmp_path / "new"
    monkeypatch.setenv("ASSIST_HOME", str(root))
    done = assist("restore", str(file))
    assert done.returncode == (74 if damage == "absent" else 65), done
    assert done.stderr.count(b"\n") == 2
    assert not root.exists()
    assert not list(tmp_path.glob(".new.*"))


HOSTILE = {
    "a name that leads out": "INSERT INTO backup_files VALUES ('pki/../../out', x'00')",
    "another name that leads out": "INSERT INTO backup_files VALUES ('../out', x'00')",
    "an absolute name": "INSERT INTO backup_files VALUES ('/tmp/assist-out', x'00')",
    "a folder as a name": "INSERT INTO backup_files VALUES ('pki/..', x'00')",
    "no name": "INSERT INTO backup_files VALUES (NULL, x'00')",
    "a name with NUL": "INSERT INTO backup_files VALUES (CAST(x'706b692f6100' AS TEXT), x'00')",
    "a name that is no UTF-8": "INSERT INTO backup_files VALUES (CAST(x'706b692fff' AS TEXT), x'00')",
    "a long name": "INSERT INTO backup_files VALUES ('pki/' || hex(zeroblob(200)), x'00')",
    "a number as a file": "UPDATE backup_files SET content = 5",
    "no origin": "DELETE FROM backup",
    "a text as its time": "UPDATE backup SET created_at = 'now'",
    "a time that is not one": "UPDATE backup SET created_at = 9e18",
    "a path with NUL": "UPDATE backup SET home = CAST(x'2f00' AS TEXT)",
    "a host that is no text": "UPDATE backup SET host = x'00'",
    "a host that paints": "UPDATE backup SET host = char(27) || '[31m'",
    "other columns": "ALTER TABLE backup RENAME COLUMN home TO house",
    "a table without columns of the schema": "ALTER TABLE records DROP COLUMN sender",
    "a trigger": "CREATE TRIGGER no BEFORE INSERT ON audit BEGIN SELECT RAISE(ABORT, 'no'); END",
}


def test_a_hostile_backup_writes_nothing_outside_of_its_home(
    assist: Application, made: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    good, folder = tmp_path / "good.backup", tmp_path / "place"
    backup.write(made, good)
    for number, (kind, statement) in enumerate(HOSTILE.items()):
        file, root = folder / "a.backup", folder / str(number)
        folder.mkdir()
        shutil.copyfile(good, file)
        changed(file, statement)
        before = everything(tmp_path)
        monkeypatch.setenv("ASSIST_HOME", str(root))
        done = assist("restore", str(file))
        assert done.returncode in (0, 65, 74), (kind, done)
        assert b"Traceback" not in done.stderr
        assert b"bug" not in done.stderr
        assert b"\x1b" not in done.stderr
        added = set(everything(tmp_path)) - set(before)
        assert bool(added) == (done.returncode == 0), kind
        assert all(Path(each).is_relative_to(root) for each in added), kind
        assert not Path("/tmp/assist-out").exists()
        shutil.rmtree(folder)


def test_a_backup_holds_no_secret_that_the_home_does_not(made: Home, tmp_path: Path) -> None:
    file = tmp_path / "a.backup"
    backup.write(made, file)
    with sqlite3.connect(file) as copy:
        names = {row[0] for row in copy.execute("SELECT name FROM backup_files")}
    assert names == {
        "notify.key",
        "agent/instance-id",
        "pki/ca.key",
        "pki/ca.pem",
        "pki/controller.key",
        "pki/controller.pem",
    }
