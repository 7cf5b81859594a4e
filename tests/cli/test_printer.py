"""The Printer: output to stdout and stderr, on a terminal and elsewhere, and the only way to write there."""

from __future__ import annotations

import ast
import io
import json
import logging
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

import assist_cli.cli
from assist_cli.cli.app import app
from assist_cli.cli.log import LogHandler
from assist_cli.cli.output import Cell, Column, Format, Printer, Style
from assist_cli.cli.streams import Streams
from assist_cli.errors import Refused
from assist_cli.operations.controller import open_controller
from assist_cli.paths import Home
from tests.support.captured import Captured
from tests.support.program import Program
from tests.support.terminal import Terminal

CLI = Path(assist_cli.cli.__file__).parent
THE_ONE = CLI / "streams.py"
WIPE = "\r\x1b[2K"


@pytest.fixture(autouse=True)
def surroundings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLUMNS", "40")
    monkeypatch.delenv("NO_COLOR", raising=False)


# no other module of the command line writes, or checks for a terminal


def names(tree: ast.AST) -> Iterator[str]:
    """Return attributes, names and imports in the code, and its strings without docstrings."""
    documented = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    docstrings = {id(node.body[0].value) for node in ast.walk(tree) if isinstance(node, documented) and _has_one(node)}  # type: ignore[attr-defined]
    for node in ast.walk(tree):
        if isinstance(node, (ast.Attribute, ast.Name)):
            yield ast.unparse(node)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docstrings:
            yield node.value


