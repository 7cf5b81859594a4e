"""Locks that end with the process that holds them (POSIX)."""

import fcntl
import os


def try_lock(path):
    """Return a descriptor that holds the lock of the file ``path``, made if absent. Children that inherit the
    descriptor hold it too. Return None if another process holds it. Raises OSError.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):
        os.close(descriptor)
        return None
    return descriptor
