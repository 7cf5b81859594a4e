"""An older ``assist`` and a newer one on the same home: the newer migrates the database, the older ends.

The newer one is this one with one more migration: a copy of the package with a file in ``store/migrations``, and no
other change.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import assist_cli
from assist_cli.store.database import SCHEMA_VERSION
from tests.support.program import GUARD, Program

Newer = Callable[..., "subprocess.CompletedProcess[bytes]"]

STEP = '''"""A step of the future."""

from sqlite_utils import Database


def apply(database: Database) -> None:
    database.execute("CREATE TABLE of_the_future (id TEXT)")
'''


@pytest.fixture
def newer(home: Path, isolation: Path, monkeypatch: pytest.MonkeyPatch) -> Newer:
    """The newer ``assist``; a call runs it to its end."""
    folder = isolation / "newer"
    shutil.copytree(Path(assist_cli.__file__).parent, folder / "assist_cli")
    step = folder / "assist_cli" / "store" / "migrations" / f"{SCHEMA_VERSION + 1:04}_future.py"
    step.write_text(STEP, encoding="utf-8")

    def run(*words: str) -> subprocess.CompletedProcess[bytes]:
        program = f"import sys; sys.path.insert(0, {str(folder)!r}); from assist_cli.__main__ import main; main()"
        return subprocess.run(
            [sys.executable, "-c", program, *words],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=GUARD,
            check=True,
        )

    return run


@pytest.mark.long
def test_an_older_program_refuses_the_database_in_one_line(installed: Program, newer: Newer, isolation: Path) -> None:
    newer("invocation", "list")
    ran = isolation / "ran"
    for words in (["run", "-c", f"echo > {ran}"], ["invocation", "list"], ["serve"], ["serve", "--once"]):
        refused = installed(*words)
        assert refused.returncode == 65, words
        assert refused.stdout == b""
        line, hint = refused.stderr.decode().splitlines()
        assert line.startswith("error: cannot use the database ")
        assert f"to schema {SCHEMA_VERSION + 1}, and this one knows {SCHEMA_VERSION}" in line
        assert hint.startswith("hint: use the newer Assist")
    refused = installed("invocation", "list", "-o", "json")
    assert json.loads(refused.stderr)["Code"] == "DatabaseTooNew"
    assert not ran.exists()


@pytest.mark.long
def test_a_server_whose_database_was_migrated_ends_and_loses_nothing(
    installed: Program, newer: Newer, isolation: Path
) -> None:
    running = isolation / "running"
    going_on = isolation / "going-on"
    with installed.start("serve") as server:
        assert server.stderr is not None
        assert b"serving" in server.stderr.readline()
        script = f"touch {running}; until test -e {going_on}; do sleep 0.1; done; echo done"
        invocation = installed("run", "--in", "0s", "-c", script).stdout.decode().strip()
        assert installed("run", "-c", f"until test -e {running}; do sleep 0.1; done").returncode == 0
        newer("invocation", "list")
        _, log = server.communicate(timeout=GUARD)
    assert server.returncode == 65
    lines = log.decode().splitlines()
    assert lines[-2].startswith("error: cannot use the database ")
    assert "a newer Assist" in lines[-2]
    assert lines[-1].startswith("hint: ")
    assert [line for line in lines[:-2] if "newer Assist" in line or "Traceback" in line] == []
    going_on.touch()
    newer("invocation", "wait", invocation)
    assert newer("invocation", "output", invocation).stdout == b"done\n"


@pytest.mark.long
def test_a_run_whose_database_was_migrated_ends_and_loses_nothing(
    installed: Program, newer: Newer, isolation: Path
) -> None:
    going_on = isolation / "going-on"
    script = f"echo begun; until test -e {going_on}; do sleep 0.1; done; echo done"
    with installed.start("run", "-c", script) as run:
        assert run.stdout is not None
        assert run.stdout.readline() == b"begun\n"
        newer("invocation", "list")
        going_on.touch()
        _, errors = run.communicate(timeout=GUARD)
    assert run.returncode == 65
    line, hint = errors.decode().splitlines()
    assert line.startswith("error: cannot use the database ")
    assert hint.startswith("hint: ")
    invocation = json.loads(newer("invocation", "list", "-o", "json").stdout)[0]["InvokeId"]
    assert newer("invocation", "output", invocation).stdout == b"begun\ndone\n"
