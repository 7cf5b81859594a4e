"""The old Pythons under which the agent must run, if this machine has them."""

from __future__ import annotations

import functools
import os
import shutil
import subprocess
from pathlib import Path

import pytest

# The oldest supported one, one in the middle, the newest known one.
VERSIONS = ("3.6", "3.8", "3.13")
# The oldest in make test, all in make test-all.
EACH = [VERSIONS[0], *(pytest.param(version, marks=pytest.mark.long) for version in VERSIONS[1:])]


@functools.cache
def find(version: str) -> Path | None:
    """An interpreter of this version that starts: from PATH, or from pyenv, whose shims on PATH may not start."""
    candidates = [Path(found)] if (found := shutil.which(f"python{version}")) else []
    if root := _pyenv():
        candidates += sorted(root.glob(f"versions/{version}.*/bin/python"))
    for candidate in candidates:
        told = subprocess.run(
            [candidate, "-I", "-S", "-c", "import sys; print('%d.%d' % sys.version_info[:2])"],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            check=False,
        )
        if told.returncode == 0 and told.stdout.decode().strip() == version:
            return candidate
    return None


def need(version: str) -> Path:
    """The same; skips the test without one."""
    found = find(version)
    if found is None:
        pytest.skip(f"no Python {version} on this machine")
    return found


def _pyenv() -> Path | None:
    if stated := os.environ.get("PYENV_ROOT"):
        return Path(stated)
    program = shutil.which("pyenv")
    return Path(program).resolve().parent.parent if program else None
