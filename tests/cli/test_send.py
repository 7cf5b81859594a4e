"""``assist send`` and ``assist file``, on this machine."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import threading
from pathlib import Path
from typing import Any

import pytest

from assist_cli.operations.controller import open_controller
from assist_cli.operations.runs import files
from assist_cli.paths import Home
from tests.support.application import Application
from tests.support.program import Program

pytestmark = pytest.mark.usefixtures("starts_processes")

BINARY = bytes(range(256)) * 96  # 24,576 bytes, exactly the limit


@pytest.fixture
def source(isolation: Path) -> Path:
    path = isolation / "app.conf"
    path.write_bytes(b"key = value\n")
    return path


@pytest.fixture
def target(isolation: Path) -> Path:
    return isolation / "etc" / "app"


def document(assist: Application, *words: str | Path) -> Any:
    return json.loads(assist(*words, "-o", "json").stdout)


def test_a_file_arrives_and_one_line_says_so(assist: Application, source: Path, target: Path) -> None:
    done = assist("send", source, "--to", target)
    assert (done.returncode, done.stdout) == (0, b"")
    assert done.stderr.decode() == f"local: {target}/app.conf, 12 bytes\n"
    assert (target / "app.conf").read_bytes() == source.read_bytes()
    assert stat.S_IMODE((target / "app.conf").stat().st_mode) == 0o644
    assert assist("-q", "send", source, "--to", target, "--overwrite").stderr == b""


def test_a_path_of_the_file_as_folder_is_warned_of(assist: Application, source: Path) -> None:
    done = assist("send", source, "-i", "none", "--to", "/etc/app/app.conf")
    assert done.stderr.decode().splitlines()[0] == (
        "warning: --to is the folder: this writes '/etc/app/app.conf/app.conf'; for '/etc/app/app.conf': --to /etc/app"
    )


def test_an_existing_file_is_kept_without_overwrite(assist: Application, source: Path, target: Path) -> None:
    target.mkdir(parents=True)
    (target / "app.conf").write_text("old")
    refused = assist("send", source, "--to", target)
    assert (refused.returncode, refused.stdout) == (1, b"")
    assert refused.stderr == b"local: Failed (FileAlreadyExists): 'app.conf' exists already and is not overwritten\n"
    assert (target / "app.conf").read_text() == "old"
    assert assist("send", source, "--to", target, "--overwrite", "--mode", "600").returncode == 0
    assert (target / "app.conf").read_bytes() == source.read_bytes()
    assert stat.S_IMODE((target / "app.conf").stat().st_mode) == 0o600


def test_show_of_a_file(assist: Application, source: Path, target: Path) -> None:
    sent = document(assist, "send", source, "--to", target, "--mode", "640")
    assert sent == {
        "InvokeId": sent["InvokeId"],
        "Name": "app.conf",
        "TargetDir": str(target),
        "FileMode": "0640",
        "FileOwner": None,
        "FileGroup": None,
        "Overwrite": False,
        "InvokeStatus": "Finished",
        "InvokeInstances": [
            {
                "InstanceId": sent["InvokeInstances"][0]["InstanceId"],
                "InstanceName": "local",
                "InvocationStatus": "Finished",
                "ErrorCode": "",
                "ErrorInfo": "",
            }
        ],
    }
    assert sent["InvokeId"].startswith("f-")
    failed = document(assist, "send", source, "--to", target)
    assert failed["InvokeInstances"][0]["ErrorCode"] == "FileAlreadyExists"
    assert document(assist, "file", "list") == [failed, sent]
    assert document(assist, "file", "show", "-") == failed
    assert document(assist, "file", "show", sent["InvokeId"]) == sent
    shown = assist("file", "show", sent["InvokeId"]).stdout.decode()
    assert f"{target}/app.conf, 12 bytes" in shown
    assert "mode 0640" in shown
    lines = assist("file", "list").stdout.decode().splitlines()
    assert [line.split()[1] for line in lines] == ["STATUS", "Failed", "Finished"]
    assert "  Failed (FileAlreadyExists)  local  " in lines[1]
    assert lines[1].endswith(f"app.conf → {target}")


def test_files_and_runs_are_listed_separately(assist: Application, source: Path, target: Path) -> None:
    """Each has its own list, and - is the newest of its kind; wait and stop accept both."""
    nothing = assist("file", "show", "-")
    assert (nothing.returncode, nothing.stdout) == (66, b"")
    assist("run", "--", "true")
    file = document(assist, "send", source, "--to", target)["InvokeId"]
    (run,) = document(assist, "invocation", "list")
    assert document(assist, "invocation", "show", "-")["InvokeId"] == run["InvokeId"]
    refused = assist("rerun", file)
    assert (refused.returncode, refused.stdout) == (66, b"")
    assert f"assist file show {file}" in refused.stderr.decode()
    waited = assist("invocation", "wait", file)
    assert (waited.returncode, waited.stdout) == (0, b"")
    assert document(assist, "stop", file)["InvokeStatus"] == "Finished"
    assert [each["Action"] for each in document(assist, "audit", "list")] == ["file.send", "invocation.run"]


def test_standard_input_and_a_fifo_arrive_unchanged(assist: Application, isolation: Path, target: Path) -> None:
    for content in (b"", b"\xff\0\r\nno end of line", BINARY):
        done = assist("send", "-", "--name", "file", "--to", target, "--overwrite", input=content)
        assert done.returncode == 0, done.stderr
        assert (target / "file").read_bytes() == content
        assert [entry.name for entry in target.iterdir()] == ["file"]
    fifo = isolation / "fifo"
    os.mkfifo(fifo)
    writer = threading.Thread(target=fifo.write_bytes, args=[b"from a fifo"])
    writer.start()
    assert assist("send", fifo, "--to", target).returncode == 0
    writer.join()
    assert (target / "fifo").read_bytes() == b"from a fifo"


@pytest.mark.parametrize("by", ["file", "stdin"])
def test_one_byte_too_many_is_refused_before_anything_is_written(
    assist: Application, home: Path, isolation: Path, target: Path, by: str
) -> None:
    large = isolation / "large"
    large.write_bytes(BINARY + b"x")
    words = ["-", "--name", "large"] if by == "stdin" else [large]
    refused = assist("send", *words, "--to", target, "-o", "json", input=large.read_bytes())
    assert (refused.returncode, refused.stdout) == (65, b"")
    error = json.loads(refused.stderr)
    assert error["Code"] == "FileExceedLimit"
    assert "32,772 of at most 32,768" in error["Message"]
    assert not home.exists()
    assert not target.exists()


@pytest.mark.parametrize(
    ("words", "status", "code"),
    [
        (["/dev/zero", "--to", "/tmp"], 65, "FileExceedLimit"),  # it never ends
        (["missing", "--to", "/tmp"], 74, "FileFailure"),
        (["/", "--to", "/tmp", "--name", "x"], 74, "FileFailure"),
        (["-", "--to", "/tmp"], 2, "InvalidUsage"),
        (["app.conf", "--to", "relative"], 65, "FilePathInvalid"),
        (["app.conf", "--to", "/tmp", "--timeout", "2d"], 65, "TimeoutExceedLimit"),
        (["app.conf", "--to", "/tmp", "-i", "web*"], 66, "InstanceNotExists"),
    ],
    ids=str,
)
def test_objects_that_cannot_be_sent(
    assist: Application, source: Path, home: Path, words: list[str], status: int, code: str
) -> None:
    refused = assist("send", *words, "-o", "json")
    assert (refused.returncode, refused.stdout) == (status, b"")
    assert json.loads(refused.stderr)["Code"] == code
    if home.exists():
        with open_controller(Home(home)) as controller:
            assert files.listing(controller, limit=None) == []


def test_a_file_that_is_not_readable(assist: Application, isolation: Path, target: Path) -> None:
    """Root can read everything, except what the system itself refuses."""
    secret = isolation / "secret"
    secret.write_text("x")
    secret.chmod(0)
    path = secret if os.geteuid() else Path("/proc/self/mem")
    refused = assist("send", path, "--to", target)
    assert (refused.returncode, refused.stdout) == (74, b"")
    assert refused.stderr.startswith(b"error: cannot read the file '")


def test_unreadable_standard_input(installed: Program, target: Path) -> None:
    script = f"exec {installed.path} send - --name x --to {target} 0> /dev/null"
    refused = subprocess.run(["/bin/sh", "-c", script], capture_output=True, check=False)
    assert (refused.returncode, refused.stdout) == (74, b"")
    assert refused.stderr.startswith(b"error: cannot read standard input: Bad file descriptor\nhint: ")


def test_the_content_is_stored_in_no_file_of_either_side(
    assist: Application, home: Path, isolation: Path, target: Path
) -> None:
    """Files may be keys: only size and digest are stored, of a file that arrived and of one that did not."""
    canary = b"canary-of-a-private-key"
    assert assist("send", "-", "--name", "key", "--to", target, input=canary).returncode == 0
    assert assist("send", "-", "--name", "key", "--to", target, input=canary).returncode == 1
    found = [path for path in isolation.rglob("*") if path.is_file()]
    assert {path for path in found if canary in content(path)} == {target / "key"}
    assert any(path.name == "assist.db" for path in found)


def content(path: Path) -> bytes:
    """The content of a file; empty if the agent has deleted it because the history has it."""
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return b""


def test_a_file_is_sent_in_the_background_too(assist: Application, source: Path, target: Path) -> None:
    started = assist("send", source, "--to", target, "--detach")
    assert started.returncode == 0
    id = started.stdout.decode().strip()
    assert document(assist, "file", "show", "-")["InvokeId"] == id
    assert document(assist, "invocation", "wait", id)["InvokeStatus"] == "Finished"
    assert (target / "app.conf").exists()
    again = assist("send", source, "--to", target, "--detach", "-o", "json")
    assert again.returncode == 1
    assert json.loads(again.stdout) == {"InvokeId": json.loads(again.stdout)["InvokeId"], "CommandId": None}
    assert b"FileAlreadyExists" in again.stderr
