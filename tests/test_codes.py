"""Error codes: each is defined one time, is used, ends the program with its exit status, and is documented."""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

from assist_cli import codes, errors
from assist_cli.api import faults
from assist_cli.model import quotas

ROOT = Path(__file__).parents[1]
NAMES = {name: code for name, code in vars(codes).items() if isinstance(code, codes.ErrorCode)}

# Run under the Python of another machine, without the controller: these have copies of the codes that they send.
APART = [ROOT / "agentd", ROOT / "assist_cli/deploy/host"]
# Texts in these that look like a code and are not: types of scripts, a program, a class of asyncio.
NO_CODES = {"RunShellScript", "RunBatScript", "RunPowerShellScript", "WindowsPowerShell", "BufferedProtocol"}


def trees(folder: Path) -> Iterator[tuple[Path, ast.Module]]:
    for path in sorted(folder.rglob("*.py")):
        yield path, ast.parse(path.read_text(encoding="utf-8"))


def texts(tree: ast.AST) -> set[str]:
    return {node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)}


def named(tree: ast.AST) -> set[codes.ErrorCode]:
    """Return the codes that a tree names as ``codes.NAME``."""
    return {
        NAMES[node.attr]
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "codes"
        if node.attr in NAMES
    }


def sent_from_apart() -> set[str]:
    """Return the texts of agents and installers that look like a code, without names of functions of Windows."""
    found = set()
    for folder in APART:
        for _, tree in trees(folder):
            if not any("ctypes" in ast.unparse(node) for node in tree.body if isinstance(node, ast.Import)):
                found |= {text for text in texts(tree) if re.fullmatch("(?:[A-Z][a-z]+){2,}", text)}
    return found - NO_CODES


def test_each_code_is_defined_one_time_under_its_own_name() -> None:
    assert len(set(codes.EVERY)) == len(codes.EVERY) == len(NAMES)
    assert {name: re.sub("(?<=[a-z])(?=[A-Z])", "_", code).upper() for name, code in NAMES.items()} == {
        name: name for name in NAMES
    }


def test_only_one_module_writes_a_code_as_text() -> None:
    """The API has four words that are codes too, with a meaning of its own: assist_cli/api/faults.py."""
    found = {
        f"{path.relative_to(ROOT)}: {text}"
        for path, tree in trees(ROOT / "assist_cli")
        if path != Path(codes.__file__) and not path.is_relative_to(APART[1])
        for text in texts(tree) & set(codes.EVERY)
        if text not in faults.MESSAGES or path.parent.name != "api"
    }
    assert found == set()


def test_every_code_is_used_and_agents_send_no_other() -> None:
    sent = sent_from_apart()
    used = {code for path, tree in trees(ROOT / "assist_cli") for code in named(tree)}
    assert sent - set(codes.EVERY) == set(), "assist_cli/codes.py does not have them"
    assert set(codes.EVERY) - used - sent == set(), "nothing uses them"


def test_a_code_has_the_exit_statuses_of_its_errors() -> None:
    """Except for refusals of an agent, which have their own codes."""
    kinds = {kind.__name__: kind for kind in vars(errors).values() if isinstance(kind, type)}
    kinds = {name: kind for name, kind in kinds.items() if issubclass(kind, errors.AssistError)}
    del kinds["AgentRefused"]
    found = defaultdict(set)
    for kind in kinds.values():
        found[kind.code].add(int(kind.exit_status))
    for quota in quotas.ALL:
        found[quota.code].add(int(errors.QuotaExceeded.exit_status))
    for _, tree in trees(ROOT / "assist_cli"):
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in kinds:
                for word in node.keywords:
                    for code in named(word.value) if word.arg == "code" else ():
                        found[code].add(int(kinds[node.func.id].exit_status))
    assert {code: set(code.exits) for code in codes.EVERY if code.exits} == found


def test_the_page_has_every_table() -> None:
    """`make check` checks their content."""
    page = (ROOT / "docs/errors.md").read_text(encoding="utf-8")
    tables = list(dict.fromkeys(code.table for code in codes.EVERY))
    assert re.findall("^<!-- (.+) codes: made by make generated -->$", page, re.MULTILINE) == tables


def test_the_api_uses_its_own_words_for_refusals_of_operations() -> None:
    from assist_cli.api.actions import ACTIONS

    for words in (faults.CODES, *(action.words for action in ACTIONS.values())):
        assert set(words) <= set(codes.EVERY)
        for word in words.values():
            faults.Fault(word)  # an AssertionError for one that is missing in its table
