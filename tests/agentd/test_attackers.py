"""Attacks by other users of the machine: they prepare, swap and watch the paths of the agent, without success."""

from __future__ import annotations

import os
import pwd
import stat
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.agentd.conftest import MakeAgent
from tests.agentd.test_files import CONTENT, order, put
from tests.support import variants
from tests.support.agent import Agent, Client, new_record

pytestmark = [pytest.mark.skipif(os.name == "nt", reason="users and modes are those of Unix")]

NOBODY = "nobody"


def ended(result: dict[str, object]) -> tuple[object, object]:
    return result["state"], result["error_code"]


@pytest.fixture
def victim(make_agent: MakeAgent, shared: Path) -> Agent:
    """An agent of root whose scripts lie in the shared folder."""
    return make_agent(script_dir=shared).start()


def as_nobody(script: str, *words: str | Path) -> None:
    """Do something as the attacker."""
    subprocess.run(
        ["/bin/sh", "-ec", script, "sh", *map(str, words)], user=NOBODY, group=pwd.getpwnam(NOBODY).pw_gid, check=True
    )


@pytest.mark.parametrize(
    "prepared", variants.every(2, ["echo mine > $1", "ln -s $2 $1", "ln -s $3 $1", "mkdir $1", "mkfifo $1"])
)
@pytest.mark.parametrize("username", [None, NOBODY])
def test_a_prepared_script_path_is_refused(
    victim: Agent, shared: Path, isolation: Path, prepared: str, username: str | None
) -> None:
    """Any file at the path of the script: the run is refused, and the file is neither followed nor changed."""
    outside, missing = isolation / "outside", isolation / "missing"
    outside.write_text("root's")
    record = new_record()
    path = shared / f"assist-{record}.sh"
    as_nobody(prepared, path, outside, missing)
    before = path.lstat()
    client = victim.connect()
    result = client.finish(client.run("echo ran", record, username=username)).result
    assert result is not None
    assert ended(result) == ("Failed", "ScriptFileExisted")
    assert str(path) in result["error_info"]
    assert path.lstat()[:7] == before[:7]
    assert outside.read_text() == "root's"
    assert not missing.exists()


@contextmanager
def swapping(python: str, script: str, *words: str | Path) -> Iterator[None]:
    """Run the attack in a loop, as fast as possible."""
    process = subprocess.Popen([python, "-I", "-S", "-c", script, *map(str, words)], user=NOBODY)
    try:
        yield
    finally:
        process.kill()
        process.wait()


SWAP_SCRIPTS = """
import os, sys
folder, records = sys.argv[1], sys.argv[2:]
while True:
    for record in records:
        path = os.path.join(folder, "assist-%s.sh" % record)
        for act in (lambda: os.symlink("/etc/passwd", path), lambda: os.unlink(path),
                    lambda: os.rename(path, path + ".taken"), lambda: os.link("/etc/hostname", path)):
            try:
                act()
            except OSError:
                pass
"""


def test_a_script_path_that_is_swapped_runs_no_other_content(victim: Agent, shared: Path, python_of_all: str) -> None:
    """A script runs as it was sent, or is refused. No other content runs, and no file of the system changes."""
    passwd = Path("/etc/passwd").stat()
    client = victim.connect()
    records = [new_record() for _ in range(30)]
    with swapping(python_of_all, SWAP_SCRIPTS, shared, *records):
        for record in records:
            seen = client.finish(client.run("echo ran", record))
            assert seen.result is not None
            if seen.result["error_code"]:
                assert ended(seen.result) == ("Failed", "ScriptFileExisted")
                assert seen.stdout == b""
            else:
                assert seen.stdout == b"ran\n"
    assert Path("/etc/passwd").stat()[:8] == passwd[:8]


SWAP_TARGETS = """
import os, sys
path, outside, missing = sys.argv[1:]
while True:
    for act in (lambda: os.symlink(outside, path), lambda: os.unlink(path), lambda: os.rename(path, path + ".taken"),
                lambda: os.symlink(missing, path), lambda: os.unlink(path)):
        try:
            act()
        except OSError:
            pass
"""


@pytest.mark.long
@pytest.mark.parametrize("overwrite", [False, True])
def test_a_target_that_is_swapped_leaves_what_it_points_to(
    victim: Agent, shared: Path, isolation: Path, python_of_all: str, overwrite: bool
) -> None:
    """A link at the name of a file is replaced or refused; its target is never opened, read or written."""
    outside, missing = isolation / "outside", isolation / "missing"
    outside.write_text("root's")
    client = victim.connect()
    folder = shared / "open"
    folder.mkdir()
    folder.chmod(0o777)
    with swapping(python_of_all, SWAP_TARGETS, folder / "file", outside, missing):
        for _ in range(40):
            assert put(client, folder, overwrite=overwrite) in ("", "FileAlreadyExists")
    assert outside.read_text() == "root's"
    assert stat.S_IMODE(outside.stat().st_mode) == 0o644
    assert not missing.exists()
    assert not list(folder.glob(".assist-*"))


