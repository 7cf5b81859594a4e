"""The lock of an agent's folder: one agent at a time."""

import os
import time

if os.name == "nt":
    import msvcrt
else:
    import fcntl

_PATIENCE = 3.0  # seconds: a shim that is just accepting holds the lock of an agent that was killed
_PAUSE = 0.02


class Taken(Exception):
    """Another agent runs in this folder."""


def take(path):
    """The descriptor that holds the lock until it is closed, by us and by every child. Raises Taken, OSError."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_CLOEXEC", 0), 0o600)
    patience = time.monotonic() + _PATIENCE
    while not _try(descriptor):
        if time.monotonic() > patience:
            os.close(descriptor)
            raise Taken(path)
        time.sleep(_PAUSE)
    return descriptor


def _try(descriptor):
    try:
        if os.name == "nt":
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        else:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):
        return False
    return True
