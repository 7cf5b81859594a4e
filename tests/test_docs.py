"""The documents know what the code says.

Every command that a page shows exists, with those options. Every setting of the agent is told.
"""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import typer.main

from agentd.config import DEFAULTS
from assist_cli.cli.app import app

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def shown(path: Path) -> list[str]:
    """The command lines of assist in the blocks of a page that show a terminal."""
    blocks = re.findall(r"```(?:console|shell-session)\n(.*?)```", path.read_text(encoding="utf-8"), re.DOTALL)
    return re.findall(r"^\$ (?:.*\| )?(assist .+)$", "\n".join(blocks), re.MULTILINE)


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_every_command_that_is_shown_exists_with_its_options(path: Path) -> None:
    for line in shown(path):
        words = shlex.split(line, comments=True)[1:]
        words = words[words[:1] in (["-q"], ["-v"]) :]
        command: Any = typer.main.get_command(app)
        while hasattr(command, "commands") and words and not words[0].startswith("-"):
            assert words[0] in command.commands, f"{line}: there is no '{words[0]}'"
            command = command.commands[words.pop(0)]
        known = {name for each in command.params for name in [*each.opts, *each.secondary_opts]} | {"-h", "--help"}
        given = words[: words.index("--")] if "--" in words else words
        # a value may start with a dash only behind an option that takes one, and no page has such a line
        options = {word.partition("=")[0] for word in given if re.match(r"--?[a-z]", word)}
        assert options <= known, f"{line}: {options - known}"


def test_every_setting_of_the_agent_is_told_with_its_default() -> None:
    text = (ROOT / "docs/agent.md").read_text(encoding="utf-8")
    table = dict(re.findall(r"^\| `([a-z_]+)` \| `?([^|`]+)`? \|", text, re.MULTILINE))
    assert table.keys() == DEFAULTS.keys()
    assert {name: table[name] for name, value in DEFAULTS.items() if isinstance(value, int)} == {
        name: str(value) for name, value in DEFAULTS.items() if isinstance(value, int)
    }


def test_what_is_looked_for_is_where_the_architecture_says() -> None:
    """Every file that it answers a question with exists."""
    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    table = text.partition("## Where is …?")[2].partition("##")[0]
    named = re.findall(r"`((?:assist_cli|agentd)/[^`]+)`", table)
    assert len(named) >= 12
    assert [each for each in named if not (ROOT / each).is_file()] == []
