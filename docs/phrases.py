"""A check that files keep to the words of .github/STYLE.md: make check.

The tables of that page are the rules, so the page and the check cannot differ. Every tracked text file is checked, a
generated one too: correct its source, then run ``make generated``.
"""

from __future__ import annotations

import ast
import functools
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
STYLE = ROOT / ".github/STYLE.md"

# Not checked: a file, or a folder with a slash at its end, and the reason.
EXCEPTIONS = {
    ".github/STYLE.md": "it lists the phrases",
    "assist_cli/web/static/vendor/": "files of other projects",
    "tests/vendor/": "the same",
    "LICENSE": "its text is fixed",
    "docs/fanout.svg": "it is a drawing",
    "tests/agents/ssh_config/": "test data",
    "tests/data/": "test data",
    "tests/store/schemas/": "test data",
    "tests/test_phrases.py": "it tests the check with phrases to avoid",
}

# Between two words: spaces, line breaks, and what begins or ends the line of a comment or of a string.
GAP = r'[\s"#]+'


@functools.cache
def table(heading: str, style: str) -> dict[str, str]:
    """Return the second cell of each row by its first, from the table whose first column has this heading."""
    rows = style.partition(f"\n| {heading} |")[2].partition("\n\n")[0].splitlines()[2:]
    if not rows:
        sys.exit(f"cannot read {STYLE.name}: no table of '{heading}'")
    return dict(row.strip("| ").split(" | ", 1) for row in rows)


@functools.cache
def rules(style: str) -> list[tuple[list[str], re.Pattern[str], str]]:
    """Return each phrase to avoid: the parts between its stars, the pattern that finds it, and the better words."""
    found = []
    for cell, better in table("avoid", style).items():
        for phrase in cell.lower().split(", "):
            words = [re.escape(word).replace(r"\*", r"\w*") for word in phrase.split()]
            found.append((phrase.split("*"), re.compile(rf"\b{GAP.join(words)}\b"), better))
    return found


@functools.cache
def names(style: str) -> re.Pattern[str]:
    """Return the pattern of the names that stay as they are."""
    every = [name for cell in table("name", style) for name in cell.split(", ")]
    return re.compile("|".join(map(re.escape, sorted(every, key=len, reverse=True))))


def avoided(text: str, style: str) -> Iterator[tuple[int, str]]:
    """Yield the line and the fault of each phrase to avoid, also of one that goes on in the next line."""
    every = rules(style)
    lowered = names(style).sub("-", text).lower()
    flat = " ".join(lowered.replace('"', " ").replace("#", " ").split())
    for parts, pattern, better in every:
        if all(part in flat for part in parts):  # much quicker than the search
            for found in pattern.finditer(lowered):
                phrase = re.sub(GAP, " ", found[0])
                yield lowered.count("\n", 0, found.start()) + 1, f"avoid '{phrase}', prefer: {better}"


def docstrings(text: str, style: str) -> Iterator[tuple[int, str]]:
    """Yield the line and the fault of each docstring with a first word to avoid."""
    words = table("first word", style)
    if not re.search(rf'"""\s*({"|".join(words)})\b', text):  # much quicker than parsing
        return
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            first = re.match(r"\w*", ast.get_docstring(node) or "")
            if first and first[0] in words:
                yield node.body[0].lineno, f"a docstring begins with '{first[0]}', prefer: {words[first[0]]}"


def faults(name: str, text: str, style: str) -> list[str]:
    """Return the faults of one file, as FILE:LINE: FAULT, in the order of lines."""
    found = [*avoided(text, style), *(docstrings(text, style) if name.endswith(".py") else [])]
    return [f"{name}:{line}: {fault}" for line, fault in sorted(found)]


def tracked() -> list[str]:
    """Return the names of all tracked files; none without git, or in a tree that is not a checkout."""
    git = shutil.which("git")
    if git is None or not (ROOT / ".git").exists():
        return []
    words = [git, "-c", f"safe.directory={ROOT}", "ls-files", "-z"]  # the checkout may belong to another user
    return subprocess.run(words, cwd=ROOT, stdout=subprocess.PIPE, check=True).stdout.decode().split("\0")[:-1]


def is_in(name: str, places: list[str]) -> bool:
    return any(name.startswith(place) if place.endswith("/") else name == place for place in places)


def texts() -> Iterator[tuple[str, str]]:
    """Yield the name and the text of each file that is checked."""
    for name in tracked():
        path = ROOT / name
        if path.is_file() and not is_in(name, EXCEPTIONS):
            try:
                text = path.read_text(encoding="utf-8")
            except UnicodeDecodeError:
                continue  # not a text
            if name == "CHANGELOG.md":  # what was released keeps its words
                text = "\n## ".join(text.split("\n## ")[:2])
            yield name, text


def main() -> None:
    style = STYLE.read_text(encoding="utf-8")
    checked = [*texts()]
    if not checked:
        sys.stderr.write("not a git checkout, or no git here: the words of its files are not checked\n")
    found = [fault for name, text in checked for fault in faults(name, text, style)]
    if found:
        sys.exit("\n".join(found))


if __name__ == "__main__":
    main()
