"""The lock of an agent's folder: one agent at a time."""

import os
import time

if os.name == "nt":
    from agentd import kernel_windows
else:
    import fcntl

_PATIENCE = 3.0  # seconds: a shim that is just accepting holds the lock of an agent that was killed
_PAUSE = 0.02


class Taken(Exception):
    """Another agent runs in this folder."""


def take(path):
    """The descriptor that holds the lock until it is closed, by us and by every child. Raises Taken, OSError."""
    patience = time.monotonic() + _PATIENCE
    while True:
        descriptor = _try(path)
        if descriptor is not None:
            return descriptor
        if time.monotonic() > patience:
            raise Taken(path)
        time.sleep(_PAUSE)


def _try(path):
    """The descriptor, None when another agent or a child of one holds the lock."""
    if os.name == "nt":
        return kernel_windows.open_alone(path)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):
        os.close(descriptor)
        return None
    return descriptor
