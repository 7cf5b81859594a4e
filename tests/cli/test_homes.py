"""A home that other users can change is refused by every command; an accepted one gets the right modes."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import stat
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from assist_cli import folder, paths
from assist_cli.cli.completion.answer import tree
from assist_cli.errors import FileFailure, NotPermitted
from tests.support import processes
from tests.support.application import Application
from tests.support.program import Program
from tests.support.somebody import UID, need_root, somebody

# One example of each command, by its name.
COMMANDS = {
    words.partition("|")[0]: words.replace("|", " ")
    for words in (
        "run|-- true", "invoke|x", "rerun|-", "send|/dev/null --name x --to /y", "stop|-", "top|", "doctor|",
        "invocation list|", "invocation show|-", "invocation results|-", "invocation wait|-", "invocation watch|-",
        "invocation output|-", "invocation stop|-", "invocation search|x", "invocation diff|t-1 t-2",
        "invocation prune|--keep 1 --yes", "file list|", "file show|-", "command create|x -c true", "command list|",
        "command show|x", "command versions|x", "command diff|x 1", "command modify|x --name y",
        "command clone|x --timeout 5", "command rollback|x 1", "command delete|x", "command export|",
        "command import|{commands}", "instance add|x unix:/x", "instance list|", "instance show|x",
        "instance status|", "instance tag|x a=b", "instance rename|x y", "instance remove|x",
        "instance install|nobody@192.0.2.1", "instance upgrade|x", "instance uninstall|x", "schedule list|",
        "schedule show|-", "schedule slots|-", "schedule pause|-", "schedule resume|-", "serve|--once",
        "service install|", "service status|", "quota set|commands 5", "accesskey create|x", "accesskey list|",
        "accesskey disable|x", "accesskey enable|x", "accesskey delete|x", "notify test|http://127.0.0.1:1/",
        "audit list|", "backup|{file}", "restore|{file}", "queue list|", "queue show|-",
        "queue drop|-", "broker init|tls://x", "broker up|", "broker status|", "broker revoke|x",
        "broker credentials|x", "broker join|x", "broker uninstall|--yes", "instance enroll|--out {file}",
        "query|x", "enrolment list|", "enrolment disable|x", "enrolment delete|x",
        "user add|x --password-file {commands}", "user list|", "user show|x", "user disable|x", "user enable|x",
        "user remove|x", "user password|x --password-file {commands}", "console open|", "group add|x @a", "group list|",
        "group show|x", "group remove|x", "catalog list|", "catalog add|packages",
        "instance export|", "instance import|{commands}",
    )
}  # fmt: skip
# These use no home.
OTHERS = {"catalog show", "schedule preview", "service uninstall", "completion install", "completion show", "help"}
SOME = ("run -- true", "invocation list", "serve --once", "quota")


def leaves(node: dict[str, Any], words: tuple[str, ...] = ()) -> Iterator[str]:
    if not node["commands"]:
        yield " ".join(words)
    for name, below in node["commands"].items():
        yield from leaves(below, (*words, name))


def everything(place: Path) -> dict[str, tuple[int, int]]:
    """Return mode and size of all files and folders there."""
    return {str(path): (path.lstat().st_mode, path.lstat().st_size) for path in (place, *place.rglob("*"))}


def refused(assist: Application, words: str, status: int, **env: str) -> str:
    """Run a command that must be refused in one line, and return that line."""
    done = assist(*shlex.split(words), env=env)
    assert (done.returncode, done.stdout) == (status, b""), (words, done)
    line, hint = done.stderr.decode().splitlines()
    assert line.startswith("error: cannot "), words
    assert hint.startswith("hint: "), words
    return line


def test_the_list_has_every_command() -> None:
    assert set(leaves(tree())) == {*COMMANDS, *OTHERS}


@pytest.fixture
def open_to_all(home: Path) -> Path:
    home.mkdir()
    home.chmod(0o777)
    return home


def test_every_command_refuses_a_home_that_is_writable_by_others(
    assist: Application, open_to_all: Path, isolation: Path
) -> None:
    document = isolation / "commands"
    document.write_text("[]")
    before = everything(isolation)
    for words in COMMANDS.values():
        if words != "doctor ":
            line = refused(assist, words.format(commands=document, file=isolation / "a.backup"), 77)
            assert line.endswith("others may write to it (mode 0777)")
    assert everything(isolation) == before


def test_the_doctor_reports_it_and_ends_with_the_same_status(assist: Application, open_to_all: Path) -> None:
    for words in (["doctor"], ["doctor", "local"], ["doctor", "web1"]):
        done = assist(*words, "-o", "json")
        (check,) = json.loads(done.stdout)
        assert (done.returncode, done.stderr, check["Check"], check["Ok"]) == (77, b"", "home", False)
        assert "others may write to it" in check["Detail"]
        assert check["Hint"]
    assert list(open_to_all.iterdir()) == []


def test_json_output_has_the_refusal(assist: Application, open_to_all: Path) -> None:
    done = assist("invocation", "list", "-o", "json")
    assert json.loads(done.stderr)["Code"] == "NotPermitted"


def test_completion_offers_nothing_of_it(assist: Application, home: Path) -> None:
    assert assist("command", "create", "backup", "-c", "true").returncode == 0
    asking = {"COMP_LINE": "assist command show "}
    assert assist("completion", "answer", "bash", env=asking).stdout == b"words\nbackup\n"
    home.chmod(0o777)
    before = everything(home)
    done = assist("completion", "answer", "bash", env=asking)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"words\n", b"")
    assert everything(home) == before


@pytest.mark.parametrize(
    ("change", "status", "reason"),
    [
        (lambda home: (home / "agent").symlink_to(_shared(home)), 77, "others may write to it"),
        (lambda home: (home / "pki").mkdir() or (home / "pki").chmod(0o770), 77, "others may write to it"),
        (lambda home: (home / "logs").write_text(""), 74, "it is not a folder"),
        (lambda home: (home / "assist.db").mkdir(), 74, "it is not a file"),
        (lambda home: os.mkfifo(home / "assist.db", 0o600), 74, "it is not a file"),
        (lambda home: (home / "assist.db").symlink_to(home / "nothing"), 74, "a link to nothing"),
        (lambda home: home.rmdir() or home.symlink_to(home.parent / "nothing"), 74, "a link to nothing"),
        (lambda home: home.rmdir() or home.symlink_to(_shared(home)), 77, "others may write to it"),
        (lambda home: home.rmdir() or home.symlink_to(home), 74, "symbolic links"),
        (lambda home: home.rmdir() or home.write_text(""), 74, "it is not a folder"),
        (lambda home: home.rmdir() or os.mkfifo(home), 74, "it is not a folder"),
        (lambda home: home.rmdir() or home.symlink_to("/dev/null"), 74, "it is not a folder"),
        (lambda home: (home / "assist.db").symlink_to("/dev/null"), 74, "it is not a file"),
    ],
)
def test_an_unsafe_file_in_a_home_is_like_an_unsafe_home(
    assist: Application, home: Path, change: Callable[[Path], object], status: int, reason: str
) -> None:
    home.mkdir(0o700)
    change(home)
    for words in SOME:
        assert reason in refused(assist, words, status)
    assert assist("doctor").returncode == status


def _shared(home: Path) -> Path:
    shared = home.parent / "shared"
    shared.mkdir()
    shared.chmod(0o1777)
    return shared


def test_a_home_below_a_file_or_with_an_impossible_name_is_reported(assist: Application, isolation: Path) -> None:
    (isolation / "file").write_text("")
    for home in (isolation / "file/home", isolation / ("x" * 300)):
        for words in SOME:
            refused(assist, words, 74, ASSIST_HOME=str(home))
        assert assist("doctor", env={"ASSIST_HOME": str(home)}).returncode == 74


def test_a_folder_with_other_files_is_not_made_private(assist: Application, home: Path) -> None:
    """Such as /etc, given by mistake."""
    shutil.rmtree(home, ignore_errors=True)
    (home / "passwd").mkdir(parents=True)
    home.chmod(0o755)
    for words in (("invocation", "list"), ("doctor",)):
        assert assist(*words).returncode == 77
    assert stat.S_IMODE(home.stat().st_mode) == 0o755


def test_a_home_that_is_readable_by_others_is_made_private(assist: Application, home: Path) -> None:
    home.mkdir()
    (home / "assist.db-wal").write_bytes(b"")
    for path, mode in ((home, 0o755), (home / "assist.db-wal", 0o644)):
        path.chmod(mode)
    assert assist("instance", "list").returncode == 0
    assert stat.S_IMODE(home.stat().st_mode) == 0o700
    home.chmod(0o750)
    assert b"was readable by others (mode 0750); it is private now" in assist("doctor").stdout
    assert assist("doctor").stdout.startswith(b"ok ")


@pytest.mark.parametrize("mask", [0, 0o077, 0o777])
def test_modes_do_not_depend_on_the_umask(assist: Application, isolation: Path, mask: int) -> None:
    place = isolation / "a" / "b" / "home"
    before = os.umask(mask)
    try:
        assert assist("command", "list", env={"ASSIST_HOME": str(place)}).returncode == 0
        assert assist("accesskey", "create", "x", env={"ASSIST_HOME": str(place)}).returncode == 0
    finally:
        os.umask(before)
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in (*place.parents[:2], place, *place.iterdir())}
    assert modes == {"a": 0o755, "b": 0o755, "home": 0o700, "assist.db": 0o600}


def test_root_uses_nothing_of_another_user(assist: Application, home: Path, isolation: Path) -> None:
    """No home of that user, and no file in one; it leaves nothing in a folder of that user."""
    need_root()
    user = isolation / "alice"
    (user / "home").mkdir(0o700, parents=True)
    for path in (user, user / "home"):
        os.chown(path, UID, -1)
    before = everything(user)
    env = {"HOME": str(user), "XDG_CONFIG_HOME": None, "XDG_DATA_HOME": None}
    for words in SOME:
        assert f"user {UID}" in refused(assist, words, 77, ASSIST_HOME=str(user / "home"))
        done = assist(*shlex.split(words), env={**env, "ASSIST_HOME": None})
        assert (done.returncode, done.stdout) == (77, b"")
        assert str(user).encode() in done.stderr
    done = assist("doctor", env={**env, "ASSIST_HOME": None})
    assert (done.returncode, done.stdout.count(b"BAD")) == (77, 1)
    assert assist("completion", "install", "bash", env=env).returncode == 77
    assert everything(user) == before
    assert assist("instance", "list").returncode == 0
    os.chown(home / "assist.db", UID, -1)
    for words in SOME:
        assert "assist.db" in refused(assist, words, 77)


def test_dots_behind_a_folder_of_another_user_are_refused(assist: Application, isolation: Path) -> None:
    """Such a user can replace the folder by a link while the home is in use."""
    need_root()
    theirs = isolation / "theirs"
    theirs.mkdir()
    os.chown(theirs, UID, -1)
    before = everything(isolation)
    usual: dict[str, str | None] = {"ASSIST_HOME": None, "XDG_DATA_HOME": None}
    for words in (*SOME, "doctor"):
        for env in ({"ASSIST_HOME": f"{theirs}/../home"}, {**usual, "HOME": f"{theirs}/.."}):
            done = assist(*shlex.split(words), env=env)
            assert (done.returncode, done.stdout) == (77, b""), (words, done)
            assert done.stderr.startswith(b"error: cannot tell where the home is: it has '..' in a folder")
    with pytest.raises(NotPermitted):
        paths.home(f"{theirs}/../home")
    assert everything(isolation) == before


def test_a_home_with_dots_is_resolved_one_time(isolation: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Links are resolved one by one, like the system does; the part after the dots may be missing."""
    (isolation / "far" / "deep").mkdir(parents=True)
    (isolation / "link").symlink_to("far/deep")
    monkeypatch.chdir(isolation / "far")
    for stated in ("../link/../home/new", f"{isolation}/link/../home/new", "home/new"):
        monkeypatch.setenv("ASSIST_HOME", stated)
        assert folder.home_folder() == f"{isolation}/far/home/new"
    monkeypatch.setenv("ASSIST_HOME", "missing/../home")
    with pytest.raises(FileFailure, match="No such file"):
        paths.home()


