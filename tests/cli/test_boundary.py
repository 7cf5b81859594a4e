"""The boundary for errors: one line and a hint, JSON on request, a report for a bug."""

from __future__ import annotations

import json
import os
import re
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from assist_cli import __version__, errors
from assist_cli.errors import AssistError, ExitStatus
from tests.support import variants
from tests.support.application import Application
from tests.support.program import Program


def tree(kind: type[AssistError] = AssistError) -> Iterator[type[AssistError]]:
    yield kind
    for child in kind.__subclasses__():
        if child.__module__ == errors.__name__:
            yield from tree(child)


def test_the_help_draws_the_tree_of_errors() -> None:
    drawn = re.findall(r"── (\w+) +(\d+)? ", errors.__doc__ or "")
    assert {name for name, _ in drawn} == {kind.__name__ for kind in tree()} - {"AssistError"}
    for name, status in drawn:
        kind = getattr(errors, name)
        assert kind.__doc__, name
        if status:
            assert kind.exit_status == int(status), name


def test_each_has_a_code_and_a_status() -> None:
    for kind in tree():
        error = kind("cannot do it")
        assert error.code
        assert error.exit_status in list(ExitStatus)
        assert kind("cannot do it", code="Special").code == "Special"


def test_version_and_help(assist: Application) -> None:
    assert assist("--version").stdout.decode() == f"assist {__version__}\n"
    assert assist("-q", "--version").stdout.decode() == f"assist {__version__}\n"
    for words in ([], ["run"], ["invocation"], ["invocation", "list"], ["stop"], ["help"]):
        done = assist(*words, "--help")
        assert done.returncode == 0
        assert done.stderr == b""
        assert b"Usage: assist" in done.stdout
        assert max(map(len, done.stdout.decode().splitlines())) <= 80


def test_no_command_is_a_usage_error(assist: Application) -> None:
    for words in ([], ["invocation"]):
        done = assist(*words)
        assert (done.returncode, done.stdout) == (2, b"")
        assert b"Usage: assist" in done.stderr


@pytest.mark.parametrize("words", [["-q", "file", "list"], ["file", "-q", "list"], ["file", "list", "--quiet"]])
def test_quiet_stands_before_or_after_the_command(assist: Application, words: list[str]) -> None:
    done = assist(*words)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
    assert assist("file", "list").stderr != b""
    assert b"--quiet" not in assist("file", "list", "--help").stdout


@pytest.mark.parametrize(
    ("words", "message", "hint"),
    [
        (["frob"], "no such command 'frob'", "see assist --help"),
        (["--frob"], "no such option: --frob", "see assist --help"),
        (["invocation", "frob"], "no such command 'frob'", "see assist invocation --help"),
        (["invocation", "show"], "missing argument 'ID'", "see assist invocation show --help"),
        (["run", "uname", "-a"], "no such option: -a", "assist run -- uname -a"),
        (["run"], "cannot run: no script given", "assist run -- uname -a"),
        (["run", "-c", "true", "--", "true"], "several scripts given: words after --, -c TEXT", "give one of them"),
        (["run", "--timeout", "soon", "--", "true"], "'soon' is not a duration", "see assist run --help"),
        (["run", "--timeout", "1.5", "--", "true"], "not a whole number", "see assist run --help"),
        (["run", "-c"], "option '-c' requires an argument", "see assist run --help"),
        (["invocation", "list", "--version"], "no such option: --version", "use it alone: assist --version"),
        (["run", "--live", "--gather", "--", "true"], "--live together with --gather", "one of --live and --gather"),
        (["invocation", "wait", "-", "--gather", "--live"], "--live together with --gather", "--live and --gather"),
        (["run", "--batch", "x", "--", "true"], "cannot use --batch 'x'", "--batch 5, or --batch 25%"),
        (["run", "--max-errors", "", "--", "true"], "cannot use --max-errors ''", "--max-errors 25%"),
        (["run", "--pick", "0", "--", "true"], "'0' is not a number from 1 on", "see assist run --help"),
        (["invocation", "list", "--status", "fail"], "not one of 'running'", "did you mean Failed? see assist inv"),
        (["invocation", "list", "--status=Stoped"], "'stopping', 'stopped'", "did you mean Stopped? see"),
        (["run", "-o", "jsno", "--", "true"], "not one of 'table'", "did you mean json"),
        (["run", "-o", "JSON", "--", "true"], "not one of 'table'", "did you mean json"),
        (["run", "--pick", "25%", "--", "true"], "'25%' is not a whole number", "see assist run --help"),
        (["schedule", "preview", "rate(5m)", "-n", "0"], "'0' is not a number from 1 to 10000", "see assist sch"),
        (["run", "--canary", "0%", "--", "true"], "cannot use --canary '0%'", "--canary 5, or --canary 25%"),
        (["run", "--every", "1h", "--missed", "run_once", "--", "true"], "'skip'", "did you mean run-once?"),
    ],
)
def test_a_usage_error(assist: Application, words: list[str], message: str, hint: str) -> None:
    done = assist(*words)
    assert (done.returncode, done.stdout) == (2, b"")
    first, second = done.stderr.decode().splitlines()
    assert first.startswith("error: cannot ")
    assert message in first
    assert second.startswith("hint: ")
    assert hint in second


