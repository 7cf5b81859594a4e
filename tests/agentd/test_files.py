"""Sending a file (docs/rules.md section 7): it arrives whole, with its mode and owner, or not at all."""

from __future__ import annotations

import grp
import hashlib
import itertools
import os
import pwd
import signal
import stat
import subprocess
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from agentd.wire import protocol
from tests.agentd.conftest import EVERY_PYTHON, MakeAgent
from tests.support import variants
from tests.support.agent import Agent, Client, eventually, is_alive, new_record, small_disk

pytestmark = [
    pytest.mark.skipif(os.name == "nt", reason="owners and modes are those of Unix"),
    pytest.mark.parametrize("python", EVERY_PYTHON, indirect=True),
]

CONTENT = bytes(range(256)) * 8


def order(folder: Path | str, name: str = "file", content: bytes = CONTENT, **params: Any) -> dict[str, Any]:
    """The params of file.put."""
    return {
        "record": new_record(),
        "invocation": "f-1",
        "name": name,
        "directory": str(folder),
        "content": protocol.pack(content),
        "sha256": hashlib.sha256(content).hexdigest(),
        **params,
    }


def put(client: Client, *words: Any, **params: Any) -> str:
    """Send a file. Return the ErrorCode, empty on success."""
    answer = client.call("file.put", **order(*words, **params))
    result = answer["result"]
    assert answer["state"] == result["state"] == ("Failed" if result["error_code"] else "Finished")
    assert bool(result["error_info"]) == bool(result["error_code"])
    code: str = result["error_code"]
    return code


def test_a_file_arrives(client: Client, isolation: Path) -> None:
    """With mode 0644 and the owner and group of the agent by default, and with no other file beside it."""
    assert put(client, isolation / "target") == ""
    path = isolation / "target" / "file"
    assert path.read_bytes() == CONTENT
    status = path.stat()
    assert (stat.S_IMODE(status.st_mode), status.st_uid, status.st_gid) == (0o644, os.geteuid(), os.getegid())
    assert [entry.name for entry in path.parent.iterdir()] == ["file"]


def test_missing_parent_folders_can_be_entered(client: Client, isolation: Path) -> None:
    """They are created when missing. Closed ones would be useless to the owner of the file."""
    assert put(client, isolation / "a" / "b" / "c") == ""
    for folder in ("a", "a/b", "a/b/c"):
        assert stat.S_IMODE((isolation / folder).stat().st_mode) == 0o755


@pytest.mark.parametrize(("mode", "wanted"), [("0600", 0o600), ("755", 0o755), ("0777", 0o777), ("4755", 0o4755)])
def test_the_mode_is_as_requested(client: Client, isolation: Path, mode: str, wanted: int) -> None:
    assert put(client, isolation, mode=mode) == ""
    assert stat.S_IMODE((isolation / "file").stat().st_mode) == wanted


@pytest.mark.usefixtures("root")
def test_owner_and_group(client: Client, isolation: Path) -> None:
    group = grp.getgrgid(pwd.getpwnam("nobody").pw_gid).gr_name
    assert put(client, isolation, owner="nobody", group=group, mode="4750") == ""
    status = (isolation / "file").stat()
    assert (status.st_uid, status.st_gid) == (pwd.getpwnam("nobody").pw_uid, grp.getgrnam(group).gr_gid)
    assert stat.S_IMODE(status.st_mode) == 0o4750


@pytest.mark.usefixtures("root")
def test_the_group_is_root_in_a_setgid_folder_too(client: Client, isolation: Path) -> None:
    """A setgid folder gives its group to new files; here the default is the group of root."""
    folder = isolation / "shared"
    folder.mkdir()
    os.chown(folder, -1, pwd.getpwnam("nobody").pw_gid)
    folder.chmod(0o2775)
    assert put(client, folder) == ""
    assert (folder / "file").stat().st_gid == 0


