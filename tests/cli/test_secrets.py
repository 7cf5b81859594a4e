"""A canary as a secret: after every use it is found only where it must be."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import signal
import sqlite3
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.application import Application
from tests.support.program import Program

# Prints the secret in several ways: whole, in two pieces, on stderr, as quoted by the shell. Waits in the middle.
SCRIPT = """\
[ {{token|sh}} = "$ASSIST_PARAM_TOKEN" ] && echo "equal $ASSIST_PARAM_TOKEN"
printf '%.7s' "$ASSIST_PARAM_TOKEN"
echo waiting > {{folder|sh}}/waiting
head -n 1 {{folder|sh}}/go > /dev/null
printf '%s\\n' "${ASSIST_PARAM_TOKEN#canary-}"
echo "$ASSIST_PARAM_TOKEN" >&2
set -x
: "$ASSIST_PARAM_TOKEN"
"""


class Gate:
    """Two pipes: one says that the script of a run waits, the other continues it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir()
        os.mkfifo(folder / "waiting")
        os.mkfifo(folder / "go")

    def wait(self) -> None:
        (self.folder / "waiting").read_text()

    def open(self) -> None:
        """Continue the script; it need not wait yet."""
        self._keys.write(b"go\n")

    def __enter__(self) -> Gate:
        self._keys = (self.folder / "go").open("r+b", buffering=0)
        return self

    def __exit__(self, *_: object) -> None:
        self.open()
        self._keys.close()


@pytest.fixture
def gate(isolation: Path) -> Iterator[Gate]:
    with Gate(isolation / "gate") as gate:
        yield gate


class Canary:
    """A secret unlike that of any other test, and the places where it must not be."""

    def __init__(self) -> None:
        self.word = secrets.token_hex(8)
        self.text = f"canary-{self.word}'bird"
        self.env = {"TOKEN": self.text}

    def absent(self, *texts: bytes) -> None:
        for text in texts:
            assert self.word.encode() not in text

    def absent_in(self, folder: Path) -> None:
        """Check all files: database, WAL, spool, journal, logs, reports of bugs."""
        files = [path for path in folder.rglob("*") if path.is_file()]
        assert files
        self.absent(*(path.read_bytes() for path in files))

    def absent_among_processes(self, *, but: int) -> None:
        """Check all argv, and all environments except those of the script and of the process that got it there."""
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                self.absent((folder / "cmdline").read_bytes())
                environment = (folder / "environ").read_bytes()
            except OSError:
                continue
            if b"ASSIST_PARAM_TOKEN=" not in environment and int(folder.name) != but:
                self.absent(environment)

    def script(self) -> Path:
        """Return the script file that has it."""
        found = []
        for path in Path(tempfile.gettempdir()).glob("assist-*.sh"):
            with contextlib.suppress(FileNotFoundError):
                if self.word.encode() in path.read_bytes():
                    found.append(path)
        (path,) = found
        return path


def indexed(home: Path) -> set[str]:
    """Return the words of both search indexes of the history."""
    found = set()
    with contextlib.closing(sqlite3.connect(home / "assist.db")) as database:
        for table in ("output_words", "invocation_words"):
            database.execute(f"CREATE VIRTUAL TABLE temp.terms USING fts5vocab('main', '{table}', 'row')")
            found.update(row[0] for row in database.execute("SELECT term FROM temp.terms"))
            database.execute("DROP TABLE temp.terms")
    return found


@pytest.fixture
def canary() -> Canary:
    return Canary()


@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="looks at other processes in /proc")
@pytest.mark.parametrize("given", ["env:TOKEN", "@token"])
def test_a_saved_command_with_a_secret(
    assist: Application, installed: Program, home: Path, isolation: Path, gate: Gate, canary: Canary, given: str
) -> None:
    (isolation / "token").write_text(canary.text + "\n")
    env = canary.env if given == "env:TOKEN" else {}
    words = ["--param-def", "token secret", "--param-def", "folder"]
    assert assist("command", "create", "secretive", "-c", SCRIPT, *words).returncode == 0
    invoke = ["invoke", "secretive", "-p", f"folder={gate.folder}", "--secret", f"token={given}"]

    process = installed.start("-v", *invoke, env=env)
    gate.wait()
    canary.absent_among_processes(but=process.pid)
    canary.absent_in(home)
    file = canary.script()
    assert stat.S_IMODE(file.stat().st_mode) == 0o700
    gate.open()
    stdout, stderr = process.communicate()
    assert process.returncode == 0
    assert stdout == b"equal ********\n********\n"
    assert stderr.count(b"********") == 2
    canary.absent(stdout, stderr)
    assert not file.exists()

    for looking in (
        ["invocation", "show", "-"],
        ["invocation", "show", "-", "-o", "json"],
        ["invocation", "list", "-o", "json"],
        ["invocation", "output", "-", "--full"],
        ["-v", "invocation", "wait", "-"],
        ["audit", "list", "-o", "json"],
        ["command", "show", "secretive", "-o", "json"],
        ["command", "export"],
    ):
        done = assist(*looking, env=env)
        assert done.returncode == 0
        canary.absent(done.stdout, done.stderr)
    assert b'"token": "********"' in assist("invocation", "show", "-", "-o", "json").stdout
    canary.absent_in(home)


