"""Standard streams that are non-blocking, slow, closed or full: every byte passes, or the exit status shows it."""

from __future__ import annotations

import contextlib
import fcntl
import io
import json
import os
import re
import shlex
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from assist_cli.cli.streams import Streams
from assist_cli.errors import FileFailure, OutputClosed, OutputFailure
from assist_cli.model.command import CommandVersion
from assist_cli.operations.commands import commands
from assist_cli.operations.controller import open_controller
from assist_cli.paths import Home
from tests.support.application import Application
from tests.support.fleet import Fleet, enlist
from tests.support.program import Program

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="needs /dev/full, and pipes of one page")

PAGE = 4096
DATA = bytes(range(256)) * 1000
SLOW = threading.Event()  # there is no event: slow reading is the subject


def pipe(*, blocking: bool = True) -> tuple[int, int]:
    """Return the ends of a pipe that holds one page; with ``blocking=False`` neither end ever waits."""
    reading, writing = os.pipe()
    fcntl.fcntl(writing, fcntl.F_SETPIPE_SZ, PAGE)
    os.set_blocking(writing, blocking)
    os.set_blocking(reading, blocking)
    return reading, writing


def stream(descriptor: int, mode: str, *, buffered: bool = True) -> io.TextIOWrapper:
    """Return a stream of a process on a descriptor, with ``buffered=False`` as PYTHONUNBUFFERED makes it."""
    raw = io.FileIO(descriptor, mode)
    if not buffered:
        return io.TextIOWrapper(raw, "utf-8", write_through=True)  # type: ignore[type-var]
    return io.TextIOWrapper(io.BufferedReader(raw) if mode == "r" else io.BufferedWriter(raw), "utf-8")


@contextlib.contextmanager
def reader(descriptor: int) -> Iterator[bytearray]:
    """Read to the end in a thread, slowly; the data is complete after the block."""
    os.set_blocking(descriptor, True)
    found = bytearray()

    def read() -> None:
        while data := os.read(descriptor, PAGE):
            found.extend(data)
            SLOW.wait(0.0005)

    thread = threading.Thread(target=read)
    thread.start()
    try:
        yield found
    finally:
        thread.join()
        os.close(descriptor)


# one stream, in this process


@pytest.mark.parametrize("buffered", [True, False])
@pytest.mark.parametrize("blocking", [True, False])
def test_every_byte_is_written(*, blocking: bool, buffered: bool) -> None:
    for name in ("stdout", "stderr"):
        reading, writing = pipe(blocking=False)
        with reader(reading) as found, stream(writing, "w", buffered=buffered) as file:
            os.set_blocking(writing, blocking)
            out = getattr(Streams(**{name: file}), name)
            out.write("Grüße\n")
            out.write_bytes(DATA)
            for number in range(1000):
                out.write(f"{number}\n")
            out.flush()
        lines = "".join(f"{number}\n" for number in range(1000)).encode()
        assert found == "Grüße\n".encode() + DATA + lines, name


def test_unread_output_is_reported_and_a_message_is_dropped() -> None:
    for kind, error in (("closed", OutputClosed), ("full", OutputFailure)):
        reading, writing = pipe()
        os.close(reading)
        if kind == "full":
            os.close(writing)
            writing = os.open("/dev/full", os.O_WRONLY)
        with stream(writing, "w") as file:
            streams = Streams(stdout=file, stderr=file)
            streams.stderr.write("a message\n")
            streams.stdout.write("a line\n")
            with pytest.raises(error):
                streams.stdout.flush()
            streams.stdout.discard()


@pytest.mark.parametrize("buffered", [True, False])
def test_every_byte_is_read(*, buffered: bool) -> None:
    reading, writing = pipe(blocking=False)
    os.set_blocking(writing, True)

    def write() -> None:
        with os.fdopen(writing, "wb", buffering=0) as file:
            for begin in range(0, len(DATA), PAGE):
                file.write(DATA[begin : begin + PAGE])
                SLOW.wait(0.0005)

    thread = threading.Thread(target=write)
    with stream(reading, "r", buffered=buffered) as file:
        thread.start()
        stdin = Streams(stdin=file).stdin
        assert stdin.read(10) == DATA[:10]
        assert stdin.read() == DATA[10:]
        thread.join()


