"""The README and `make demo`: their commands do what they show."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from tests.support.program import Program

ROOT = Path(__file__).parents[1]

# Commands of the README with another exit status than 0, as the README says.
STATUSES = {"echo err >&2; exit 3": 3, "--timeout 2": 124, "rm -rf /": 65}

# The files of the README. The services of this machine are not touched.
FILES = {
    "script.py": "#!/usr/bin/env python3\nprint('from a file')\n",
    "restart.sh": "echo restarting {{service|sh}}\n",
    "restart2.sh": "echo restarting {{service|sh}}\nsleep 0\n",
}


def tour() -> list[str]:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```console\n(.*?)```", text, re.DOTALL)
    lines = re.findall(r"^\$ (.+?)(?:\s+#.*)?$", "\n".join(blocks), re.MULTILINE)
    return [line for line in lines if re.search(r"\bassist\b", line)]


def test_the_demo_runs_without_a_terminal(installed: Program, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """HOME is empty, TERM is not set, and the history is at the printed path."""
    monkeypatch.delenv("TERM")
    done = subprocess.run(
        ["sh", ROOT / "docs/demo.sh", installed.path.parent], stdin=subprocess.DEVNULL, capture_output=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, b"")
    assert b"Hello from " in done.stdout
    assert f"The history is in {home}\n".encode() in done.stdout
    assert (home / "assist.db").exists()


@pytest.mark.long
def test_the_tour_of_the_readme_works(installed: Program, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In order, in one home, each line as a shell reads it."""
    folder = home.parent
    for name, text in FILES.items():
        (folder / name).write_text(text)
    monkeypatch.setenv("PATH", str(installed.path.parent), prepend=":")
    for line in tour():
        done = subprocess.run(
            ["bash", "-c", f"set -o pipefail; {line}"],
            cwd=folder,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
        )
        expected = next((status for text, status in STATUSES.items() if text in line), 0)
        assert done.returncode == expected, f"{line}\n{done.stdout!r}\n{done.stderr!r}"