def test_a_kill_in_the_middle_leaks_nothing(
    assist: Application, installed: Program, home: Path, gate: Gate, canary: Canary
) -> None:
    """A process that reconciles afterwards does not know the secret, and its output is masked all the same."""
    process = installed.start(
        "run", "-c", SCRIPT, "-p", f"folder={gate.folder}", "--secret", "token=env:TOKEN", env=canary.env
    )
    gate.wait()
    process.send_signal(signal.SIGKILL)
    process.wait()
    gate.open()
    done = assist("invocation", "wait", "-")
    assert (done.returncode, done.stdout) == (0, b"equal ********\n********\n")
    canary.absent(done.stderr)
    hits = json.loads(assist("invocation", "search", "equal", "-o", "json").stdout)
    assert "equal ********" in [hit["Snippet"].splitlines()[0] for hit in hits]
    assert assist("invocation", "search", canary.word).stdout == b""
    words = indexed(home)
    assert "equal" in words
    assert not words & {canary.word, "bird"}
    canary.absent_in(home)


@pytest.mark.usefixtures("starts_processes")
def test_errors_leak_nothing(assist: Application, home: Path, isolation: Path, canary: Canary) -> None:
    strict = ["--param-def", "token secret pattern=[0-9]+"]
    assert assist("command", "create", "strict", "-c", "echo {{token}}", *strict).returncode == 0
    assert assist("command", "create", "long", "-c", "{{token}}" * 1000, "--param-def", "token secret").returncode == 0
    (isolation / "huge").write_text(canary.text * 2000)
    (isolation / "large").write_text(canary.text * 100)
    secret = ["--secret", "token=env:TOKEN"]
    for status, *words in [
        (65, "invoke", "strict", *secret),
        (65, "invoke", "long", "--secret", "token=@huge"),
        (65, "invoke", "long", "--secret", "token=@large"),
        (65, "invoke", "strict", *secret, *secret),
        (65, "invoke", "strict", *secret, "-p", "other=x"),
        (65, "run", "-c", "true", *secret, "--keep-script"),
        (66, "invoke", "nothing", *secret),
        (65, "run", "-c", "{{token|html}}", *secret),
    ]:
        for form in ([], ["-o", "json"]):
            done = assist("-v", *words, *form, env=canary.env)
            assert done.returncode == status, done.stderr
            canary.absent(done.stdout, done.stderr)
    canary.absent_in(home)


def test_a_secret_file_that_is_readable_by_others_causes_a_warning(assist: Application, isolation: Path) -> None:
    file = isolation / "secret"
    file.write_text("https://hooks.example.com/token")
    for words in (["--secret", f"token=@{file}"], ["--notify", f"@{file}"]):
        for mode, lines in ((0o640, [f"warning: others can read '{file}': chmod 600 {file}"]), (0o600, [])):
            file.chmod(mode)
            done = assist("invoke", "nothing", *words)
            assert done.returncode == 66
            assert done.stderr.decode().splitlines()[:-2] == lines


def test_a_secret_is_given_by_reference_only(assist: Application, home: Path, canary: Canary) -> None:
    """A secret typed by mistake is in the argv of that command; it is not repeated and not stored."""
    assert assist("command", "create", "s", "-c", "echo {{token|sh}}", "--param-def", "token secret").returncode == 0
    for words in (
        ["-p", f"token={canary.text}"],
        ["--params", f'{{"token": "{canary.text}"}}'],
        ["--secret", f"token={canary.text}"],
    ):
        done = assist("-v", "invoke", "s", *words)
        assert done.returncode == 65
        assert b"cannot " in done.stderr
        canary.absent(done.stdout, done.stderr)
    canary.absent_in(home)
