"""Acting as another user of this machine for a time."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from tests.support.programs import lack

UID = 1_000_000 + os.getpid()  # a user without a name


@contextlib.contextmanager
def somebody() -> Iterator[Path]:
    """Act as a user without a name, in a folder of that user; skips the test if that is impossible.

    Meanwhile no module can be imported that this user may not read.
    """
    need_root()
    folder = Path(tempfile.mkdtemp(prefix="assist-somebody-"))
    os.chown(folder, UID, -1)
    before = Path.cwd()
    os.chdir(folder)  # that user cannot enter the current folder
    os.seteuid(UID)
    try:
        yield folder
    finally:
        os.seteuid(0)
        os.chdir(before)
        shutil.rmtree(folder)


def need_root() -> None:
    """Skip the test if this process cannot become another user, or give a file to one."""
    if os.name != "posix" or os.geteuid() != 0:
        lack("root, to be somebody else")
