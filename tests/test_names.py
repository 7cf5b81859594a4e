"""A class name means one thing in the whole tree."""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from pathlib import Path

ROOT = Path(__file__).parents[1]


def test_a_public_class_name_means_one_thing() -> None:
    """The same names in ``agentd/posix`` and ``agentd/windows`` are one thing, for two systems."""
    found: dict[str, set[str]] = defaultdict(set)
    for product in ("assist_cli", "agentd"):
        for path in (ROOT / product).rglob("*.py"):
            module = re.sub("/(?:posix|windows)/", "/", str(path.relative_to(ROOT)))
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                    found[node.name].add(module)
    assert {name: modules for name, modules in found.items() if len(modules) > 1} == {}
