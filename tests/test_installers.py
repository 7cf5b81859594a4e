"""``pipx`` and ``uv tool`` install the wheel, upgrade it and remove it, in a home of their own."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from assist_cli import __version__

pytestmark = [pytest.mark.soak, pytest.mark.timeout(900), pytest.mark.usefixtures("starts_processes")]

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    words = [sys.executable, "-m", "pip", "--quiet", "wheel", "--no-deps", "--wheel-dir", folder, ROOT]
    subprocess.run(words, check=True, env={**os.environ, "PYTHONWARNINGS": ""})
    (found,) = folder.glob("*.whl")
    return found


@pytest.mark.parametrize(
    ("package", "install", "again", "remove"),
    [
        ("uv>=0.11", ["tool", "install"], ["tool", "install", "--force"], ["tool", "uninstall", "assist-cli"]),
        ("pipx>=1.7", ["install"], ["install", "--force"], ["uninstall", "assist-cli"]),
    ],
    ids=["uv", "pipx"],
)
def test_an_installer_of_programs(
    isolation: Path, wheel: Path, package: str, install: Sequence[str], again: Sequence[str], remove: Sequence[str]
) -> None:
    name = package.partition(">")[0]
    tools, user = isolation / "tools", isolation / "user"
    subprocess.run([sys.executable, "-m", "venv", tools], check=True)
    env = {**os.environ, "PYTHONWARNINGS": "", "HOME": str(user), "UV_SYSTEM_CERTS": "1"}
    env = {key: value for key, value in env.items() if not key.startswith(("PIPX_", "XDG_", "VIRTUAL_ENV"))}
    subprocess.run([tools / "bin/python", "-m", "pip", "--quiet", "install", package], check=True, env=env)
    program = user / ".local/bin/assist"
    for words in (install, again):
        subprocess.run([tools / "bin" / name, *words, wheel], check=True, env=env)
        done = subprocess.run([program, "--version"], capture_output=True, text=True, check=True, env=env)
        assert done.stdout == f"assist {__version__}\n"
    subprocess.run([tools / "bin" / name, *remove], check=True, env=env)
    assert not program.exists()