def test_an_error_of_permissions_is_named_as_one(assist: Application, home: Path) -> None:
    need_root()
    quick = ("invocation list", "quota", "doctor")
    for words in quick:
        assert assist(*shlex.split(words)).returncode == 0  # and everything is imported that another user may not read
    with somebody() as place:
        other, mine = Application(place), place / "home"
        (place / "closed").mkdir(0o000)
        assert "belongs to root" in refused(other, "quota", 77, ASSIST_HOME="/")
        assert "Permission denied" in refused(other, "quota", 77, ASSIST_HOME=str(home))
        assert "Permission denied" in refused(other, "quota", 77, ASSIST_HOME=str(place / "closed" / "home"))
        assert "Permission denied" in refused(other, "quota", 77, ASSIST_HOME="/nowhere/home")
        mine.mkdir()
        for mode, status, reason in ((0o000, 77, "cannot read"), (0o300, 77, "cannot read"), (0o555, 74, "read-only")):
            mine.chmod(mode)
            for words in quick[:2]:
                assert reason in refused(other, words, status, ASSIST_HOME=str(mine))
            assert other("doctor", env={"ASSIST_HOME": str(mine)}).returncode == status
            assert stat.S_IMODE(mine.stat().st_mode) == mode
        mine.chmod(0o700)
        assert other("invocation", "list", env={"ASSIST_HOME": str(mine)}).returncode == 0
        (mine / "assist.db").chmod(0o400)
        assert "read-only" in refused(other, "quota", 74, ASSIST_HOME=str(mine))


