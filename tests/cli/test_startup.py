"""Start-up: the imports of the quick commands.

Time depends on the machine, imports do not. A module that is not allowed here slows every start down: import
it where it is used, or give the reason here. `make bench` measures the time itself.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from assist_cli.operations.controller import open_controller
from assist_cli.paths import Home

pytestmark = pytest.mark.usefixtures("starts_processes")

# Our own packages that show the history; none of them connects to an agent.
OF_THE_HISTORY = ("cli", "codes", "errors", "folder", "model", "operations", "paths", "store", "structs", "units")


def imported(code: str) -> set[str]:
    """Return every module that a Python imports to run this."""
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-c", code], stdin=subprocess.DEVNULL, capture_output=True, check=True
    )
    lines = done.stderr.decode().splitlines()
    return {line.rpartition("|")[2].strip() for line in lines if line.startswith("import time:")}


def assist(*words: str, beyond: str = "") -> tuple[set[str], set[str]]:
    """Return the imports of ``assist`` beyond these: its own modules, and foreign packages."""
    program = f"import sys; sys.argv[1:] = {list(words)!r}; from assist_cli.__main__ import main; main()"
    found = imported(program) - imported(f"import {beyond}" if beyond else "pass")
    ours = {name.removeprefix("assist_cli.") for name in found if name.startswith("assist_cli.")}
    others = {name.partition(".")[0] for name in found if not name.startswith("assist_cli")}
    return ours, {name for name in others if not name.startswith("_")}


def rooms(modules: set[str]) -> set[str]:
    return {name.partition(".")[0] for name in modules} - {"__main__"}


def test_the_version_imports_nothing() -> None:
    assert assist("--version") == ({"__main__"}, set())


def test_completion_imports_no_command(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COMP_LINE", "assist invoke ")
    ours, others = assist("completion", "answer", "bash", beyond="contextlib, datetime, json, re, sqlite3, typing")
    assert rooms(ours) == {"cli", "folder", "store", "units"}
    assert {name for name in ours if name.startswith("cli.") and "completion" not in name} == {
        "cli.formatting",
        "cli.streams",
    }
    assert others == set()


def test_help_imports_no_command() -> None:
    ours, others = assist("--help", beyond="atexit, gc, typer")
    assert rooms(ours) == {"cli", "codes", "errors", "folder", "paths", "structs", "units"}
    assert others <= {"json", "typer"}  # typer: the parts that only a command needs


def test_the_history_is_shown_without_importing_agents(home: Path) -> None:
    with open_controller(Home(home)):
        pass
    ours, others = assist("invocation", "list", beyond="atexit, gc, typer")
    assert rooms(ours) == set(OF_THE_HISTORY)
    assert not {
        name for name in ours if name in ("cli.watching", "cli.invocation_screen", "cli.fanout", "store.migrations")
    }
    assert others <= {*("base64", "binascii", "json", "pwd", "shlex", "sqlite3", "struct", "typer", "unicodedata")}


def test_a_run_imports_few_modules_and_makes_no_dataclass() -> None:
    """The methods of a dataclass are compiled at each start, which takes as long as the import of three modules."""
    code = """
import dataclasses, sys
import assist_cli.cli.app, assist_cli.cli.run
import assist_cli.agents.embedded, assist_cli.operations.runs.dispatch
ours = [module for name, module in list(sys.modules.items()) if name.partition(".")[0] in ("agentd", "assist_cli")]
made = {each for module in ours for each in vars(module).values() if isinstance(each, type)}
print(len(ours), *(each.__name__ for each in made if dataclasses.is_dataclass(each)))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, encoding="utf-8")
    number, *dataclasses = done.stdout.split()
    assert int(number) <= 85
    assert dataclasses == []


def test_no_module_imports_unix_modules_at_its_top() -> None:
    """The controller starts on Windows, which has none of these; a function that needs one imports it itself.

    The programs that are sent to a host, or unpack the one file, are not modules: nobody imports them.
    """
    code = """
import pkgutil, sys
for name in ("fcntl", "grp", "pwd", "resource", "termios", "tty"):
    sys.modules[name] = None
import assist_cli
for module in pkgutil.walk_packages(assist_cli.__path__, "assist_cli."):
    if ".host" not in module.name and not module.name.endswith((".__main__", ".onefile.unpack")):
        __import__(module.name)
"""
    subprocess.run([sys.executable, "-c", code], check=True)
