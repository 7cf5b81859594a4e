"""The documents know what the code says.

Every code of an error has its line in docs/errors.md, and no other has. Every command that a page shows exists, with
those options. Every setting of the agent is told.
"""

from __future__ import annotations

import ast
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer.main

from agentd.config import DEFAULTS
from assist_cli.cli.app import app

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]

# What names a code: keywords and keys, variables and attributes, and the calls whose words include one.
NAMES = {"code", "error_code", "refused", "UNANSWERED"}
CALLS = {"Refusal", "Refused", "RequestRefused", "Failure", "fail", "failed"}
CODE = re.compile(r"[A-Z][a-z]+(?:[A-Z][a-z]+)*")


def codes_of(tree: ast.AST) -> Iterator[str]:
    """The texts that a module uses as codes, wherever its syntax tree says that one stands."""
    for node in ast.walk(tree):
        found: list[ast.expr] = []
        if isinstance(node, ast.Call):
            found += [word.value for word in node.keywords if word.arg in NAMES]
            if _name(node.func) in CALLS:
                found += node.args
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            flat = [one for target in targets for one in getattr(target, "elts", [target])]
            if node.value is not None and NAMES & {_name(one) for one in flat}:
                found += getattr(node.value, "elts", [node.value])
        elif isinstance(node, ast.Dict):
            found += [
                value
                for key, value in zip(node.keys, node.values, strict=True)
                if isinstance(key, ast.Constant) and key.value in NAMES
            ]
        for one in found:
            for part in (one.body, one.orelse) if isinstance(one, ast.IfExp) else (one,):
                if isinstance(part, ast.Constant) and isinstance(part.value, str) and CODE.fullmatch(part.value):
                    yield part.value


def _name(node: ast.expr) -> str:
    return node.attr if isinstance(node, ast.Attribute) else getattr(node, "id", "")


def codes_in_the_code() -> set[str]:
    return {
        code
        for product in ("assist_cli", "agentd")
        for path in (ROOT / product).rglob("*.py")
        for code in codes_of(ast.parse(path.read_text(encoding="utf-8")))
    }


def codes_on_the_page() -> set[str]:
    """What stands in the first column of a table, or in the column of codes beside an exit status."""
    text = (ROOT / "docs/errors.md").read_text(encoding="utf-8")
    cells = re.findall(r"^\| (?:\d+ \| )?(`[^|]+`) \|", text, re.MULTILINE)
    return {code for cell in cells for code in re.findall(r"`([^`]+)`", cell)}


def test_codes_are_found_wherever_one_can_stand() -> None:
    """The search itself: a code that it does not see would not be missed on the page."""
    source = """
class Taken(Refused):
    code = "ByClass"
raise Taken("cannot", code="ByKeyword" if here else "ByOtherwise")
raise Refusal("ByPosition", "it is not there")
Quota(name="script", code="ByField")
channel.say(refused="BySaying", info="Text that is none")
words = {"refused": "ByKey", "info": "Text"}
self.state, self.error_code, self.error_info = FAILED, "ByOneOfThree", "it was"
"""
    assert set(codes_of(ast.parse(source))) == {
        *("ByClass", "ByKeyword", "ByOtherwise", "ByPosition", "ByField", "BySaying", "ByKey", "ByOneOfThree")
    }


def test_the_page_of_codes_has_every_code_and_no_other() -> None:
    used, told = codes_in_the_code(), codes_on_the_page()
    assert used - told == set(), "codes that docs/errors.md does not explain"
    assert told - used == set(), "codes of docs/errors.md that nothing uses"


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