def test_a_line_is_read_and_nothing_after_it() -> None:
    reading, writing = pipe(blocking=False)
    with stream(reading, "r") as file, os.fdopen(writing, "wb", buffering=0) as end:
        end.write("Grüße\nrest".encode())
        stdin = Streams(stdin=file).stdin
        assert stdin.read_line() == "Grüße\n"
        assert stdin.read(4) == b"rest"
        end.close()
        assert stdin.read_line() == ""


def test_unreadable_input_is_reported() -> None:
    with stream(os.open(os.devnull, os.O_WRONLY), "r") as file:
        stdin = Streams(stdin=file).stdin
        for read in (stdin.read, stdin.read_line):
            with pytest.raises(FileFailure, match="cannot read standard input: Bad file descriptor"):
                read()


# the program


NUMBERS = "".join(f"{number}\n" for number in range(1, 5001)).encode()
NAMES = ("n1", "n2", "n3")
NOISE = re.compile(rb"Traceback|Exception|Warning|bug in Assist")


@pytest.fixture
def fleet(starts_processes: None, home: Path) -> Iterator[Fleet]:
    folder = home.parent / "fleet"
    folder.mkdir()
    with open_controller(Home(home)) as controller, Fleet(folder, controller, len(NAMES)) as fleet:
        enlist(controller, fleet.members)
        commands.create(controller, "numbers", CommandVersion(b"seq 1 5000"))
        yield fleet


def run(program: Program, line: str, stdout: int, *, env: Mapping[str, str] | None = None) -> subprocess.Popen[bytes]:
    """Start a command with this stdout, which is closed here."""
    process = subprocess.Popen(
        [program.path, *shlex.split(line)],
        stdin=subprocess.DEVNULL,
        stdout=stdout,
        stderr=subprocess.PIPE,
        env={**os.environ, **(env or {})},
    )
    os.close(stdout)
    return process


def ended(process: subprocess.Popen[bytes]) -> tuple[int, bytes]:
    """Return the exit status and stderr."""
    said = process.communicate(timeout=60)[1]
    assert not NOISE.search(said), said.decode()
    return process.returncode, said


def read_slowly(
    program: Program, line: str, *, blocking: bool = True, env: Mapping[str, str] | None = None, stops: int = 0
) -> tuple[int, bytes]:
    """Run a command with a slow reader, suspend and continue it. Return its exit status and output."""
    reading, writing = pipe(blocking=blocking)
    process = run(program, line, writing, env=env)
    with reader(reading) as found:
        for _ in range(stops):
            process.send_signal(signal.SIGSTOP)
            SLOW.wait(0.01)
            process.send_signal(signal.SIGCONT)
            SLOW.wait(0.02)
    status, _ = ended(process)
    return status, bytes(found)


def lost(program: Program, line: str, *, full: bool) -> tuple[int, bytes]:
    """Run a command whose stdout is closed, or full. Return its exit status and messages."""
    if full:
        return ended(run(program, line, os.open("/dev/full", os.O_WRONLY)))
    reading, writing = pipe()
    os.close(reading)
    return ended(run(program, line, writing))


def test_output_is_whole_on_a_non_blocking_pipe_without_a_buffer(installed: Program) -> None:
    env = {"PYTHONUNBUFFERED": "1"}
    assert read_slowly(installed, "run -- seq 1 5000", blocking=False, env=env) == (0, NUMBERS)


def test_a_closed_stdout_ends_only_the_watch(assist: Application, installed: Program, fleet: Fleet) -> None:
    reading, writing = pipe()
    process = run(installed, "run --all --concurrency 1 -- hostname", writing)
    assert os.read(reading, PAGE).startswith(b"n")
    os.close(reading)
    status, said = ended(process)
    (line,) = said.decode().splitlines()
    id = json.loads(assist("invocation", "list", "-o", "json").stdout)[0]["InvokeId"]
    assert (status, line) == (
        130,
        f"Stdout is closed, and {id} was not stopped. To follow it: assist invocation wait {id}",
    )
    assert assist("invocation", "wait", "-").returncode == 0
    found = json.loads(assist("invocation", "show", "-", "-o", "json").stdout)
    assert [each["InvocationStatus"] for each in found["InvokeInstances"]] == ["Finished"] * len(NAMES)


