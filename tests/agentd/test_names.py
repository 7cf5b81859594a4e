"""A public class name of the agent means one thing, in the controller too."""

from __future__ import annotations

import ast
from collections import Counter
from pathlib import Path

import agentd
import assist_cli


def classes(package: Path) -> set[tuple[str, str]]:
    """Return (class, module) of each public class; modules of the same name in posix and windows count as one."""
    found = set()
    for path in package.rglob("*.py"):
        place = path.relative_to(package.parent).as_posix().replace("/windows/", "/posix/")
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                found.add((node.name, place))
    return found


def test_a_class_name_of_the_agent_is_unique() -> None:
    ours = classes(Path(agentd.__file__).parent)
    counted = Counter(name for name, _ in ours | classes(Path(assist_cli.__file__).parent))
    assert {name for name, _ in ours if counted[name] > 1} == set()
