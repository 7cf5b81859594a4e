"""``assist run``: exact streams, exit statuses, and the effects of Ctrl-C and kills."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from tests.support import processes
from tests.support.application import Application
from tests.support.program import Program

pytestmark = pytest.mark.usefixtures("starts_processes")

GUARD = 30.0


def read_line(process: subprocess.Popen[bytes]) -> bytes:
    assert process.stdout is not None
    return process.stdout.readline()


def newest(assist: Application) -> Any:
    return json.loads(assist("invocation", "show", "-", "-o", "json").stdout)


@pytest.fixture
def fifo(isolation: Path) -> Path:
    path = isolation / "fifo"
    os.mkfifo(path)
    return path


def test_streams_are_separate_and_the_status_is_that_of_the_script(assist: Application) -> None:
    done = assist("run", "-c", "echo out; echo err >&2; exit 3")
    assert (done.returncode, done.stdout, done.stderr) == (3, b"out\n", b"err\n")


def test_words_are_run_as_they_are(assist: Application) -> None:
    words = ["a b", "$HOME", "'", '"', "*", "", "\\", "ü", "-n", "--", "a\nb"]
    done = assist("run", "--", "printf", "%s|", *words)
    assert done.stdout.decode() == "".join(word + "|" for word in words)


def test_a_file_with_a_shebang(assist: Application, isolation: Path) -> None:
    script = isolation / "which.py"
    script.write_text("#!/usr/bin/env python3\nimport sys\nprint('python', sys.stdin.read() == '')\n")
    assert assist("run", "-f", script).stdout == b"python True\n"


@pytest.mark.parametrize("words", [["echo", "a"], ["echo", "--", "a"], ["-i", "local", "node2", "--", "echo", "a"]])
def test_words_without_dashes_are_refused(assist: Application, words: list[str]) -> None:
    done = assist("run", *words)
    assert (done.returncode, done.stdout) == (2, b"")
    assert b"a program and its arguments stand after --" in done.stderr
    assert assist("invocation", "list").stdout == b""


def test_a_byte_order_mark_is_not_part_of_a_script(assist: Application, isolation: Path) -> None:
    """From a file, stdin, text, or a saved command: the interpreter of the shebang line runs it, else the shell."""
    python = b"\xef\xbb\xbf#!/usr/bin/env python3\nprint('python')\n"
    shell = "\ufeffecho {{word}}"
    (isolation / "script").write_bytes(python)
    assert assist("run", "-f", isolation / "script").stdout == b"python\n"
    assert assist("run", "-f", "-", input=python).stdout == b"python\n"
    assert assist("run", "-p", "word=hello", "-c", shell).stdout == b"hello\n"
    assert assist("command", "create", "hello", "--enable-parameters", "-c", shell).returncode == 0
    assert assist("invoke", "hello", "-p", "word=again").stdout == b"again\n"
    assert json.loads(assist("command", "show", "hello", "-o", "json").stdout)["CommandContent"] == shell


def test_line_endings_cause_a_warning_or_are_fixed(assist: Application, isolation: Path) -> None:
    path = isolation / "script.sh"
    path.write_bytes(b"#!/bin/sh\r\nset -e\r\necho fixed\r\n")
    done = assist("run", "-f", path)
    assert (done.returncode, done.stdout) == (1, b"")
    warning, failure = done.stderr.decode().splitlines()[:2]
    assert warning.startswith("warning: ")
    assert "line 1 names the interpreter '/bin/sh\\r'; --fix-line-endings" in warning
    assert "ExecutionException" in failure
    assert "'/bin/sh\\r'" in failure
    done = assist("run", "-f", path, "--fix-line-endings")
    assert (done.returncode, done.stdout, done.stderr) == (0, b"fixed\n", b"")
    assert assist("run", "--fix-line-endings", "-c", "true").returncode == 2


def test_a_script_is_read_from_stdin_only_on_request(assist: Application) -> None:
    assert assist("run", "-f", "-", input=b"echo from stdin").stdout == b"from stdin\n"
    assert assist("run", "-c", "cat; echo end", input=b"not for you").stdout == b"end\n"


def test_binary_output_is_exact(assist: Application, isolation: Path) -> None:
    data = os.urandom(300_000)
    (isolation / "data").write_bytes(data)
    assert assist("run", "--", "cat", str(isolation / "data")).stdout == data


def test_ten_megabytes_stream_whole_and_are_stored_folded(assist: Application, isolation: Path) -> None:
    data = os.urandom(10_000_000)
    (isolation / "data").write_bytes(data)
    assert assist("run", "--", "cat", str(isolation / "data")).stdout == data
    (place,) = newest(assist)["InvokeInstances"]
    again = assist("invocation", "output", "-")
    head, tail = again.stdout[: len(again.stdout) // 2 - 8], again.stdout[-len(again.stdout) // 2 + 8 :]
    assert data.startswith(head)
    assert data.endswith(tail)
    assert len(again.stdout) + place["Dropped"] == len(data)
    warning, hint = again.stderr.decode().splitlines()
    assert warning == f"warning: {place['Dropped']:,} bytes of output missing in the middle"
    assert hint.endswith(f"assist invocation output {newest(assist)['InvokeId']} --full")
    assert assist("invocation", "output", "-", "--full").stdout == data
    assert assist("invocation", "wait", "-").stdout == data


def test_output_is_shown_when_it_is_written(installed: Program, fifo: Path) -> None:
    with installed.start("run", "-c", f"echo first; cat {fifo}") as process:
        assert read_line(process) == b"first\n"
        fifo.write_bytes(b"second\n")
        assert process.communicate()[0] == b"second\n"


def test_the_timeout(assist: Application) -> None:
    done = assist("run", "--timeout", "1", "--", "sleep", "60")
    assert done.returncode == 124
    assert done.stderr.decode() == "local: Failed (ExecutionTimeout): it was still running after its timeout of 1 s\n"
    (place,) = newest(assist)["InvokeInstances"]
    assert (place["InvocationStatus"], place["ErrorCode"]) == ("Failed", "ExecutionTimeout")


def test_settings_reach_the_script(assist: Application, isolation: Path) -> None:
    done = assist("run", "--workdir", str(isolation), "-c", "pwd; echo $ASSIST_INVOKE_ID")
    document = newest(assist)
    assert done.stdout.decode().split() == [str(isolation), document["InvokeId"]]
    assert (document["WorkingDir"], document["Timeout"], document["Username"]) == (str(isolation), 60, None)


def test_the_script_file_is_deleted_unless_it_is_kept(assist: Application) -> None:
    gone = assist("run", "-c", "echo $0").stdout.decode().strip()
    kept = assist("run", "--keep-script", "-c", "echo $0").stdout.decode().strip()
    try:
        assert not Path(gone).exists()
        assert Path(kept).read_text() == "echo $0"
    finally:
        Path(kept).unlink()


def test_a_missing_working_directory(assist: Application, isolation: Path) -> None:
    done = assist("run", "--workdir", isolation / "missing", "--", "true")
    assert done.returncode == 1
    assert b"local: Failed (WorkingDirectoryNotExist): " in done.stderr


@pytest.mark.parametrize(("size", "status"), [(12_288, 0), (12_289, 65)])
def test_the_largest_script(assist: Application, isolation: Path, size: int, status: int) -> None:
    script = isolation / "script"
    script.write_bytes(b"#" * size)
    done = assist("run", "-f", script)
    assert done.returncode == status
    listed = json.loads(assist("invocation", "list", "-o", "json").stdout)
    if status:
        assert b"16,384" in done.stderr
        assert b"16,388" in done.stderr
        assert listed == []
    else:
        assert len(listed) == 1


def test_json_output_is_one_document(assist: Application) -> None:
    done = assist("run", "-o", "json", "-c", "echo out; exit 2")
    assert (done.returncode, done.stderr) == (2, b"")
    document = json.loads(done.stdout)
    assert document == newest(assist)
    assert document["InvokeInstances"][0]["Stdout"] == "out\n"


def test_bytes_in_json(assist: Application) -> None:
    script = "printf '\\377\\303'; printf '\\251' >&2; printf '\\251'"
    (place,) = json.loads(assist("run", "-o", "json", "-c", script).stdout)["InvokeInstances"]
    assert place["Stdout"] == "\ufffdé"
    done = assist("invocation", "show", "-", "-o", "json", "--encoding", "base64")
    document = json.loads(done.stdout)
    assert document["InvokeInstances"][0]["Stdout"] == "/8Op"
    assert document["CommandContent"].startswith("cHJpbnRm")


def test_detach_and_wait(assist: Application, installed: Program, fifo: Path) -> None:
    done = assist("run", "--detach", "-c", f"echo a; cat {fifo}; echo err >&2; exit 6")
    (line,) = done.stdout.decode().splitlines()
    assert done.returncode == 0
    assert f"assist invocation wait {line}" in done.stderr.decode()
    with installed.start("invocation", "wait", line[:14]) as waiting:
        assert read_line(waiting) == b"a\n"
        fifo.write_bytes(b"b\n")
        stdout, stderr = waiting.communicate()
    assert (waiting.returncode, stdout, stderr) == (6, b"b\n", b"err\n")
    again = assist("invocation", "wait", "-")
    assert (again.returncode, again.stdout, again.stderr) == (6, b"a\nb\n", b"err\n")


def test_detach_in_json(assist: Application) -> None:
    document = json.loads(assist("run", "--detach", "-o", "json", "--", "true").stdout)
    assert set(document) == {"InvokeId", "CommandId"}
    assert assist("invocation", "wait", document["InvokeId"]).returncode == 0


def test_wait_times_out_and_the_script_continues(assist: Application, fifo: Path) -> None:
    done = assist("run", "--wait", "0.3", "-c", f"echo a; cat {fifo}")
    assert (done.returncode, done.stdout) == (75, b"a\n")
    assert b"assist invocation wait t-" in done.stderr
    document = json.loads(assist("invocation", "wait", "-", "--wait", "0.1", "-o", "json").stdout)
    assert document["InvokeStatus"] == "Running"
    fifo.write_bytes(b"b\n")
    assert assist("invocation", "wait", "-").stdout == b"a\nb\n"


@pytest.mark.parametrize(("number", "why"), [(signal.SIGINT, "Interrupted"), (signal.SIGTERM, "Terminated")])
def test_after_one_interrupt_the_script_continues(
    assist: Application, installed: Program, fifo: Path, number: signal.Signals, why: str
) -> None:
    with installed.start("run", "-c", f"echo a; cat {fifo}") as process:
        assert read_line(process) == b"a\n"
        process.send_signal(number)
        stderr = process.communicate()[1].decode()
    assert process.returncode == 130
    assert f"{why}, and {newest(assist)['InvokeId']} continues." in stderr
    assert ("Ctrl-C again" in stderr) is (number == signal.SIGINT)
    assert newest(assist)["InvokeStatus"] == "Running"
    assert f"assist invocation wait {newest(assist)['InvokeId']}" in stderr
    fifo.write_bytes(b"b\n")
    assert assist("invocation", "wait", "-").stdout == b"a\nb\n"


def test_a_second_interrupt_stops_the_script(assist: Application, installed: Program) -> None:
    with installed.start("run", "-c", "echo a; exec sleep 60") as process:
        assert read_line(process) == b"a\n"
        process.send_signal(signal.SIGINT)
        assert process.stderr is not None
        while b"Ctrl-C again" not in process.stderr.readline():
            pass
        process.send_signal(signal.SIGINT)
        process.communicate()
    assert process.returncode == 1
    assert newest(assist)["InvokeStatus"] == "Stopped"


def test_a_second_interrupt_still_prints_a_document(installed: Program, fifo: Path) -> None:
    with installed.start("run", "-o", "json", "-c", f"echo > {fifo}; exec sleep 60") as process:
        fifo.read_bytes()
        process.send_signal(signal.SIGINT)
        assert process.stderr is not None
        assert json.loads(process.stderr.readline())["Code"] == "Interrupted"
        process.send_signal(signal.SIGINT)
        stdout, _ = process.communicate()
    assert process.returncode == 1
    assert json.loads(stdout)["InvokeStatus"] == "Stopped"


def test_after_a_kill_of_the_program_the_script_continues(
    assist: Application, installed: Program, fifo: Path, home: Path
) -> None:
    with installed.start("run", "-c", f"echo a; cat {fifo}; exit 4") as process:
        assert read_line(process) == b"a\n"
        process.kill()
    assert newest(assist)["InvokeStatus"] == "Running"
    fifo.write_bytes(b"b\n")
    done = assist("invocation", "wait", "-")
    assert (done.returncode, done.stdout) == (4, b"a\nb\n")
    assert newest(assist)["InvokeInstances"][0]["ExitCode"] == 4
    assert list((home / "senders").iterdir()) == []


def test_a_kill_of_the_agent_has_no_effect(installed: Program, fifo: Path, home: Path, isolation: Path) -> None:
    count = isolation / "count"
    with installed.start("-v", "run", "-c", f"echo ran >> {count}; echo a; cat {fifo}; exit 4") as process:
        assert read_line(process) == b"a\n"
        agent = processes.listener(home / "agent" / "agentd.sock")
        assert agent is not None
        os.kill(agent, signal.SIGKILL)
        fifo.write_bytes(b"b\n")
        stdout, stderr = process.communicate()
    assert (process.returncode, stdout) == (4, b"b\n")
    assert b"retrying" in stderr
    assert count.read_text() == "ran\n"
    assert processes.listener(home / "agent" / "agentd.sock") not in (None, agent)


def test_a_closed_reader_ends_the_watch(assist: Application, installed: Program, fifo: Path) -> None:
    with installed.start("run", "-c", f"echo a; cat {fifo}; echo b") as process:
        assert read_line(process) == b"a\n"
        assert process.stdout is not None
        process.stdout.close()
        fifo.write_bytes(b"more\n")
        assert process.stderr is not None
        (line,) = process.stderr.read().decode().splitlines()
    assert process.returncode == 130
    id = newest(assist)["InvokeId"]
    assert line == f"Stdout is closed, and {id} was not stopped. To follow it: assist invocation wait {id}"
    assert assist("invocation", "wait", "-").stdout == b"a\nmore\nb\n"


def test_concurrent_runs_in_a_new_home(assist: Application, installed: Program, home: Path) -> None:
    started = [installed.start("run", "-c", f"echo {number}; exit {number}") for number in range(6)]
    for number, process in enumerate(started):
        stdout, stderr = process.communicate()
        assert (process.returncode, stdout, stderr) == (number, f"{number}\n".encode(), b"")
    assert len(json.loads(assist("invocation", "list", "-o", "json").stdout)) == 6
    assert (home / "logs" / "agentd.log").read_text().count("serves on") == 1


def test_the_agent_continues_without_the_program(assist: Application, home: Path) -> None:
    assist("run", "--", "true")
    first = processes.listener(home / "agent" / "agentd.sock")
    began = time.monotonic()
    assist("run", "--", "true")
    assert time.monotonic() - began < GUARD
    assert processes.listener(home / "agent" / "agentd.sock") == first


def test_an_agent_that_cannot_start(assist: Application, home: Path) -> None:
    (home / "agent").mkdir(parents=True, mode=0o700)
    (home / "agent" / "agentd.conf").write_text("nonsense\n")
    done = assist("run", "--", "true")
    assert (done.returncode, done.stdout) == (69, b"")
    assert b"cannot start the agent of this machine: agentd: cannot use line 1" in done.stderr


def test_an_agent_that_can_no_longer_start_is_an_outcome(assist: Application, home: Path) -> None:
    assist("run", "--", "true")
    processes.stop_agent(home / "agent")
    (home / "agent" / "agentd.conf").write_text("nonsense\n")
    done = assist("run", "-o", "json", "--", "true")
    assert done.returncode == 69
    (place,) = json.loads(done.stdout)["InvokeInstances"]
    assert (place["InvocationStatus"], place["ErrorCode"]) == ("Failed", "ClientNotRunning")
    detached = assist("run", "--detach", "--", "true")
    assert detached.returncode == 69
    assert detached.stdout.startswith(b"t-")
