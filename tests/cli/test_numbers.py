"""No number in an option or argument causes a bug: one that is too large is refused in one clear line."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from typer.main import get_command

from assist_cli.cli.app import app
from tests.support.application import Application

LARGE = "9" * 30
CLAMPED = ("--since",)  # a time that long ago is before every record


def commands(command: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    if hasattr(command, "commands"):
        for name, each in command.commands.items():
            yield from commands(each, (*path, name))
    else:
        yield path, command


def cases() -> Iterator[tuple[str, ...]]:
    """Return the words of each command with one number that is too large; for a duration also in days."""
    for path, command in commands(get_command(app)):
        needed = [each for each in command.params if each.param_type_name == "argument" and each.required]
        for each in command.params:
            kind = type(each.type).__name__
            if kind not in ("IntParamType", "IntRange", "FuncParamType") or each.opts[0] in CLAMPED:
                continue
            if each.param_type_name == "argument":
                yield (*path, *(LARGE if other is each else "1" for other in [*needed, *({each} - {*needed})]))
                continue
            end = ["--", "true"] if path == ("run",) else ["1" for _ in needed]
            for number in (LARGE, "1" + LARGE * 20, *([f"{LARGE}d"] if kind == "FuncParamType" else [])):
                yield (*path, each.opts[0], number, *end)
    for name in ("--canary", "--batch", "--max-errors", "--concurrency"):
        yield ("run", name, "-1" + LARGE, "--", "true")
        yield ("run", name, LARGE + "%", "--", "true")


def test_a_number_that_is_too_large_is_refused(assist: Application) -> None:
    found = list(cases())
    assert len(found) > 100
    for words in found:
        done = assist(*words)
        assert done.returncode in (2, 65), (words, done.stderr)
        assert b"cannot" in done.stderr, words
        assert done.stdout == b"", words


@pytest.mark.parametrize(
    "text",
    [
        "rate(1000d)",
        f"rate({LARGE}d)",
        f"at({LARGE}-01-01)",
        f"{LARGE} * * * *",
        f"0 0 0 L-{LARGE} * *",
        f"*/{LARGE} * * * *",
    ],
)
def test_no_number_in_a_frequency_is_a_bug(assist: Application, text: str) -> None:
    done = assist("schedule", "preview", text, "-n", "10000")
    assert done.returncode == (0 if text == "rate(1000d)" else 65)