def test_the_doctor_reports_a_home_that_cannot_be_created_like_other_commands(assist: Application) -> None:
    need_root()
    if not os.path.ismount("/sys"):
        pytest.skip("/sys is no file system of its own, where root can make no folder")
    assert assist("quota", env={"ASSIST_HOME": "/sys/assist"}).returncode == 77
    done = assist("doctor", env={"ASSIST_HOME": "/sys/assist"})
    assert (done.returncode, b"cannot make the folder '/sys/assist': " in done.stdout) == (77, True), done


def test_no_hint_removes_permissions_from_foreign_files(assist: Application, home: Path) -> None:
    shared = _shared(home)
    home.mkdir(0o700)
    (home / "agent").symlink_to(shared)
    (home / "assist.db").touch(0o600)
    for place in ("/dev/null", str(shared), str(home)):
        for words in (["doctor"], ["quota"]):
            done = assist(*words, env={"ASSIST_HOME": place})
            assert done.returncode in (74, 77)
            assert b"chmod" not in done.stdout + done.stderr
    (home / "agent").unlink()
    home.chmod(0o770)
    assert b"chmod go-rwx" in assist("quota").stderr


@pytest.mark.parametrize("stated", ["", "relative/folder"])
def test_an_unusable_home_of_the_user_is_ignored(monkeypatch: pytest.MonkeyPatch, stated: str) -> None:
    monkeypatch.delenv("ASSIST_HOME")
    monkeypatch.delenv("HOME")
    usual = folder.home_folder()
    assert Path(usual).is_absolute()
    monkeypatch.setenv("HOME", stated)
    assert folder.home_folder() == usual


