"""A check that files keep to the words of .github/STYLE.md: make check.

The tables of that page are the rules, so the page and the check cannot differ.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
STYLE = ROOT / ".github/STYLE.md"

# Files that are held to it. Add others here when they pass.
CLEAN = [
    ".github/*.md",
    "CHANGELOG.md",
    "Makefile",
    "docs/*.py",
    "docs/glossary.md",
    "docs/library.md",
    "docs/notifications.md",
    "docs/parameters.md",
    "docs/recipes.md",
]


def table(heading: str, style: str) -> dict[str, str]:
    """Return the second cell of each row by its first, from the table whose first column has this heading."""
    rows = style.partition(f"\n| {heading} |")[2].partition("\n\n")[0].splitlines()[2:]
    if not rows:
        sys.exit(f"cannot read {STYLE.name}: no table of '{heading}'")
    return dict(row.strip("| ").split(" | ", 1) for row in rows)


def avoided(text: str, style: str) -> Iterator[tuple[int, str]]:
    """Yield the line and the fault of each phrase to avoid, also of one that goes on in the next line."""
    lowered = text.lower()
    for cell, better in table("avoid", style).items():
        for phrase in cell.split(", "):
            words = [re.escape(word).replace(r"\*", r"\w*") for word in phrase.lower().split()]
            if phrase.lower().split()[0].rstrip("*") in lowered:  # much quicker than the search
                for found in re.finditer(r"\b" + r'[\s"#]+'.join(words) + r"\b", lowered):
                    said = re.sub(r'[\s"#]+', " ", found[0])
                    yield lowered.count("\n", 0, found.start()) + 1, f"avoid '{said}', prefer: {better}"


def docstrings(text: str, style: str) -> Iterator[tuple[int, str]]:
    """Yield the line and the fault of each docstring with a first word to avoid."""
    words = table("first word", style)
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            first = re.match(r"\w*", ast.get_docstring(node) or "")
            if first and first[0] in words:
                yield node.body[0].lineno, f"a docstring begins with '{first[0]}', prefer: {words[first[0]]}"


def faults(name: str, text: str, style: str) -> list[str]:
    """Return the faults of one file, as FILE:LINE: FAULT, in the order of lines."""
    found = [*avoided(text, style), *(docstrings(text, style) if name.endswith(".py") else [])]
    return [f"{name}:{line}: {fault}" for line, fault in sorted(found)]


def main() -> None:
    style = STYLE.read_text(encoding="utf-8")
    found = []
    for path in sorted({path for pattern in CLEAN for path in ROOT.glob(pattern)} - {STYLE}):
        text = path.read_text(encoding="utf-8")
        if path.name == "CHANGELOG.md":  # what was released keeps its words
            text = "\n## ".join(text.split("\n## ")[:2])
        found += faults(str(path.relative_to(ROOT)), text, style)
    if found:
        sys.exit("\n".join(found))


if __name__ == "__main__":
    main()
