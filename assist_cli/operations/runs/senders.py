"""Senders: a record to be sent names its sender, and every process can check if that one is alive.

A sender holds a lock on its own file. The system releases it when the sender dies. So reconciling closes a record
whose sender died before sending, and leaves a record of a live sender alone. A file of a dead sender is deleted by the
next check of it, and by the next sender.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from assist_cli.errors import FileFailure
from assist_cli.paths import Home, open_private


@contextlib.contextmanager
def sender(home: Home) -> Iterator[str]:
    """Register this process as a sender until the end of the block. Gives its token for records. Raises FileFailure."""
    folder = home.folder(home.senders)
    for left in folder.iterdir():
        is_alive(home, left.name)  # deletes files of dead senders that no record names any more
    token, descriptor = _locked(folder)
    try:
        yield token
    finally:
        (folder / token).unlink(missing_ok=True)
        os.close(descriptor)


def _locked(folder: Path) -> tuple[str, int]:
    """Create and lock a new file. Returns its token and descriptor. Raises FileFailure."""
    import fcntl

    while True:
        token = os.urandom(8).hex()
        path = folder / token
        try:
            descriptor = open_private(path, os.O_EXCL | os.O_RDWR)
        except OSError as error:
            raise FileFailure(f"cannot create the file '{path}': {error.strerror}") from error
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        if os.fstat(descriptor).st_nlink:
            return token, descriptor
        os.close(descriptor)  # before it was locked, another process took it for a dead sender's and deleted it


def is_alive(home: Home, token: str) -> bool:
    """True if the sender with this token is alive. Deletes the file of a dead sender."""
    import fcntl

    path = home.senders / token
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    else:
        path.unlink(missing_ok=True)
        return False
    finally:
        os.close(descriptor)
