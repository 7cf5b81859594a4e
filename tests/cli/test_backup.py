"""A backup is one private file, made while everything runs, and a home is restored from it whole or not at all."""

from __future__ import annotations

import os
import sqlite3
import stat
from pathlib import Path

import pytest

from assist_cli.deploy import pki
from assist_cli.operations.controller import open_controller, utc_now
from assist_cli.operations.server import backup, restore
from assist_cli.paths import Home
from assist_cli.store import checkup
from tests.support.application import Application


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
    if not Path("/etc/machine-id").read_text().strip():
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
    assert assist("backup", str(tmp_path)).returncode == 74
    assert assist("backup", str(tmp_path / "no" / "folder")).returncode == 74


def test_a_home_that_is_in_use_is_not_restored_over(assist: Application, made: Home, tmp_path: Path) -> None:
    file = tmp_path / "a.backup"
    assert assist("backup", str(file)).returncode == 0
    before = tree(made)
    done = assist("restore", str(file))
    assert (done.returncode, tree(made)) == (65, before)
    assert b"it is not empty" in done.stderr


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
