"""The project as a whole: its parts agree with each other."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

import agentd
import assist_cli
from tests.support.programs import need

ROOT = Path(__file__).parents[1]


def files_of_the_project() -> list[Path]:
    """Return the files that are committed, or would be: never those in .gitignore."""
    if not (ROOT / ".git").exists():
        pytest.skip("not a git checkout")
    # The checkout may belong to another user, which git wants to be told.
    git = [need("git"), "-c", f"safe.directory={ROOT}"]
    words = [*git, "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(words, cwd=ROOT, capture_output=True, check=True).stdout
    return [path for name in listed.decode().split("\0") if name and (path := ROOT / name).is_file()]


def test_both_products_have_one_version() -> None:
    assert agentd.__version__ == assist_cli.__version__
    assert re.fullmatch(r"\d+\.\d+\.\d+", assist_cli.__version__)


def test_the_changelog_knows_the_version() -> None:
    """Its first heading is Unreleased or this version; the version in progress is named there too."""
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    first, second = (*re.findall(r"^## \[(.+?)\]", text, re.MULTILINE), "")[:2]
    assert first == "Unreleased"
    assert second == assist_cli.__version__ or f"next version is {assist_cli.__version__}." in text


def test_the_agent_imports_the_standard_library_only() -> None:
    found = set()
    for path in (ROOT / "agentd").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                found |= {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                assert node.level == 0, f"{path}: a relative import"
                found.add((node.module or "").split(".")[0])
    of_other_versions = {"_sha2", "_sha256"}  # of Python 3.12, and of those before
    assert found - {"agentd"} <= sys.stdlib_module_names | of_other_versions


@pytest.mark.usefixtures("starts_processes")
def test_no_file_contains_paths_of_the_machine_it_was_written_on() -> None:
    """Paths of a private machine and names of package servers have no place in a public project."""
    folders = "|".join(["root", "work", "home/[a-z]"])
    machine = re.compile(rf"(?<![\w.~-])/(?:{folders})/|pypi\.(?:org|python)|pythonhosted", re.ASCII)
    seen = []
    for path in files_of_the_project():
        try:
            lines = path.read_text(encoding="utf-8").splitlines()
        except UnicodeDecodeError:
            continue
        seen += [
            f"{path.relative_to(ROOT)}:{number}: {line.strip()}"
            for number, line in enumerate(lines, 1)
            if machine.search(line) and path != Path(__file__)
        ]
    assert seen == []


@pytest.mark.usefixtures("starts_processes")
def test_the_checkout_has_no_other_folders() -> None:
    """A test that writes beside itself would leave one here."""
    found = {path.relative_to(ROOT).parts[0] for path in files_of_the_project() if path.parent != ROOT}
    known = {"agentd", "assist_cli", "benchmarks", "completions", "docs", "tests", ".ci", ".github"}
    assert found == known


@pytest.mark.parametrize(
    "path", [*ROOT.glob("*.md"), *ROOT.glob(".github/*.md"), *ROOT.glob("docs/*.md")], ids=lambda path: path.name
)
def test_links_in_documents_are_valid(path: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)[^)]*\)", path.read_text(encoding="utf-8")):
        if not target.startswith(("http:", "https:", "mailto:")):
            assert (path.parent / target).exists(), f"{path.name} links to '{target}'"


def test_the_map_names_every_room() -> None:
    """docs/architecture.md is the map of the tree; files that differ only by system are named one time."""
    text = (ROOT / "docs/architecture.md").read_text(encoding="utf-8")
    rooms = [path for path in (ROOT / "agentd").glob("*.py") if not path.stem.endswith("_windows")]
    rooms += [
        path for path in (ROOT / "assist_cli").iterdir() if path.suffix == ".py" or (path / "__init__.py").exists()
    ]
    names = {path.name if path.suffix else f"{path.name}/" for path in rooms} - {"__init__.py"}
    assert {name for name in names if f"\n  {name} " not in text} == set()


def test_every_target_of_make_is_in_its_help() -> None:
    text = (ROOT / "Makefile").read_text(encoding="utf-8")
    phony = set(re.search(r"^\.PHONY: (.+)$", text, re.MULTILINE)[1].split())  # type: ignore[index]
    assert phony == set(re.findall(r"^([a-z-]+):.*## \S", text, re.MULTILINE))


@pytest.mark.usefixtures("starts_processes")
def test_make_alone_prints_help() -> None:
    done = subprocess.run([need("make")], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=True)
    assert b"make demo" in done.stdout
