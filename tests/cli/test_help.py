"""Help: every command shows two real examples, and an error names the word that was probably meant."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from typing import Any

import pytest
import typer
import typer.main

from assist_cli.cli.app import app
from assist_cli.model.names import meant
from tests.support.application import Application

SCREEN = 50  # lines


def commands(command: Any, path: str = "assist") -> Iterator[tuple[str, Any]]:
    for name in getattr(command, "commands", {}):
        below = command.commands[name]
        if not below.hidden:
            yield f"{path} {name}", below
            yield from commands(below, f"{path} {name}")


COMMANDS = dict(commands(typer.main.get_command(app)))
LEAVES = {path: command for path, command in COMMANDS.items() if not getattr(command, "commands", {})}


def options_of(command: Any) -> set[str]:
    return {name for each in command.params for name in [*each.opts, *each.secondary_opts]} | {"-h", "--help"}


@pytest.mark.parametrize("path", LEAVES)
def test_two_examples_that_can_be_typed(path: str) -> None:
    examples = (LEAVES[path].epilog or "").split("Examples:\n")[-1].splitlines()
    lines = [line.strip() for line in examples if re.search(r"\bassist\b", line)]
    assert len(lines) >= 2
    for line in lines:
        words = shlex.split(line.partition("assist ")[2].partition(" | ")[0].partition(" > ")[0].rstrip(")"))
        command: Any = typer.main.get_command(app)
        while hasattr(command, "commands") and words and words[0] in command.commands:
            command = command.commands[words.pop(0)]
        given = words[: words.index("--")] if "--" in words else words
        used = {word.partition("=")[0] for word in given if re.match(r"--?[a-z]", word)}
        assert used <= options_of(command), line


@pytest.mark.parametrize("path", COMMANDS)
def test_help_fits_a_screen(path: str) -> None:
    with typer.Context(COMMANDS[path], info_name=path) as context:
        lines = COMMANDS[path].get_help(context).splitlines()
    assert len(lines) < SCREEN
    assert max(map(len, lines)) <= 80


def test_the_help_of_the_root_leaves_room_for_the_prompt(assist: Application) -> None:
    lines = assist("--help").stdout.decode().splitlines()
    assert len(lines) <= 22
    commands = [line.split()[0] for line in lines if re.match(r"  \S", line)]
    assert commands[-3:] == ["doctor", "backup", "others"]
    assert "help TOPIC" in lines[-1]


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        (["runn"], "did you mean assist run? see assist --help"),
        (["invocation", "lst"], "did you mean assist invocation list? see assist invocation --help"),
        (["xyzzy"], "see assist --help"),
        (["quota", "--plian"], "did you mean --plain? see assist quota --help"),
    ],
)
def test_a_wrong_option_or_command_gets_a_suggestion(
    words: list[str], hint: str, capsys: pytest.CaptureFixture[str], home: object
) -> None:
    with pytest.raises(SystemExit) as ended:
        app(words)
    assert ended.value.code == 2
    assert capsys.readouterr().err.splitlines()[1] == f"hint: {hint}"


def test_a_wrong_name_gets_a_suggestion(assist: Application) -> None:
    assist("command", "create", "backup", "-c", "true")
    done = assist("command", "show", "bakcup")
    assert done.returncode == 66
    assert b"hint: did you mean 'backup'? assist command list shows what there is" in done.stderr
    done = assist("help", "exit-staus")
    assert b"hint: did you mean 'exit-status'? assist help lists" in done.stderr


def test_similar_names() -> None:
    assert meant("web01", ["web1", "db1"]) == "did you mean 'web1'? "
    assert meant("other", ["web1"]) == ""


@pytest.mark.parametrize(
    ("words", "found"),
    [
        ("run", "Usage: assist run [OPTIONS]"),
        ("instance list", "Usage: assist instance list [OPTIONS]"),
        ("schedule", "See also: assist help frequency"),
        ("targets", "Targets of run, invoke"),
    ],
)
def test_help_shows_commands_and_topics(assist: Application, words: str, found: str) -> None:
    done = assist("help", *words.split())
    assert (done.returncode, done.stderr) == (0, b"")
    assert found in done.stdout.decode()


@pytest.mark.parametrize(
    ("words", "meant"),
    [("cron", "frequency"), ("exit-code", "exit-status"), ("frequncy", "frequency"), ("instance lst", "list")],
)
def test_help_suggests_topics_and_commands(assist: Application, words: str, meant: str) -> None:
    done = assist("help", *words.split())
    assert done.returncode == 66
    assert f"hint: did you mean '{meant}'? " in done.stderr.decode()