def test_a_full_stdout_is_74_with_a_hint_to_return(assist: Application, installed: Program) -> None:
    status, said = lost(installed, "run -- seq 1 9", full=True)
    assert status == 74
    assert b"cannot write the output: No space left on device" in said
    assert b" was not stopped; to follow it: assist invocation wait t-" in said
    assert assist("invocation", "wait", "-").returncode == 0


def test_a_script_from_a_non_blocking_stdin_is_whole(assist: Application, installed: Program, isolation: Path) -> None:
    script = b"# " + b"x" * 8000 + b"\necho end\n"
    for line, out in (("run -f -", b"end\n"), (f"send - --name sent --to {isolation}", b"")):
        reading, writing = pipe()
        os.set_blocking(reading, False)
        with subprocess.Popen(
            [installed.path, *shlex.split(line)], stdin=reading, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        ) as process:
            os.close(reading)
            with os.fdopen(writing, "wb") as end:
                end.write(script)
            assert process.communicate(timeout=60)[0] == out
        assert process.returncode == 0
    assert (isolation / "sent").read_bytes() == script


def test_stderr_breaks_no_command(installed: Program) -> None:
    for line, stderr, status, out in (
        ("-v run -- sh -c 'echo out; echo err >&2; exit 3'", "2>/dev/full", 3, b"out\n"),
        ("invocation show none", "2>&-", 66, b""),
    ):
        words = [str(installed.path), *shlex.split(line)]
        done = subprocess.run(["sh", "-c", f'exec "$@" {stderr}', "sh", *words], capture_output=True, check=False)
        assert (done.returncode, done.stdout, done.stderr) == (status, out, b"")


@pytest.mark.long
@pytest.mark.parametrize("who", ["reader", "program"])
def test_a_pause_beyond_the_deadline_loses_nothing(installed: Program, fleet: Fleet, who: str) -> None:
    reading, writing = pipe()
    process = run(installed, "run --all --timeout 2 -- seq 1 5000", writing)
    begun = os.read(reading, 1)
    if who == "program":
        process.send_signal(signal.SIGSTOP)
    SLOW.wait(34)  # the timeout, and the 30 s after which an agent counts as silent: docs/rules.md section 2
    process.send_signal(signal.SIGCONT)
    with reader(reading) as found:
        status, said = ended(process)
    assert status == 0, said.decode()
    assert is_lines(begun + found)
    assert b"3 succeeded" in said


# all printing commands, under all conditions


def is_numbers(out: bytes) -> bool:
    return out == NUMBERS


def is_lines(out: bytes) -> bool:
    each = [b"%s: %s" % (name.encode(), line) for name in NAMES for line in NUMBERS.splitlines()]
    return out.endswith(b"\n") and sorted(out.splitlines()) == sorted(each)


def is_group(out: bytes) -> bool:
    return out == b"--- n[1-3] (3) ---\n" + NUMBERS


def is_document(out: bytes) -> bool:
    found = json.loads(out)
    return [each["Stdout"].encode() for each in found["InvokeInstances"]] == [NUMBERS] * len(NAMES)


def is_help(out: bytes) -> bool:
    return out.startswith(b"Usage: assist") and (b"Examples:" in out or b"Commands:" in out)


def is_json(out: bytes) -> bool:
    return out.endswith(b"\n") and bool([json.loads(line) for line in out.splitlines()])


def is_text(out: bytes) -> bool:
    return out.endswith(b"\n") and b"\0" not in out


