"""Every error of Assist has a hint: its own, or the advice of its class."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from assist_cli import errors

PACKAGE = Path(errors.__file__).parent
KINDS = {
    name: kind for name, kind in vars(errors).items() if isinstance(kind, type) and issubclass(kind, errors.AssistError)
}
# What is raised there becomes an answer of the HTTP API, which has no hints.
WITHOUT = {"api/invocations.py", "api/schedules.py"}


def constructions() -> Iterator[tuple[str, ast.Call]]:
    """Yield where an error is made, and the call that makes it."""
    for path in sorted(PACKAGE.rglob("*.py")):
        name = path.relative_to(PACKAGE).as_posix()
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in KINDS:
                yield f"{name}:{node.lineno}", node


def test_every_error_has_a_hint() -> None:
    found = list(constructions())
    assert len(found) > 100
    lacking = [
        where
        for where, call in found
        if where.partition(":")[0] not in WITHOUT
        and not any(keyword.arg in ("hint", None) for keyword in call.keywords)
        and not KINDS[call.func.id].advice  # type: ignore[attr-defined]
    ]
    assert not lacking, "give a hint: " + ", ".join(lacking)


def test_no_hint_is_empty() -> None:
    empty = [
        where
        for where, call in constructions()
        for keyword in call.keywords
        if keyword.arg == "hint" and isinstance(keyword.value, ast.Constant) and not keyword.value.value
    ]
    assert not empty
