"""A real agent and an attacker: links, hard links, FIFOs and swapped folders mislead it nowhere; modes are as asked."""

from __future__ import annotations

import os
import pwd
import shutil
import stat
import subprocess
from pathlib import Path

import pytest

from agentd import shim
from agentd.result import Refusal
from tests.agentd.conftest import MakeAgent
from tests.agentd.test_attackers import NOBODY, as_nobody, ended, swapping
from tests.agentd.test_files import CONTENT, order, put
from tests.support.agent import Agent, Client, new_record
from tests.support.programs import need

pytestmark = [pytest.mark.skipif(os.name == "nt", reason="users and modes are those of Unix")]


@pytest.fixture
def theirs(root: None, public: Path) -> Path:
    """A folder of the attacker."""
    folder = public / "theirs"
    folder.mkdir()
    shutil.chown(folder, NOBODY)
    return folder


@pytest.fixture
def outside(isolation: Path) -> Path:
    """A folder of root, where nothing may arrive."""
    folder = isolation / "outside"
    folder.mkdir()
    return folder


@pytest.mark.parametrize("below", ["", "/below"])
def test_a_file_does_not_follow_a_link_of_another_user(client: Client, theirs: Path, outside: Path, below: str) -> None:
    as_nobody("ln -s $1 $2", outside, theirs / "link")
    assert put(client, f"{theirs}/link{below}") == "FilePathInvalid"
    assert list(outside.iterdir()) == []
    assert put(client, f"{theirs}/new{below}") == ""


def test_a_file_follows_a_link_of_root(client: Client, isolation: Path) -> None:
    (isolation / "real").mkdir()
    (isolation / "link").symlink_to("real")
    assert put(client, isolation / "link" / "below") == ""
    assert (isolation / "real" / "below" / "file").read_bytes() == CONTENT


SWAP_FOLDER = """
import ctypes, os, sys
folder, link = map(os.fsencode, sys.argv[1:])
libc = ctypes.CDLL(None)
while True:
    libc.renameat2(-100, folder, -100, link, 2)  # RENAME_EXCHANGE
"""


@pytest.mark.long
@pytest.mark.parametrize("overwrite", [False, True])
def test_a_folder_swapped_for_a_link_leads_nowhere(
    client: Client, theirs: Path, outside: Path, python_of_all: str, overwrite: bool
) -> None:
    """In every attempt the file is in the folder of the attacker or nowhere."""
    as_nobody("mkdir $1; ln -s $2 $3", theirs / "sub", outside, theirs / "link")
    codes = set()
    with swapping(python_of_all, SWAP_FOLDER, theirs / "sub", theirs / "link"):
        for turn in range(60):
            codes.add(put(client, theirs / "sub" / f"deep-{turn}", overwrite=overwrite))
    assert codes <= {"", "FilePathInvalid"}
    assert list(outside.iterdir()) == []


@pytest.mark.usefixtures("starts_processes")
def test_remains_of_a_crash_are_removed_where_they_were_created(theirs: Path, outside: Path) -> None:
    """An attacker who has swapped the folder since cannot make root remove a file elsewhere."""
    (outside / "left").touch()
    as_nobody("ln -s $1 $2", outside, theirs / "link")
    shim._remove_file(str(theirs / "link" / "left"))
    assert (outside / "left").exists()
    shim._remove_file(str(outside / "left"))
    assert not (outside / "left").exists()


@pytest.mark.usefixtures("root")
@pytest.mark.parametrize("kind", ["second name", "fifo", "device", "link to a device"])
def test_an_object_at_the_name_is_replaced_and_not_written_to(
    client: Client, isolation: Path, outside: Path, kind: str
) -> None:
    secret, path = outside / "secret", isolation / "file"
    secret.write_text("root's")
    if kind == "second name":
        path.hardlink_to(secret)
    elif kind == "fifo":
        os.mkfifo(path)
    elif kind == "device":
        os.mknod(path, stat.S_IFCHR | 0o666, os.makedev(1, 3))
    else:
        path.symlink_to("/dev/null")
    assert put(client, isolation) == "FileAlreadyExists"
    assert put(client, isolation, overwrite=True) == ""
    assert path.read_bytes() == CONTENT
    assert stat.S_ISREG(path.lstat().st_mode)
    assert secret.read_text() == "root's"
    assert stat.S_ISCHR(Path("/dev/null").stat().st_mode)