@pytest.mark.parametrize(
    ("words", "code", "status"),
    [
        (["run", "-o", "json", "-c", " "], "InvalidContent", 65),
        (["run", "--output=json", "--timeout", "0", "--", "true"], "TimeoutExceedLimit", 65),
        (["run", "--output", "json", "--timeout", "86401", "--", "true"], "TimeoutExceedLimit", 65),
        (["run", "-ojsonl", "--workdir", "relative", "--", "true"], "InvalidWorkingDir", 65),
        (["run", "-o", "json", "--workdir", "/" + "x" * 200, "--", "true"], "WorkingDirExceedLimit", 65),
        (["run", "-o", "json", "--type", "cobol", "--", "true"], "InvalidCommandType", 65),
        (["run", "-o", "json", "--user", "", "--", "true"], "InvalidUsername", 65),
        (["run", "-o", "json", "-f", "missing"], "FileFailure", 74),
        (["invocation", "show", "-", "-o", "json"], "NotFound", 66),
        (["run", "-o", "json", "--nonsense"], "InvalidUsage", 2),
    ],
)
def test_an_error_in_json(assist: Application, home: Path, words: list[str], code: str, status: int) -> None:
    done = assist(*words)
    assert (done.returncode, done.stdout) == (status, b"")
    (line,) = done.stderr.decode().splitlines()
    error = json.loads(line)
    assert list(error) == ["Code", "Message", "Hint"]
    assert error["Code"] == code
    assert error["Message"].startswith("cannot ")
    assert not error["Message"].endswith(".")
    assert not (home / "agent").exists()


def test_o_json_after_the_dashes_belongs_to_the_script(assist: Application) -> None:
    done = assist("run", "--type", "cobol", "--", "kubectl", "-o", "json")
    assert done.stderr.startswith(b"error: cannot use the type 'cobol'")


def test_an_argument_that_is_not_utf8_is_quoted_in_the_error(installed: Program) -> None:
    done = subprocess.run([installed.path, b"invocation", b"show", b"t-\xff\x1b[31m"], capture_output=True, check=False)
    assert done.returncode == 66
    assert b"\x1b" not in done.stderr


@pytest.mark.parametrize("locale", variants.every(2, ["C", "POSIX", "de_DE.ISO-8859-1", "C.UTF-8"]))
def test_words_and_output_are_utf8_in_any_locale(installed: Program, locale: str) -> None:
    done = installed("run", "--", "printf", "%s", "Grüße, 世界", env={"LANG": None, "LC_ALL": locale})
    assert done.stdout.decode() == "Grüße, 世界"


def test_a_broken_database(assist: Application, home: Path) -> None:
    home.mkdir(mode=0o700)
    (home / "assist.db").write_text("no database at all\n" * 100)
    done = assist("invocation", "list")
    assert done.returncode == 74
    assert done.stderr.startswith(b"error: cannot use the database '")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_home_that_may_not_be_made(assist: Application) -> None:
    assert assist("run", "--", "true", env={"ASSIST_HOME": "/proc/nowhere"}).returncode in (74, 77)