REFUSALS = [
    ("FileNameInvalid", {"name": ""}),
    ("FileNameInvalid", {"name": "."}),
    ("FileNameInvalid", {"name": ".."}),
    ("FileNameInvalid", {"name": "../file"}),
    ("FileNameInvalid", {"name": "a/b"}),
    ("FileNameInvalid", {"name": "a\\b"}),
    ("FileNameInvalid", {"name": "a\nb"}),
    ("FileNameInvalid", {"name": "ä" * 128}),
    ("FilePathInvalid", {"folder": "relative"}),
    ("FilePathInvalid", {"folder": ""}),
    ("FilePathInvalid", {"folder": "/" + "x" * 255}),
    ("FilePathInvalid", {"folder": "/tmp/a\nb"}),
    ("FileAuthorityInvalid", {"mode": "rwx"}),
    ("FileAuthorityInvalid", {"mode": "0888"}),
    ("FileAuthorityInvalid", {"mode": "77777"}),
    ("FileAuthorityInvalid", {"mode": ""}),
    ("UserNotExists", {"owner": "no-such-user"}),
    ("UserGroupNotExists", {"group": "no-such-group"}),
    ("FileContentInvalid", {"sha256": hashlib.sha256(b"other").hexdigest()}),
    ("FileContentInvalid", {"content": b"x" * 24577}),
]


@pytest.mark.parametrize(
    ("code", "params"), variants.every(2, REFUSALS), ids=lambda value: value if isinstance(value, str) else ""
)
def test_a_file_that_is_refused(client: Client, isolation: Path, code: str, params: dict[str, Any]) -> None:
    """Each refusal has its own code, and creates no file and no folder."""
    folder = isolation / "target"
    assert put(client, params.get("folder", folder), **{k: v for k, v in params.items() if k != "folder"}) == code
    assert not folder.exists()


def test_the_limits_are_allowed(client: Client, isolation: Path) -> None:
    assert put(client, isolation, "ä" * 127 + "b", b"x" * 24576) == ""
    assert put(client, isolation, "empty", b"") == ""
    assert (isolation / "empty").read_bytes() == b""


@pytest.mark.parametrize("kind", variants.every(2, ["file", "link", "dangling link", "fifo", "folder"]))
@pytest.mark.parametrize("overwrite", [False, True])
def test_only_overwrite_replaces_what_exists(client: Client, isolation: Path, kind: str, overwrite: bool) -> None:
    """Off: it stays unchanged. On: a file, link or FIFO is replaced, and the target of a link is not touched."""
    folder, outside = isolation / "target", isolation / "outside"
    folder.mkdir()
    outside.write_text("outside")
    path = folder / "file"
    if kind == "file":
        path.write_text("old")
    elif kind == "fifo":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    else:
        path.symlink_to(outside if kind == "link" else isolation / "nowhere")
    before = path.lstat().st_ino
    expected = "" if overwrite and kind != "folder" else "FileAlreadyExists"
    assert put(client, folder, overwrite=overwrite) == expected
    assert outside.read_text() == "outside"
    assert not (isolation / "nowhere").exists()
    assert [entry.name for entry in folder.iterdir()] == ["file"]
    if expected:
        assert path.lstat().st_ino == before
    else:
        assert not path.is_symlink()
        assert path.read_bytes() == CONTENT


def test_a_target_folder_that_is_a_file(client: Client, isolation: Path) -> None:
    (isolation / "target").write_text("old")
    assert put(client, isolation / "target") == "FilePathInvalid"
    assert put(client, isolation / "target" / "below") in ("FilePathInvalid", "FileCreateFail")
    assert (isolation / "target").read_text() == "old"


@pytest.mark.usefixtures("mounts")
def test_a_full_disk_leaves_the_old_file(client: Client, isolation: Path) -> None:
    with small_disk(isolation / "small", "64k") as folder:
        (folder / "file").write_text("old")
        (folder / "filler").write_bytes(b"x" * 52_000)
        assert put(client, folder, content=b"x" * 24_000, overwrite=True) == "FileCreateFail"
        assert (folder / "file").read_text() == "old"
        assert {entry.name for entry in folder.iterdir()} == {"file", "filler"}


@pytest.mark.usefixtures("mounts")
def test_a_disk_without_any_room(client: Client, isolation: Path) -> None:
    with small_disk(isolation / "small", "64k") as folder:
        (folder / "file").write_text("old")
        subprocess.run(["mount", "-o", "remount,ro", folder], check=True)
        sent = order(folder, overwrite=True)
        result = client.call("file.put", **sent)["result"]
        assert result["error_code"] == "FileCreateFail"
        assert result["error_info"] == f"cannot write '{folder}/file': Read-only file system"
        assert put(client, folder / "below") == "FileCreateFail"
        assert (folder / "file").read_text() == "old"
        assert {entry.name for entry in folder.iterdir()} == {"file"}