# scripts


@pytest.mark.parametrize("kind", ["open", "open to a group", "theirs", "link of theirs", "below theirs"])
def test_no_script_is_saved_where_another_user_can_exchange_it(theirs: Path, outside: Path, kind: str) -> None:
    """It would run the attacker's content as root."""
    script, accounts = pytest.importorskip("agentd.posix.script"), pytest.importorskip("agentd.posix.accounts")
    folder = theirs if kind == "theirs" else theirs / "scripts" if kind == "below theirs" else theirs.parent / "scripts"
    if kind == "link of theirs":
        folder.symlink_to(outside)
        os.chown(folder, pwd.getpwnam(NOBODY).pw_uid, -1, follow_symlinks=False)
    elif kind != "theirs":
        folder.mkdir()
        folder.chmod({"open": 0o777, "open to a group": 0o775}.get(kind, 0o755))
    with pytest.raises(Refusal, match="another user") as refusal:
        script.write_file(f"{folder}/assist-r.sh", b"true", accounts.Account(None))
    assert refusal.value.code == "ExecutionException"
    assert list(outside.iterdir()) == []


def test_no_script_runs_behind_dots_in_a_folder_of_another_user(
    make_agent: MakeAgent, theirs: Path, python_of_all: str
) -> None:
    """The attacker has a script for each record where ``..`` leads, once the folder before it is a link."""
    public = theirs.parent
    as_nobody("mkdir $1 $2 $3; ln -s $3 $4", theirs / "bait", theirs / "lair", theirs / "lair/x", theirs / "link")
    public.chmod(0o1777)
    client = make_agent(script_dir=theirs / "bait" / ".." / "..").start().connect()
    records = [new_record() for _ in range(15)]
    as_nobody('for path; do echo "echo PWNED" > $path; done', *(theirs / f"assist-{each}.sh" for each in records))
    with swapping(python_of_all, SWAP_FOLDER, theirs / "bait", theirs / "link"):
        for record in records:
            seen = client.finish(client.run("echo ran", record))
            assert seen.result is not None
            assert (ended(seen.result), seen.stdout) == (("Failed", "ExecutionException"), b"")
            assert "another user" in str(seen.result["error_info"])


@pytest.mark.parametrize("path", ["scripts", "", "../scripts"])
def test_a_script_folder_that_depends_on_the_current_one_is_refused(make_agent: MakeAgent, path: str) -> None:
    """The script is saved in one folder and run in another."""
    agent = make_agent(script_dir=path)
    done = subprocess.run(agent.words("serve"), capture_output=True, check=False, timeout=30)
    assert done.returncode == 1
    assert done.stderr.decode() == (
        f"agentd: cannot use line 1 of {agent.home}/agentd.conf: '{path}' is not an absolute path\n"
    )


def test_a_script_is_saved_and_run_behind_dots_in_a_folder_of_our_own(make_agent: MakeAgent, isolation: Path) -> None:
    (isolation / "far" / "deep").mkdir(parents=True)
    (isolation / "link").symlink_to("far/deep")
    agent = make_agent(script_dir=f"{isolation}/link/..").start()
    assert agent.connect().complete('cd -P "${0%/*}" && pwd').stdout.decode() == f"{isolation}/far\n"


@pytest.mark.usefixtures("root")
def test_a_script_is_saved_below_a_link_of_root(make_agent: MakeAgent, isolation: Path) -> None:
    (isolation / "real").mkdir(mode=0o1777)
    (isolation / "link").symlink_to("real")
    agent = make_agent(script_dir=isolation / "link").start()
    assert agent.connect().complete('echo "$0"').stdout.decode().startswith(f"{isolation}/link/assist-")


def test_the_working_folder_is_entered_as_the_user(
    make_agent: MakeAgent, shared: Path, public: Path, outside: Path
) -> None:
    client = make_agent(script_dir=shared).start().connect()
    assert client.complete("pwd", username=NOBODY, directory=str(public)).stdout.decode() == f"{public}\n"
    outside.chmod(0o700)
    result = client.result("pwd", username=NOBODY, directory=str(outside))
    assert ended(result) == ("Failed", "WorkingDirectoryNotExist")


# its own folder and its log