BUG = """
import sys
from assist_cli.cli import app, invocation
from assist_cli.operations.history import history
def summaries(*_, **__):
    secret = "do not tell"
    raise KeyError("a bug")
history.summaries = summaries
app.app(["invocation", "list", *sys.argv[1:]])
"""


@pytest.mark.usefixtures("starts_processes")
def test_a_bug_is_one_line_and_a_report(home: Path) -> None:
    done = subprocess.run([sys.executable, "-c", BUG], capture_output=True, check=False)
    assert (done.returncode, done.stdout) == (70, b"")
    first, second = done.stderr.decode().splitlines()
    assert first == "error: cannot go on: there is a bug in Assist (KeyError)"
    (report,) = (home / "logs").glob("bug-*.txt")
    assert second == f"hint: the report is '{report}'"
    assert stat.S_IMODE(report.stat().st_mode) == 0o600
    assert "KeyError: 'a bug'" in report.read_text()
    assert __version__ in report.read_text()


@pytest.mark.usefixtures("starts_processes")
def test_a_bug_in_json(home: Path) -> None:
    done = subprocess.run([sys.executable, "-c", BUG, "-o", "json"], capture_output=True, check=False)
    assert (done.returncode, done.stdout) == (70, b"")
    assert json.loads(done.stderr)["Code"] == "InternalError"


@pytest.mark.usefixtures("starts_processes")
def test_a_failure_of_the_machine_is_not_a_bug(home: Path) -> None:
    program = BUG.replace('KeyError("a bug")', 'OSError(11, "Resource temporarily unavailable")')
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=False)
    assert done.returncode == 74
    assert done.stderr.startswith(b"error: cannot go on: Resource temporarily unavailable\n")


def test_a_closed_reader_ends_a_list_quietly(assist: Application, installed: Program) -> None:
    assist("run", "--", "true")
    process = subprocess.Popen([installed.path, "invocation", "list"], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdout is not None
    process.stdout.close()
    assert process.stderr is not None
    with process.stderr:
        assert process.stderr.read() == b""
    assert process.wait() == 130


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
def test_a_failed_write_of_output_is_reported(installed: Program) -> None:
    for words in (["run", "--", "echo", "lost"], ["invocation", "list"], ["--help"]):
        with Path("/dev/full").open("wb") as full:
            done = subprocess.run([installed.path, *words], stdout=full, stderr=subprocess.PIPE, check=False)
        assert done.returncode == 74, words
        assert done.stderr.startswith(b"error: cannot write the output: No space left on device\n")


def test_closed_streams_are_harmless(assist: Application, installed: Program) -> None:
    script = '"$0" run -- echo out <&- >&- 2>&- && "$0" --version >&-'
    done = subprocess.run(["/bin/sh", "-c", script, installed.path], capture_output=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
    assert assist("invocation", "output", "-").stdout == b"out\n"


def test_topics(assist: Application) -> None:
    assert b"exit-status" in assist("help").stdout
    text = assist("help", "exit-status").stdout.decode()
    for status in ExitStatus:
        assert f"\n{status.value:>5}  " in text
    assert assist("help", "nonsense").returncode == 66


@pytest.mark.usefixtures("starts_processes")
def test_version_imports_almost_nothing() -> None:
    script = (
        "import sys; sys.argv = ['assist', '--version']\n"
        "from assist_cli.__main__ import main; main()\n"
        "print(sorted({'typer', 'asyncio', 'sqlite3', 'rich', 'sqlite_utils'} & set(sys.modules)))\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[1] == "[]"


@pytest.mark.usefixtures("starts_processes")
def test_a_run_into_a_pipe_imports_no_table_library(assist: Application) -> None:
    assist("run", "--", "true")
    script = (
        "import sys\n"
        "from assist_cli.cli.app import app\n"
        "try:\n    app(['run', '--', 'true'])\n"
        "finally:\n    print(sorted({'rich', 'sqlite_utils', 'paramiko', 'ssl_'} & set(sys.modules)))\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