def _has_one(node: ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    return ast.get_docstring(node, clean=False) is not None


OF_A_TERMINAL = re.compile(
    r"sys\.(__)?(stdin|stdout|stderr)(__)?|.*\bisatty|.*get_terminal_size|NO_COLOR|COLUMNS|TERM|(?s:.*)\x1b\[.*"
    r"|typer\.(echo|secho|prompt|confirm)|.*StreamHandler|rich\.console\.Console"
)


def test_only_one_module_writes_and_checks_for_a_terminal() -> None:
    found = {
        (path.name, name)
        for path in CLI.rglob("*.py")
        for name in names(ast.parse(path.read_text(encoding="utf-8")))
        if path != THE_ONE and OF_A_TERMINAL.fullmatch(name)
    }
    modules = ("file.py", "instance_exchange.py", "invocation_view.py", "schedule.py")
    constants = {(module, "COLUMNS") for module in modules}  # of tables
    assert found - constants == {("output.py", "rich.console.Console")}  # the type of its return value


def test_the_forbidden_names_are_found_in_that_module() -> None:
    found = {name for name in names(ast.parse(THE_ONE.read_text())) if OF_A_TERMINAL.fullmatch(name)}
    assert found >= {"self.file.isatty", "os.get_terminal_size", "NO_COLOR", "COLUMNS", "TERM", WIPE}


# streams


def test_streams_are_looked_up_at_each_write(monkeypatch: pytest.MonkeyPatch) -> None:
    printer = Printer()
    for text in ("one", "two"):
        stdout, stderr = (io.TextIOWrapper(io.BytesIO(), "utf-8") for _ in range(2))
        monkeypatch.setattr(sys, "stdout", stdout)
        monkeypatch.setattr(sys, "stderr", stderr)
        printer.line(text)
        printer.raw(b"\xff")
        printer.warn(text)
        assert stdout.buffer.getvalue() == text.encode() + b"\n\xff"  # type: ignore[attr-defined]
        assert stderr.buffer.getvalue() == text.encode() + b"\n"  # type: ignore[attr-defined]


def test_the_program_can_be_called_repeatedly_in_one_process(home: Path) -> None:
    runner = CliRunner()
    with open_controller(Home(home)):
        pass
    for words, status, out, err in (
        (["help", "targets"], 0, "Targets of run", ""),
        (["quota", "-o", "jsonl"], 0, '{"Quota": "commands"', ""),
        (["invocation", "show", "t-none"], 66, "", "error: cannot find"),
        (["quota", "--help"], 0, "Usage: assist quota", ""),
        (["--version"], 0, "assist ", ""),
        (["instance"], 2, "", "Usage: assist instance"),
    ):
        done = runner.invoke(app, words, prog_name="assist")
        assert (done.exit_code, done.stdout[: len(out)], done.stderr[: len(err)]) == (status, out, err), words
        assert bool(done.stdout) == bool(out), words


# terminals


def test_each_stream_is_checked_by_itself() -> None:
    streams = Streams(terminal=True)
    streams.stdout = Streams(terminal=False).stdout
    printer = Printer(streams=streams)
    assert (printer.stdout_is_terminal, printer.stderr_is_terminal, printer.can_redraw) == (False, True, False)
    assert printer.can_ask
    streams.stdin = Streams(terminal=False).stdin
    assert (printer.can_ask, printer.keyboard) == (False, None)


def test_terminals_that_can_redraw(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Streams(terminal=True)
    assert Printer(streams=terminal).can_redraw
    assert not Printer(streams=terminal, plain=True).can_redraw
    assert not Printer(streams=terminal, format=Format.JSON).can_redraw
    monkeypatch.setenv("TERM", "dumb")
    assert not Printer(streams=terminal).can_redraw


@pytest.mark.parametrize(("told", "columns"), [("133", 133), ("0", 80), ("wide", 80), ("", 80)])
def test_the_width(told: str, columns: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", told)
    assert Captured(terminal=True).printer.columns == columns


def test_colours_only_on_terminals_that_support_them(monkeypatch: pytest.MonkeyPatch) -> None:
    assert Captured(terminal=True).printer.paint("\x1bbad", Style.BAD) == "\x1b[31m\\x1bbad\x1b[0m"
    assert Captured(terminal=False).printer.paint("\x1bbad", Style.BAD) == "\\x1bbad"
    monkeypatch.setenv("NO_COLOR", "1")
    assert Captured(terminal=True).printer.paint("\x1bbad", Style.BAD) == "\\x1bbad"


def test_an_error_is_coloured_if_stderr_is_a_terminal() -> None:
    for terminal, text in (
        (False, "error: cannot do it\nhint: do that\n"),
        (True, "\x1b[31merror:\x1b[0m cannot do it\n\x1b[36mhint:\x1b[0m do that\n"),
    ):
        captured = Captured(terminal=terminal)
        captured.printer.error(Refused("cannot do it", hint="do that"))
        assert (captured.out, captured.err) == ("", text)


HOSTILE = "a\x1b]0;x\x07b\x7fc\x9bd\u202ee\u2066f\n"


@pytest.mark.parametrize("format", [Format.JSON, Format.JSONL])
def test_json_on_a_terminal_is_escaped_and_means_the_same(format: Format) -> None:
    for terminal in (True, False):
        captured = Captured(terminal=terminal, format=format)
        captured.printer.document({"Name": HOSTILE})
        captured.printer.error(Refused(HOSTILE, code="X"))
        captured.printer.flush()
        assert json.loads(captured.out) == {"Name": HOSTILE}
        assert json.loads(captured.err)["Message"] == HOSTILE
        for text in (captured.out, captured.err):
            assert text.replace("\n", "").isprintable() is terminal


def test_a_line_of_the_log_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    captured = Captured(terminal=False)
    logger = logging.Logger("test")
    logger.addHandler(LogHandler(captured.printer))
    logger.warning("the agent says: %s", "x\n\x1b[31merror: forged\u202e")
    assert captured.err == "the agent says: x\\n\\x1b[31merror: forged\\u202e\n"


def test_a_table_is_drawn_on_a_terminal_and_plain_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    columns, rows = (Column("ID"), Column("WHAT", flexible=True)), [("1", Cell("x" * 50))]
    texts = {}
    for terminal, plain in ((True, False), (True, True), (False, False)):
        captured = Captured(terminal=terminal, plain=plain)
        captured.printer.table(columns, rows)
        texts[terminal, plain] = captured.out
    assert texts[False, False] == texts[True, True] == f"ID  WHAT\n1   {'x' * 50}\n"
    drawn = texts[True, False]
    assert "─" in drawn
    assert f"{'x' * 35}…" in drawn
    assert "\x1b[1m" in drawn


# progress


def test_progress_is_cleared_before_any_output() -> None:
    for write in (
        lambda printer: printer.line("text"),
        lambda printer: printer.raw(b"text\n"),
        lambda printer: printer.prefixed("web1", b"text"),
        lambda printer: printer.warn("text"),
        lambda printer: printer.table([Column("ID")], [["text"]]),
        lambda printer: printer.raw(b"text\n", error=True),
    ):
        captured = Captured(terminal=True)
        captured.printer.progress("1/2", "Enter: more")
        assert captured.err == f"{WIPE}1/2  Enter: more"
        write(captured.printer)
        assert captured.err.startswith(f"{WIPE}1/2  Enter: more{WIPE}")
        assert "text" in captured.out + captured.err
        assert captured.err.count(WIPE) == 2


def test_progress_fits_its_line_and_is_not_redrawn_too_often() -> None:
    captured = Captured(terminal=True)
    captured.printer.progress("x" * 30, "a hint that has no room")
    captured.printer.progress("too early")
    assert captured.err == WIPE + "x" * 30
    captured.printer.remove_enter()
    assert captured.err == f"{WIPE}{'x' * 30}\x1b[1A{WIPE}"
    captured = Captured(terminal=True)
    captured.printer.progress("x" * 90)
    assert captured.err == WIPE + "x" * 39


def test_progress_only_on_terminals_that_can_redraw_and_without_quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    all_of_them = [Captured(terminal=False), Captured(terminal=True, quiet=True), Captured(terminal=True)]
    for captured, shown in zip(all_of_them, (False, False, True), strict=True):
        captured.printer.progress("1/2")
        captured.printer.line("text")
        assert bool(captured.err) is shown
    monkeypatch.setenv("TERM", "dumb")
    dumb = Captured(terminal=True)
    dumb.printer.progress("1/2")
    assert dumb.err == ""


# questions


def test_a_question_is_asked_on_stderr() -> None:
    captured = Captured(terminal=True, typed="an answer \n\n")
    assert captured.printer.ask("key: ") == "an answer "
    assert captured.printer.ask("key: ") == ""
    with pytest.raises(typer.Abort):
        captured.printer.ask("key: ")
    assert (captured.out, captured.err) == ("", "key: " * 3)


def test_a_yes_or_no_question() -> None:
    for typed, answer in (("y\n", True), ("YES\n", True), ("n\n", False), ("\n", False), ("what?\nyes\n", True)):
        captured = Captured(terminal=True, typed=typed)
        assert captured.printer.confirm("Really?") is answer, typed
        assert captured.err.startswith("Really? [y/N]: ")
        assert captured.out == ""
        assert ("Error: invalid input\n" in captured.err) is ("what" in typed)


def test_a_question_writes_nothing_to_stdout(installed: Program, isolation: Path) -> None:
    installed("command", "create", "greet", "-c", "echo hello {{who}}", "--param-def", "who required")
    words = ["-c", f"exec {installed.path} invoke greet >out"]
    with Terminal(Path("/bin/sh"), words, isolation) as terminal:
        terminal.wait_for("who: ")
        terminal.type("you\n")
        assert terminal.end() == 0
    assert (isolation / "out").read_bytes() == b"hello you\n"
