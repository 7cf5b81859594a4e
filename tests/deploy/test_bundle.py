"""``agentd.pyz``: it has the whole agent, every build is the same, and it runs under every supported Python."""

from __future__ import annotations

import ast
import hashlib
import io
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

import agentd
from assist_cli.deploy import bundle
from assist_cli.deploy.host.bytecode import compiled
from tests.support import interpreters

SOURCE = Path(agentd.__file__).parent
PROMISED = 100 * 1024  # bytes

# Each module is loaded from the archive only; those of Windows load only there.
LOAD_ALL = """
import importlib, sys
sys.path.insert(0, sys.argv[1])
for name in sys.argv[2:]:
    assert importlib.import_module(name).__file__.startswith(sys.argv[1]), name
"""


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    path = tmp_path / "agentd.pyz"
    bundle.write(path)
    return path


def modules() -> list[str]:
    """The names of all modules of the agent."""
    paths = (path.relative_to(SOURCE.parent).with_suffix("") for path in SOURCE.rglob("*.py"))
    return sorted(".".join(path.parts).removesuffix(".__init__") for path in paths)


def test_it_has_every_module_unchanged_but_for_docstrings(archive: Path) -> None:
    expected = {path.relative_to(SOURCE.parent).as_posix(): path.read_bytes() for path in SOURCE.rglob("*.py")}
    assert {"agentd/wire/protocol.py", "agentd/posix/runner.py", "agentd/windows/runner.py"} <= expected.keys()
    with zipfile.ZipFile(archive) as packed:
        found = {name: packed.read(name) for name in packed.namelist()}
    del found["__main__.py"]
    assert found.keys() == expected.keys()
    for name, source in expected.items():
        lines, kept = source.split(b"\n"), found[name].split(b"\n")
        assert len(kept) == len(lines), name
        different = [line for line, other in zip(kept, lines, strict=True) if line != other]
        assert {line.strip() for line in different} <= {b"", b"pass"}, name
        assert _code(found[name]) == _code(source), name


def _code(source: bytes) -> str:
    """Return the syntax tree of a module without docstrings, as text."""
    tree = ast.parse(source)
    for node in ast.walk(tree):
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)):
            if ast.get_docstring(node) is not None:
                del node.body[0]
            if [type(each) for each in node.body] == [ast.Pass]:
                node.body = []
    return ast.dump(tree)


def test_the_same_source_gives_the_same_bytes(archive: Path, tmp_path: Path) -> None:
    again = tmp_path / "again.pyz"
    digest = bundle.write(again)
    assert again.read_bytes() == archive.read_bytes()
    assert digest == hashlib.sha256(archive.read_bytes()).hexdigest()
    names = zipfile.ZipFile(io.BytesIO(bundle.build())).namelist()
    assert names == ["__main__.py", *sorted(names[1:])]


def test_it_is_small(archive: Path) -> None:
    assert archive.stat().st_size <= PROMISED


@pytest.mark.usefixtures("starts_processes")
def test_compiled_modules_are_loaded_instead_of_sources(archive: Path, tmp_path: Path) -> None:
    made, broken = zipfile.ZipFile(io.BytesIO(compiled(archive.read_bytes()))), tmp_path / "broken.pyz"
    with zipfile.ZipFile(broken, "w") as file:
        for entry in made.infolist():
            file.writestr(entry, made.read(entry) if entry.filename.endswith(".pyc") else b"not a module")
    told = subprocess.run([sys.executable, "-I", "-S", broken, "--version"], stdout=subprocess.PIPE, check=True)
    assert told.stdout.decode().strip() == f"agentd {agentd.__version__}"


@pytest.mark.usefixtures("starts_processes")
@pytest.mark.parametrize("version", [None, *interpreters.EACH])
def test_an_archive_compiled_by_another_python_runs(archive: Path, tmp_path: Path, version: str | None) -> None:
    made = tmp_path / "compiled.pyz"
    made.write_bytes(compiled(archive.read_bytes()))
    test_it_runs_under_every_python(made, version)


@pytest.mark.usefixtures("starts_processes")
@pytest.mark.parametrize("version", [None, *interpreters.EACH])
def test_it_runs_under_every_python(archive: Path, version: str | None) -> None:
    python = interpreters.need(version) if version else Path(sys.executable)
    told = subprocess.run([python, "-I", "-S", archive, "--version"], stdout=subprocess.PIPE, check=True)
    assert told.stdout.decode().strip() == f"agentd {agentd.__version__}"
    here = [name for name in modules() if not name.startswith("agentd.windows.")]
    subprocess.run([python, "-I", "-S", "-c", LOAD_ALL, archive, *here], check=True)