def test_a_prepared_temporary_name_fails_the_file_alone(victim: Agent, shared: Path, isolation: Path) -> None:
    """An attacker who knows the record id can take the temporary name: the file fails, nothing else does."""
    outside = isolation / "outside"
    outside.write_text("root's")
    folder = shared / "open"
    folder.mkdir()
    folder.chmod(0o777)
    sent = order(folder)
    as_nobody("ln -s $1 $2", outside, folder / f".assist-{sent['record']}.tmp")
    result = victim.connect().call("file.put", **sent)["result"]
    assert ended(result) == ("Failed", "FileCreateFail")
    assert outside.read_text() == "root's"
    assert not (folder / "file").exists()


@pytest.mark.parametrize("umask", [0o000, 0o077])
def test_the_agents_files_belong_to_it_alone(make_agent: MakeAgent, isolation: Path, umask: int) -> None:
    """With any umask, others can write no file or folder of the agent, and can read none of its secrets."""
    agent = make_agent()
    agent.home = isolation / "made" / "on" / "the" / "way"
    before = os.umask(umask)
    try:
        agent.start("--log", isolation / "the.log")
    finally:
        os.umask(before)
    client = agent.connect()
    record = client.run("echo out; umask")
    assert client.finish(record).stdout == b"out\n0022\n"
    assert put(client, isolation / "target") == ""
    record = client.run("true")
    client.finish(record)
    client.call("task.forget", records=[record])
    running = client.run("sleep 60")
    agent.main(running)
    found = [isolation / "made", *(isolation / "made").rglob("*"), isolation / "the.log"]
    names = {path.name for path in found}
    assert {"agentd.sock", "agentd.lock", "instance-id", "request.json", "result.json", "alive"} <= names
    for path in found:
        status = path.lstat()
        assert status.st_uid == os.geteuid(), path
        assert not status.st_mode & 0o022, f"{path} is {oct(status.st_mode)}"
    for path in (agent.home, *agent.home.rglob("*"), isolation / "the.log"):
        assert not path.lstat().st_mode & 0o077, f"{path} is {oct(path.lstat().st_mode)}"


@pytest.mark.parametrize("mode", [0o777, 0o770])
def test_a_folder_that_others_may_write_is_refused(make_agent: MakeAgent, mode: int) -> None:
    agent = make_agent()
    agent.home.chmod(mode)
    done = subprocess.run(agent.words("serve"), capture_output=True, check=False)
    assert done.returncode == 1
    assert done.stderr.decode().count("\n") == 1
    assert "another user" in done.stderr.decode()


STRANGER = """
import socket, sys
sock = socket.socket(socket.AF_UNIX)
sock.connect(sys.argv[1])
heard = b""
try:  # it may be closed before we have said anything
    sock.sendall(b'{"jsonrpc":"2.0","id":1,"method":"agent.hello","params":{"protocol":[1,0],"controller":"x"}}\\n')
except OSError:
    pass
try:
    while True:
        data = sock.recv(4096)
        if not data:
            break
        heard += data
except OSError:
    pass
sys.exit(b"result" in heard or b"ClientAuthFailed" not in heard)
"""


@pytest.mark.usefixtures("root")
def test_another_user_may_not_speak_to_it(make_agent: MakeAgent, public: Path, python_of_all: str) -> None:
    """The kernel names the user of a connection. Another user gets an error and no more, whatever the file modes."""
    agent = make_agent(public).start()
    agent.home.chmod(0o711)
    (agent.home / "agentd.sock").chmod(0o777)
    words = [python_of_all, "-I", "-S", "-c", STRANGER, agent.home / "agentd.sock"]
    subprocess.run(words, user=NOBODY, check=True)
    assert agent.connect().complete("echo fine").stdout == b"fine\n"
    agent.close()


def test_no_word_of_a_request_reaches_a_shell(client: Client, isolation: Path) -> None:
    """Names, folders, users and values with characters of the shell stay plain text."""
    evil = f"x$(touch {isolation}/hacked)`touch {isolation}/hacked`;touch {isolation}/hacked;'\"|&"
    seen = client.complete('printf %s "$ASSIST_PARAM_X"', environment={"ASSIST_PARAM_X": evil})
    assert seen.stdout == evil.encode()
    for params in ({"directory": evil}, {"username": evil}, {"type": evil}, {"command": evil, "invocation": evil}):
        client.result("true", **params)
    name = evil.replace("/", "")
    assert put(client, isolation / "target", name) == ""
    assert (isolation / "target" / name).read_bytes() == CONTENT
    assert not (isolation / "hacked").exists()
