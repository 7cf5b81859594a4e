"""The Python library: its public names, and the same behaviour as the command line on a real agent."""

from __future__ import annotations

import inspect
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path

import pytest

import assist_cli
from assist_cli import Assist, library
from assist_cli.errors import GaveUpWaiting, NotFound, QuotaExceeded
from assist_cli.model.command import CommandVersion
from assist_cli.operations.commands import commands
from assist_cli.operations.controller import open_controller
from assist_cli.paths import Home

# The names that other programs may rely on. A change here is a change for them: CHANGELOG, and a new major version.
SIGNATURES = {
    "run": ["script", "*on", "*type", "*parameters", "*secrets", "*timeout", "*working_dir", "*username", "*detach",
            "*patience"],
    "invoke": ["command", "*on", "*parameters", "*secrets", "*timeout", "*working_dir", "*username", "*detach",
               "*patience"],
    "send": ["content", "name", "directory", "*on", "*mode", "*owner", "*group", "*overwrite"],
    "wait": ["id", "*patience"],
    "results": ["id"],
    "close": [],
}  # fmt: skip
FIELDS = {
    library.Run: ["id", "status", "results"],
    library.Result: [
        *("instance", "status", "exit_code", "error_code", "error_info", "output", "stdout", "stderr", "dropped"),
    ],
}


@pytest.fixture
def controller(home: Path) -> Iterator[Assist]:
    with Assist(home) as made:
        yield made


def test_its_public_names() -> None:
    public = {name: value for name, value in vars(Assist).items() if not name.startswith("_")}
    assert public.keys() == SIGNATURES.keys()
    for name, expected in SIGNATURES.items():
        _, *parameters = inspect.signature(public[name]).parameters.values()
        stars = ["*" if each.kind is each.KEYWORD_ONLY else "" for each in parameters]
        assert [star + each.name for star, each in zip(stars, parameters, strict=True)] == expected
        assert inspect.getdoc(public[name])
    for kind, expected in FIELDS.items():
        assert [each.name for each in fields(kind)] == expected
        assert isinstance(kind.ok, property)
    assert library.__all__ == ["Assist", "Result", "Run"]


def test_the_page_documents_everything() -> None:
    text = (Path(__file__).parents[1] / "docs/library.md").read_text(encoding="utf-8")
    words = [name.lstrip("*") for names in SIGNATURES.values() for name in names if name not in ("*type",)]
    for name in [*SIGNATURES, *words, *(name for names in FIELDS.values() for name in names), "ok"]:
        assert name in text, name


@pytest.mark.usefixtures("starts_processes")
def test_it_is_imported_on_use() -> None:
    code = "import sys, assist_cli; assert 'assist_cli.library' not in sys.modules; assist_cli.Assist; "
    subprocess.run([sys.executable, "-c", code + "assert 'assist_cli.library' in sys.modules"], check=True)
    with pytest.raises(AttributeError, match="no attribute 'Other'"):
        _ = assist_cli.Other


@pytest.mark.usefixtures("starts_processes")
def test_run_invoke_send_and_wait(controller: Assist, home: Path, isolation: Path) -> None:
    run = controller.run("echo out; echo err >&2; exit 3")
    (result,) = run.results
    assert (run.ok, run.status, result.instance, result.exit_code) == (False, "Finished", "local", 3)
    assert (result.stdout, result.stderr, result.error_code) == (b"out\n", b"err\n", "ExitCodeNonzero")
    assert sorted(result.output.splitlines()) == [b"err", b"out"]

    run = controller.run(["printf", "%s", "two words"], on=["local"])
    assert (run.ok, run.results[0].output) == (True, b"two words")
    assert controller.results() == controller.results(run.id) == run

    with open_controller(Home(home)) as other:
        commands.create(other, "greet", CommandVersion(b"echo {{name|sh}} {{word}}", parameters_enabled=True))
    run = controller.invoke("greet@1", parameters={"name": "a b"}, secrets={"word": "hidden"})
    assert run.results[0].output == b"a b ********\n"

    run = controller.send(b"content", "file.txt", str(isolation / "sent"))
    assert run.ok
    assert (isolation / "sent/file.txt").read_bytes() == b"content"

    gate = isolation / "gate"
    run = controller.run(f"until [ -e '{gate}' ]; do sleep 0.05; done; echo open", detach=True)
    assert (run.status, run.ok) == ("Running", False)
    with pytest.raises(GaveUpWaiting):
        controller.wait(run.id, patience=0.1)
    gate.touch()
    assert controller.wait().results[0].stdout == b"open\n"


def test_a_refusal_raises(controller: Assist, home: Path) -> None:
    with pytest.raises(NotFound):
        controller.invoke("nothing")
    with pytest.raises(QuotaExceeded):
        controller.run(b"#" * 12_289)
    with pytest.raises(NotFound):
        controller.results("-")
    assert not (home / "agent").exists()