RUNS: dict[str, Callable[[bytes], bool]] = {  # these say what continues when stdout is closed
    "run -i n1 -- seq 1 5000": is_numbers, "run --all -- seq 1 5000": is_lines,
    "run --all --live -- seq 1 5000": is_lines, "run --all --gather -- seq 1 5000": is_group,
    "run --all -o json -- seq 1 5000": is_document, "invoke numbers -i n1": is_numbers,
    "invoke numbers --all --live": is_lines, "invoke numbers --all --gather": is_group,
    "invoke numbers --all -o json": is_document, "rerun {id} --all": is_lines, "rerun {id} --all --gather": is_group,
    "rerun {id} --all -o json": is_document, "invocation wait {id}": is_lines,
    "invocation wait {id} --gather": is_group, "invocation wait {id} -o json": is_document,
    "invocation watch {id}": is_text, "invocation watch {id} -o json": is_document, "run --detach -- true": is_text,
    "run --detach -o jsonl -- true": is_json, "run --in 1h -- true": is_text, "run --in 1h -o jsonl -- true": is_json,
    "send {file} --all --to {folder} --overwrite": is_text,
}  # fmt: skip
OTHERS: dict[str, Callable[[bytes], bool]] = {
    "invocation output {id} -i n2": is_numbers, "invocation show {id}": is_text,
    "invocation show {id} -o json": is_document, "invocation results {id}": is_text,
    "invocation results {id} -o jsonl": is_json, "invocation list": is_text, "invocation list -o jsonl": is_json,
    "run --preview --all": is_text, "stop {id}": is_text, "--help": is_help, "run --help": is_help,
    "help targets": is_text, "--version": is_text, "command list": is_text, "command show numbers": is_text,
    "command export -o jsonl": is_json, "instance list": is_text, "instance status --all": is_text,
    "quota -o jsonl": is_json, "audit list": is_text, "schedule preview 'rate(1m)' -n 2000": is_text,
    "completion show bash": is_text, "doctor": is_text, "top --once": is_text,
}  # fmt: skip
PARTS = 6
WELL = {"doctor": 1}  # it finds no running server


@pytest.mark.long
@pytest.mark.timeout(900)
@pytest.mark.parametrize("part", range(PARTS))
def test_all_printing_commands_under_all_conditions(
    assist: Application, installed: Program, fleet: Fleet, isolation: Path, part: int
) -> None:
    assert assist("run", "--all", "--gather", "--", "seq", "1", "5000").returncode == 0
    id = json.loads(assist("invocation", "list", "-o", "json").stdout)[0]["InvokeId"]
    (isolation / "sent").write_bytes(NUMBERS)
    unbuffered = {"PYTHONUNBUFFERED": "1"}
    wrong = []
    for pattern in [*RUNS, *OTHERS][part::PARTS]:
        line = pattern.format(id=id, file=isolation / "sent", folder=isolation / "to")
        check = RUNS.get(pattern) or OTHERS[pattern]
        for condition, arguments in (
            ("slow", {}),
            ("non-blocking", {"blocking": False}),
            ("unbuffered", {"env": unbuffered}),
            ("non-blocking, unbuffered", {"blocking": False, "env": unbuffered}),
            ("stopped", {"stops": 20, "env": unbuffered}),
            ("stopped, non-blocking", {"stops": 20, "blocking": False}),
        ):
            status, out = read_slowly(installed, line, **arguments)  # type: ignore[arg-type]
            if status != WELL.get(pattern, 0) or not check(out):
                wrong.append(f"{line}: {condition}: {status}, {len(out)} bytes, {out[-100:]!r}")
        for condition, expected in (("closed", 130), ("full", 74)):
            status, said = lost(installed, line, full=condition == "full")
            told = b"assist invocation w" in said or b"assist schedule show" in said
            if status != expected or told != (pattern in RUNS):
                wrong.append(f"{line}: {condition}: {status}, {said.decode()}")
    assert not wrong, "\n".join(wrong)
    for found in json.loads(assist("invocation", "list", "-n", "0", "-o", "json").stdout):
        if not found["Frequency"]:
            assert assist("invocation", "wait", found["InvokeId"], "-o", "json").returncode == 0, found
