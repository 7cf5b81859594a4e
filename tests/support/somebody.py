"""Being another user of this machine, for a while."""

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
    """Be a user without a name, in a folder of that user; skips the test where that cannot be.

    Nothing can be imported meanwhile that this user may not read.
    """
    need_root()
    folder = Path(tempfile.mkdtemp(prefix="assist-somebody-"))
    os.chown(folder, UID, -1)
    before = Path.cwd()
    os.chdir(folder)  # the user may not enter where we are
    os.seteuid(UID)
    try:
        yield folder
    finally:
        os.seteuid(0)
        os.chdir(before)
        shutil.rmtree(folder)


def need_root() -> None:
    """Skip the test where this process may not be, or give something to, another user."""
    if os.name != "posix" or os.geteuid() != 0:
        lack("root, to be somebody else")
