"""Timeouts: all of them are in ``model.timeouts``, and a test passes others instead of setting a constant."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
NAME = re.compile(r"(^|_)(SECONDS|PATIENCE|PAUSES?|WAITS?)$")
WAITING = {"sleep", "wait_for", "wait", "call_later", "settimeout", "acquire", "select"}
WITH_A_TIMEOUT = {"run", "open", "connect", "communicate", "open_session", "open_channel", "start_client"}


def constants_that_wait(source: str) -> list[str]:
    """Return names of a module that look like timeouts, and calls that wait for a number or a constant."""
    tree = ast.parse(source)
    names = {target.id for node in tree.body for target in _targets(node) if isinstance(target, ast.Name)}
    found = sorted(name for name in names if NAME.search(name))
    for call in ast.walk(tree):
        if isinstance(call, ast.Call):
            function = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
            given = list(call.args) if function in WAITING else []
            if function in WAITING | WITH_A_TIMEOUT:
                given += [word.value for word in call.keywords if word.arg == "timeout"]
            if any(_is_fixed(value, names) for value in given):
                found.append(ast.unparse(call))
    return found


def constants_that_are_set(source: str) -> list[str]:
    """Return the lines of a test that set a constant of a module."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call) and getattr(node.func, "attr", "") == "setattr":
            words = [word.value for word in node.args[:2] if isinstance(word, ast.Constant)]
            if any(isinstance(word, str) and word.rpartition(".")[2].isupper() for word in words):
                found.append(ast.unparse(node))
        found += [
            ast.unparse(node)
            for target in _targets(node)
            if isinstance(target, ast.Attribute) and target.attr.isupper()
        ]
    return found


def _targets(node: ast.AST) -> list[ast.expr]:
    if isinstance(node, ast.Assign):
        return node.targets
    return [node.target] if isinstance(node, ast.AnnAssign | ast.AugAssign) else []


def _is_fixed(value: ast.expr, names: set[str]) -> bool:
    if isinstance(value, ast.Name):
        return value.id.isupper() and value.id in names
    return isinstance(value, ast.Constant) and isinstance(value.value, int | float) and value.value > 0


def files(folder: str) -> Iterator[Path]:
    yield from sorted((ROOT / folder).rglob("*.py"))


def test_no_module_has_a_timeout_of_its_own() -> None:
    timeouts = ROOT / "assist_cli" / "model" / "timeouts.py"
    assert {
        str(path.relative_to(ROOT)): found
        for path in files("assist_cli")
        if path != timeouts and (found := constants_that_wait(path.read_text(encoding="utf-8")))
    } == {}


def test_no_test_sets_a_constant() -> None:
    assert {
        str(path.relative_to(ROOT)): found
        for path in files("tests")
        if (found := constants_that_are_set(path.read_text(encoding="utf-8")))
    } == {}


@pytest.mark.parametrize(
    "source",
    [
        "TICK_SECONDS = 0.5",
        "PAUSES: tuple[int, ...] = (1, 2)",
        "time.sleep(0.5)",
        "SOON = 1.0\nawait asyncio.wait_for(work(), SOON)",
        "subprocess.run(words, timeout=60)",
    ],
)
def test_a_timeout_is_found(source: str) -> None:
    assert len(constants_that_wait(source)) == 1
    assert constants_that_wait("await asyncio.sleep(0)\nawait asyncio.sleep(timeouts.tick)\nSIZE = 3\n") == []


@pytest.mark.parametrize(
    "source",
    [
        'monkeypatch.setattr(module, "LIMIT", 3)',
        'monkeypatch.setattr("assist_cli.module.LIMIT", 3)',
        "module.LIMIT = 3",
    ],
)
def test_a_constant_that_is_set_is_found(source: str) -> None:
    assert len(constants_that_are_set(source)) == 1
    assert constants_that_are_set('monkeypatch.setattr(sys, "stdout", stream)\nLIMIT = 3\n') == []
