"""Who is sending: a record that is to be sent names its sender, and anybody can see whether that one still lives.

A sender holds the lock of a file of its own for as long as it lives; the system lets go of it however it dies. So a
record whose sender died before sending is closed at the next look, and one whose sender is at work is left to it. The
files that the dead left are cleared away by whoever asks for them, and by the next sender.
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
    """Be a sender; gives the token that goes into the records. Raises FileFailure."""
    folder = home.folder(home.senders)
    for left in folder.iterdir():
        is_alive(home, left.name)  # takes it away where its sender died without a record, or after all had ended
    token, descriptor = _locked(folder)
    try:
        yield token
    finally:
        (folder / token).unlink(missing_ok=True)
        os.close(descriptor)


def _locked(folder: Path) -> tuple[str, int]:
    """The token of a new file, and the descriptor that holds its lock. Raises FileFailure."""
    import fcntl

    while True:
        token = os.urandom(8).hex()
        path = folder / token
        try:
            descriptor = open_private(path, os.O_EXCL | os.O_RDWR)
        except OSError as error:
            raise FileFailure(f"cannot make the file '{path}': {error.strerror}") from error
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        if os.fstat(descriptor).st_nlink:
            return token, descriptor
        os.close(descriptor)  # another sender had it in the moment before it was locked, and took it for a dead one's


def is_alive(home: Home, token: str) -> bool:
    """Whether the sender that has this token is at work. The file of a dead one is cleared away."""
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