def test_a_user_without_a_home_folder_is_reported(assist: Application, home: Path) -> None:
    need_root()
    assert assist("quota").returncode == 0
    with somebody() as mine:
        line = refused(Application(mine), "quota", 74, ASSIST_HOME="", HOME="")
    assert line.startswith("error: cannot tell where the home is: HOME is not an absolute path")


def test_a_deleted_current_folder_matters_only_to_a_relative_home(installed: Program, isolation: Path) -> None:
    gone = isolation / "gone"
    script = 'mkdir "$1" && cd "$1" && rmdir "$1" && exec "$0" instance list'
    for home, status, said in ((str(isolation / "assist"), 0, b""), ("home", 74, b"relative to the current folder")):
        done = subprocess.run(
            ["/bin/sh", "-c", script, installed.path, gone],
            env={**os.environ, "ASSIST_HOME": home},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
        )
        assert done.returncode == status, done
        assert said in done.stderr


@pytest.mark.long
def test_a_home_may_have_any_name(installed: Program, isolation: Path) -> None:
    place = isolation / os.fsdecode(b"two words\n\xff\xfe %41?#\"'" + b"x" * 200)
    env = {"ASSIST_HOME": str(place)}
    try:
        assert installed("run", "--detach", "-c", "echo fine", env=env).returncode == 0
        assert installed("invocation", "wait", "-", env=env).stdout == b"fine\n"
        assert installed("doctor", "-o", "json", env=env).returncode == 0
    finally:
        processes.stop_agent(place / "agent")