@pytest.mark.parametrize("command", ["serve", "guard"])
def test_a_folder_that_others_can_exchange_is_refused(make_agent: MakeAgent, theirs: Path, command: str) -> None:
    agent = make_agent()
    agent.home = theirs / "agent"
    done = subprocess.run(agent.words(command), capture_output=True, check=False)
    assert (done.returncode, done.stdout) == (1, b"")
    assert done.stderr.decode() == (
        f"agentd: cannot use the folder {agent.home}: another user can change a folder above it\n"
    )
    assert list(theirs.iterdir()) == []


@pytest.mark.parametrize("option", ["--home", "--log"])
@pytest.mark.parametrize("command", ["serve", "guard"])
def test_dots_behind_a_folder_of_another_user_are_refused(
    make_agent: MakeAgent, theirs: Path, command: str, option: str
) -> None:
    before = sorted(theirs.parent.iterdir())
    words = make_agent().words(command, option, theirs / ".." / "new")
    done = subprocess.run(words, capture_output=True, check=False, timeout=30)
    assert done.returncode == 1
    assert b"another user can change" in done.stderr
    assert done.stderr.count(b"\n") == 1
    assert sorted(theirs.parent.iterdir()) == before


@pytest.mark.parametrize("prepared", ["ln -s $1 $2", "ln -s $1-missing $2", "mkfifo $2", "echo mine > $2"])
def test_a_prepared_log_is_refused(make_agent: MakeAgent, theirs: Path, outside: Path, prepared: str) -> None:
    secret = outside / "secret"
    secret.write_text("root's")
    as_nobody(prepared, secret, theirs / "log")
    words = make_agent().words("serve", "--log", theirs / "log")
    done = subprocess.run(words, capture_output=True, check=False, timeout=30)
    assert done.returncode == 1
    assert done.stderr.decode().startswith(f"agentd: cannot write the log '{theirs}/log': ")
    assert done.stderr.count(b"\n") == 1
    assert secret.read_text() == "root's"
    assert [path.name for path in outside.iterdir()] == ["secret"]


# modes


MODES = ["0000", "0644", "0777", "1644", "2644", "2755", "4755", "6711", "7777", "755", "07750"]


@pytest.mark.usefixtures("root")
def test_root_gives_every_mode_with_every_owner(client: Client, isolation: Path) -> None:
    """A change of owner removes setuid and setgid, so the mode is set last."""
    for mode in MODES:
        for owner in (None, NOBODY):
            assert put(client, isolation, f"{mode}-{owner}", mode=mode, owner=owner, group=None) == ""
            assert stat.S_IMODE((isolation / f"{mode}-{owner}").stat().st_mode) == int(mode, 8)


def test_a_user_gives_every_mode(agent_of_somebody: Agent, public: Path, somebody: int) -> None:
    """A write by a user removes setuid and setgid; a setgid folder gives its own group."""
    folder = public / "shared"
    folder.mkdir()
    os.chown(folder, somebody, 0)
    folder.chmod(0o2755)
    client = agent_of_somebody.start(user=somebody, group=somebody, extra_groups=[]).connect()
    for mode in MODES:
        assert put(client, folder, mode, mode=mode) == ""
        status = (folder / mode).stat()
        assert (stat.S_IMODE(status.st_mode), status.st_gid) == (int(mode, 8), somebody)


@pytest.mark.usefixtures("root")
def test_a_mode_that_the_system_does_not_give_is_refused(make_agent: MakeAgent, isolation: Path) -> None:
    """Without CAP_FSETID the system removes setgid silently; the old file stays."""
    agent = make_agent()
    program = need("setpriv")
    words = agent.words
    agent.words = lambda *more: [program, "--bounding-set", "-fsetid", *words(*more)]  # type: ignore[method-assign]
    agent.start()
    client = agent.connect()
    (isolation / "file").write_text("old")
    sent = order(isolation, mode="2755", group="daemon", overwrite=True)
    result = client.call("file.put", **sent)["result"]
    assert ended(result) == ("Failed", "FileAuthorityInvalid")
    assert "2755" in result["error_info"]
    assert (isolation / "file").read_text() == "old"
    assert not list(isolation.glob(".assist-*"))
    assert put(client, isolation, mode="0755", group="daemon", overwrite=True) == ""
    agent.close()