def test_a_folder_that_is_not_writable(agent_of_somebody: Agent, public: Path, somebody: int) -> None:
    """An agent that is not root gets the error of the system."""
    folder = public / "closed"
    folder.mkdir(mode=0o755)
    with agent_of_somebody.start(user=somebody, group=somebody).connect() as client:
        result = client.call("file.put", **order(folder))["result"]
        assert result["error_code"] == "FileCreateFail"
        assert result["error_info"].endswith("Permission denied")
        assert put(client, folder / "below") == "FileCreateFail"
    assert list(folder.iterdir()) == []


def test_a_second_delivery_writes_once(client: Client, isolation: Path) -> None:
    """It gets the answer of the first, even if the file has changed since."""
    sent = order(isolation)
    assert client.call("file.put", **sent)["state"] == "Finished"
    (isolation / "file").unlink()
    assert client.call("file.put", **sent)["state"] == "Finished"
    assert not (isolation / "file").exists()


def test_a_stop_does_not_tear_it(client: Client, isolation: Path) -> None:
    """A record of a file is stopped immediately: the file is whole, or the record is not known yet."""
    for turn in range(20):
        sent = order(isolation, f"file-{turn}")
        number = client.send("file.put", **sent)
        client.refusal(client.send("task.stop", record=sent["record"]))
        assert client.answer(number)["state"] == "Finished"
        assert (isolation / f"file-{turn}").read_bytes() == CONTENT


@pytest.mark.long
def test_its_mode_is_right_from_the_first_moment_it_has_a_name(client: Client, isolation: Path) -> None:
    """A process checks the folder all the time: a file with that name has the right mode and the whole content."""
    folder = isolation / "target"
    folder.mkdir()
    path, over, wrong = folder / "file", threading.Event(), []

    def look() -> None:
        while not over.is_set():
            try:
                with path.open("rb") as file:
                    status, content = os.fstat(file.fileno()), file.read()
            except FileNotFoundError:
                continue
            if stat.S_IMODE(status.st_mode) != 0o600 or content not in (b"a" * 20_000, b"b" * 20_000):
                wrong.append((oct(status.st_mode), len(content)))

    observer = threading.Thread(target=look)
    observer.start()
    try:
        for turn in range(30):
            assert (
                put(client, folder, content=b"ab"[turn % 2 : turn % 2 + 1] * 20_000, mode="0600", overwrite=True) == ""
            )
    finally:
        over.set()
        observer.join()
    assert wrong == []


def test_an_interruption_leaves_the_old_file_or_the_new_one(make_agent: MakeAgent, isolation: Path) -> None:
    """The process that writes is killed repeatedly; on the next contact nothing else is in the folder."""
    agent = make_agent().start()
    client = agent.connect()
    folder = isolation / "target"
    folder.mkdir()
    (folder / "file").write_bytes(b"0" * 20_000)
    old, killed = b"0" * 20_000, 0
    for turn in itertools.count():
        if killed >= 12:
            return
        new = b"%d" % (turn % 10) * 20_000
        sent = order(folder, content=new, overwrite=True)
        number = client.send("file.put", **sent)
        killed += kill_soon(agent, sent["record"], turn % 30 * 0.00007)
        refusal = client.refusal(number)
        content = (folder / "file").read_bytes()
        assert content in (old, new)
        old = content
        if refusal is None:
            state = client.call("task.get", record=sent["record"])["state"]
            assert content == new or state == "Failed"
        assert [entry.name for entry in folder.iterdir()] == ["file"]


def kill_soon(agent: Agent, record: str, seconds: float, *, stopping: int | None = None) -> bool:
    """Kill the process of a record a moment after it has started. Return True if it was still there.

    The process ``stopping`` must not see that: it is suspended from then on.
    """
    eventually(lambda: (agent.folder(record) / "alive").exists())
    if stopping is not None:
        os.kill(stopping, signal.SIGSTOP)
    pid = agent.shim(record)
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        pass
    alive = is_alive(pid)
    if alive:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            return False
    return alive
