"""The documents agree with the code, and a reader finds a page by the word for its task.

Every command that a page or a message names exists, with those options. Every page and section that is cited exists.
Every setting of the agent is documented.
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
ROOT_COMMAND: Any = typer.main.get_command(app)
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def shown(path: Path) -> list[str]:
    """Return the command lines of assist in the terminal blocks of a page."""
    blocks = re.findall(r"```(?:console|shell-session)\n(.*?)```", path.read_text(encoding="utf-8"), re.DOTALL)
    return re.findall(r"^\$ (?:.*\| )?(assist .+)$", "\n".join(blocks), re.MULTILINE)


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_every_documented_command_exists_with_its_options(path: Path) -> None:
    for line in shown(path):
        words = shlex.split(line, comments=True)[1:]
        words = words[words[:1] in (["-q"], ["-v"]) :]
        command = ROOT_COMMAND
        while hasattr(command, "commands") and words and not words[0].startswith("-"):
            assert words[0] in command.commands, f"{line}: there is no '{words[0]}'"
            command = command.commands[words.pop(0)]
        known = {name for each in command.params for name in [*each.opts, *each.secondary_opts]} | {"-h", "--help"}
        given = words[: words.index("--")] if "--" in words else words
        # a value may start with a dash only after an option that takes one, and no page has such a line
        options = {word.partition("=")[0] for word in given if re.match(r"--?[a-z]", word)}
        assert options <= known, f"{line}: {options - known}"


def test_every_setting_of_the_agent_is_documented_with_its_default() -> None:
    text = (ROOT / "docs/agent.md").read_text(encoding="utf-8")
    table = dict(re.findall(r"^\| `([a-z_]+)` \| `?([^|`]+)`? \|", text, re.MULTILINE))
    assert table.keys() == DEFAULTS.keys()
    assert {name: table[name] for name, value in DEFAULTS.items() if isinstance(value, int)} == {
        name: str(value) for name, value in DEFAULTS.items() if isinstance(value, int)
    }


def test_the_files_named_by_the_architecture_exist() -> None:
    """Every file that answers a question there."""
    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    table = text.partition("## Where is …?")[2].partition("##")[0]
    named = re.findall(r"`((?:assist_cli|agentd)/[^`]+)`", table)
    assert len(named) >= 12
    assert [each for each in named if not (ROOT / each).is_file()] == []


# Words that people search for. The index has each of them, and leads to a page that explains it.
WORDS = [
    *("retry", "rerun", "retention", "prune", "backup", "restore", "inventory", "onboarding", "tag", "target"),
    *("fan-out", "concurrency", "canary", "rollout", "periodic", "cron", "recurring", "time zone", "daylight saving"),
    *("timeout", "kill", "secret", "password", "audit", "webhook", "Prometheus", "shutdown", "upgrade", "certificate"),
    "reconcile",
]


def sections(path: Path) -> dict[str, str]:
    """The text under each heading of a page, by the anchor that GitHub gives it; the whole page is under ''."""
    text = path.read_text(encoding="utf-8")
    found = {"": text}
    for part in re.split(r"^(?=##+ )", text, flags=re.MULTILINE)[1:]:
        heading = part.partition("\n")[0].lstrip("# ").lower()
        found[re.sub(r"[^\w -]", "", heading).replace(" ", "-")] = part
    return found


def index() -> dict[str, list[str]]:
    """The targets of the links in each row of the index, by the text of the row."""
    text = (ROOT / "docs/README.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (?!I want|---)(.+) \|$", text, re.MULTILINE)
    return {row: re.findall(r"\]\(([^)]+)\)", row) for row in rows}


@pytest.mark.parametrize("word", WORDS)
def test_a_reader_finds_the_page_of_a_task_by_its_word(word: str) -> None:
    rows = [links for row, links in index().items() if re.search(rf"\b{word}\b", row.rpartition("|")[0], re.IGNORECASE)]
    assert rows, "it is in no row of the index"
    for links in rows:
        texts = [sections(ROOT / "docs" / page)[anchor] for page, _, anchor in (link.partition("#") for link in links)]
        assert any(re.search(rf"\b{word}\b", text, re.IGNORECASE) for text in texts), f"it is in none of {links}"


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_link_to_a_heading_leads_there(path: Path) -> None:
    for page, anchor in re.findall(r"\]\(((?:[\w./-]+\.md)?)#([^)]+)\)", path.read_text(encoding="utf-8")):
        assert anchor in sections(path.parent / page if page else path), f"{path.name} links to '{page}#{anchor}'"


def test_the_readme_leads_to_the_index() -> None:
    assert "](docs/README.md)" in (ROOT / "README.md").read_text(encoding="utf-8")


def path_of(words: list[str]) -> list[str]:
    """The words of a command line that name a command; those before the first that names none."""
    command = ROOT_COMMAND
    found = []
    for word in words:
        if not hasattr(command, "commands") or word not in command.commands:
            break
        command = command.commands[word]
        found.append(word)
    return found


def strings() -> Iterator[tuple[str, str]]:
    """Yield where a text of the program stands, and the text without the values in it."""
    for path in sorted((ROOT / "assist_cli").rglob("*.py")):
        if "deploy/host" in path.as_posix():  # it runs on other machines, and has the name of a client
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                yield f"{path.relative_to(ROOT)}:{node.lineno}", node.value


def commands_in(text: str) -> list[list[str]]:
    """The words of what looks like a command line of assist: at the start, or behind a colon or a quote."""
    return [
        found.split() for found in re.findall(r"(?:^|: |`|'|\bor )assist ([a-z]+(?: [a-z]+)?)\b", text, re.MULTILINE)
    ]


def test_every_command_that_a_message_names_exists() -> None:
    for where, text in strings():
        for words in commands_in(text):
            found = path_of(words)
            assert found, f"{where}: there is no command 'assist {words[0]}'"
            command = ROOT_COMMAND
            for word in found:
                command = command.commands[word]
            if (
                hasattr(command, "commands")
                and len(words) > len(found)
                and words[0] not in ("quota", "help", "completion")
            ):
                pytest.fail(f"{where}: there is no command 'assist {' '.join(words)}'")


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_every_command_in_the_text_of_a_page_exists(path: Path) -> None:
    text = re.sub(r"```.*?```", "", path.read_text(encoding="utf-8"), flags=re.DOTALL)
    for line in re.findall(r"`assist ([^`]+)`", text):
        words = line.split()
        if words[0].startswith(("-", "[")) or words[0].isupper():
            continue
        assert path_of(words), f"there is no command 'assist {line}'"


def cited() -> Iterator[tuple[str, str, str]]:
    """The pages that sources and pages cite by path, and the section of each citation."""
    for pattern in (
        "assist_cli/**/*.py",
        "agentd/**/*.py",
        "tests/**/*.py",
        "benchmarks/*.py",
        "docs/*.py",
        "Makefile",
        "*.toml",
    ):
        for path in sorted(ROOT.glob(pattern)):
            for found in re.finditer(r"\bdocs/([\w.-]+\.md)(?:\s+section\s+(\d+))?", path.read_text(encoding="utf-8")):
                if found[1] != "page.md":  # the example of a test
                    yield str(path.relative_to(ROOT)), found[1], found[2] or ""


def test_every_page_and_section_that_is_cited_exists() -> None:
    for where, name, section in cited():
        page = ROOT / "docs" / name
        assert page.is_file(), f"{where} cites docs/{name}"
        if section:
            text = page.read_text(encoding="utf-8")
            assert re.search(rf"^## {section}\. ", text, re.MULTILINE), f"{where} cites docs/{name} section {section}"
