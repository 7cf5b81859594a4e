"""Requirements of a test that a machine may lack: the test is skipped, or fails under ``--need-programs``."""

from __future__ import annotations

import os
import shutil
import socket
from pathlib import Path
from typing import NoReturn

import pytest

required = False  # the text of --need-programs


def need(name: str) -> Path:
    """The program of this name; skips the test without it."""
    found = shutil.which(name, path=os.environ.get("PATH", os.defpath) + ":/usr/sbin")
    return Path(found) if found else lack(name)


def need_localhost() -> None:
    """Skip the test if that name has no address."""
    try:
        socket.getaddrinfo("localhost", None)
    except OSError:
        lack("localhost in /etc/hosts")


def lack(what: str) -> NoReturn:
    """Skip the test for lack of this, which ``.ci/run`` installs; fail it under ``--need-programs``."""
    if required:
        pytest.fail(f"needs {what}", pytrace=False)
    pytest.skip(f"needs {what}")
