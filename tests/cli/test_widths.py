"""Help and tables at the widths of terminals: nothing is wider than the terminal, and no word is broken."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
import typer
import typer.main

from assist_cli.cli.app import app
from assist_cli.cli.formatting import column_widths, fit, width, wrap
from assist_cli.cli.help import TOPICS
from assist_cli.cli.instance import LISTED as INSTANCES
from assist_cli.cli.invocation_view import COLUMNS as INVOCATIONS
from assist_cli.cli.output import Column
from assist_cli.errors import UsageError
from tests.support.captured import Captured

NARROW = (60, 40)
LINES = 24  # of a small terminal


def commands(command: Any, path: str = "assist") -> Iterator[tuple[str, Any]]:
    yield path, command
    for name in getattr(command, "commands", {}):
        below = command.commands[name]
        if not below.hidden:
            yield from commands(below, f"{path} {name}")


COMMANDS = dict(commands(typer.main.get_command(app)))


def help_of(path: str, columns: int, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("COLUMNS", str(columns))
    with typer.Context(COMMANDS[path], info_name=path, help_option_names=["-h", "--help"]) as context:
        return str(COMMANDS[path].get_help(context))


def widest(text: str) -> int:
    return max(map(width, text.splitlines()))


# help


@pytest.mark.parametrize("path", COMMANDS)
def test_help_of_a_command_fits_and_breaks_no_word(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    text = help_of(path, 80, monkeypatch)
    assert widest(text) <= 80
    assert "..." not in text.partition("Commands:")[2]
    for columns in NARROW:
        narrow = help_of(path, columns, monkeypatch)
        assert widest(narrow) <= columns
        if path != "assist" and "Commands:" not in text:  # lists of commands are shortened there
            assert narrow.split() == text.split()
        else:
            assert set(narrow.split()) <= {*text.split(), "..."} | {word + "..." for word in text.split()}


def test_help_of_a_wide_terminal_stays_readable(monkeypatch: pytest.MonkeyPatch) -> None:
    assert help_of("assist run", 200, monkeypatch) == help_of("assist run", 80, monkeypatch)


@pytest.mark.parametrize("topic", TOPICS)
def test_a_topic_fits_and_breaks_no_word(topic: str) -> None:
    assert fit(TOPICS[topic].rstrip(), 80) == TOPICS[topic].rstrip()
    for columns in NARROW:
        narrow = fit(TOPICS[topic], columns)
        assert widest(narrow) <= columns
        assert narrow.split() == TOPICS[topic].split()


def test_the_first_help_fits_a_small_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = help_of("assist", 80, monkeypatch).splitlines()
    assert len(lines) <= LINES
    listed = [line.split()[0] for line in lines if line.startswith("  ")]
    assert set(COMMANDS["assist"].table) <= {word.strip(".,") for line in lines for word in line.split()}
    assert listed[:7] == ["run", "invoke", "rerun", "send", "stop", "top", "invocation"]


# tables


def printed(columns: Sequence[Column], rows: list[list[str]], size: int, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("COLUMNS", str(size))
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("NO_COLOR", "1")
    captured = Captured(terminal=True)
    captured.printer.table(columns, rows)
    return re.sub(r"\x1b\[[\d;]*m", "", captured.out)


INSTANCE = "i-01m836r4dh7tb3wgk7dbvqjv8b"
ROWS = [
    ["web01", "ssh:root@10.0.0.5", "role=web", "linux", "3 s ago", INSTANCE],
    ["db-primary-01.eu-central-1", "tls:192.168.100.200:7433", "role=db env=prod", "linux", "never", INSTANCE],
]


@pytest.mark.parametrize(
    ("size", "titles"),
    [
        (120, "NAME ADDRESS TAGS OS LAST SEEN ID"),
        (80, "NAME ADDRESS TAGS OS LAST SEEN"),
        (75, "NAME ADDRESS TAGS LAST SEEN"),
        (65, "NAME ADDRESS TAGS"),
        (53, "NAME ADDRESS"),
    ],
)
def test_a_list_of_instances_drops_the_least_important_columns(
    size: int, titles: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = printed(INSTANCES, ROWS, size, monkeypatch)
    assert widest(text) <= size
    assert text.splitlines()[0].split() == titles.split()
    assert "tls:192.168.100.200:7433" in text
    assert "db-primary-01.eu-central-1" in text
    assert text.count(INSTANCE) == (2 if "ID" in titles else 0)


def test_a_name_is_cut_only_if_nothing_else_can_be_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    name, address = "n" * 40, "tls:" + "a" * 60
    rows = [[name, address, "role=web", "linux", "3 s ago", INSTANCE]]
    text = printed(INSTANCES, rows, 80, monkeypatch)
    assert name in text
    assert address not in text
    assert name[:20] in printed(INSTANCES, rows, 60, monkeypatch)


def test_v_names_the_columns_that_are_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    monkeypatch.setenv("TERM", "xterm-256color")
    for verbose in (True, False):
        captured = Captured(terminal=True, verbose=verbose)
        captured.printer.table(INSTANCES, ROWS)
        assert ("columns without room here: TAGS, OS, LAST SEEN, ID;" in captured.err.replace("\n", " ")) is verbose


def test_messages_of_a_terminal_break_at_words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    monkeypatch.setenv("NO_COLOR", "1")
    error = UsageError("cannot run 'web1': a program and its arguments stand after --", hint="as in: assist run -- ls")
    for terminal, text in (
        (True, "error: cannot run 'web1': a program and\nits arguments stand after --\n"),
        (False, "error: cannot run 'web1': a program and its arguments stand after --\n"),
    ):
        captured = Captured(terminal=terminal)
        captured.printer.error(error)
        assert captured.err == f"{text}hint: as in: assist run -- ls\n"


def test_a_row_of_a_narrow_terminal_is_a_block_without_a_loss(monkeypatch: pytest.MonkeyPatch) -> None:
    text = printed(INSTANCES, ROWS, 40, monkeypatch)
    assert widest(text) <= 40
    blocks = text.split("\n\n")
    assert [block.split()[1] for block in blocks] == [row[0] for row in ROWS]
    for block, row in zip(blocks, ROWS, strict=True):
        lines = [f"{column.title} {cell}" for column, cell in zip(INSTANCES, row, strict=True)]
        assert block.split() == " ".join(lines).split()


@pytest.mark.parametrize("size", [40, 60, 80, 120])
def test_a_list_of_invocations_fits(size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    command = "a very long command line " * 8
    rows = [["t-01m833bs0p", "PartialFailed, 1 failed", "n" * 64, "2 min ago", "3 h 20 min", command]] * 2
    text = printed(INVOCATIONS, rows, size, monkeypatch)
    assert widest(text) <= size
    assert text.count("t-01m833bs0p") == 2


def test_a_pipe_gets_all_columns_uncut(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    for captured in (Captured(terminal=False), Captured(terminal=True, plain=True)):
        captured.printer.table(INSTANCES, ROWS)
        lines = captured.out.splitlines()
        assert len(lines) == 3
        assert all(cell in line for row, line in zip(ROWS, lines[1:], strict=True) for cell in row)


def test_details_are_wrapped_on_a_terminal_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    monkeypatch.setenv("NO_COLOR", "1")
    rows = [("Command", "sh -c 'echo a long command line that continues'")]
    for terminal, text in (
        (True, "  Command  sh -c 'echo a long command\n           line that continues'\n"),
        (False, "  Command  sh -c 'echo a long command line that continues'\n"),
    ):
        captured = Captured(terminal=terminal)
        captured.printer.fields(rows, 8)
        assert captured.out == text


@pytest.mark.parametrize(
    ("room", "widths"),
    [
        (46, {0: 14, 1: 7, 2: 11, 3: 8}),
        (40, {0: 8, 1: 7, 2: 11, 3: 8}),
        (39, {0: 14, 1: 7, 3: 8}),
        (27, {0: 8, 1: 7, 3: 8}),
        (26, {0: 14, 3: 8}),
        (18, {0: 8, 3: 8}),
        (17, {}),
    ],
)
def test_columns_are_dropped_in_their_order_and_then_narrowed(room: int, widths: dict[int, int]) -> None:
    assert column_widths([14, 7, 11, 8], [8, 7, 11, 8], [0, 2, 1, 0], room) == widths


def test_lines_are_broken_at_spaces_and_words_only_when_they_are_longer() -> None:
    assert wrap("one  two three", 9, 2) == "one  two\n  three"
    assert wrap("x" * 12, 5, 2) == "xxxxx\n  xxx\n  xxx\n  x"
    assert wrap("数据库 数据库", 7, 1) == "数据库\n 数据库"
    assert wrap("", 5) == ""
