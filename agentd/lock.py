"""The lock of an agent's folder: one agent at a time."""

import time

from agentd import platform

locks = platform.load("locks")

_PATIENCE = 3.0  # seconds: a shim that is just accepting holds the lock of an agent that was killed
_PAUSE = 0.02


class Taken(Exception):
    """Another agent runs in this folder."""


def take(path):
    """The descriptor that holds the lock until it is closed, by us and by every child. Raises Taken, OSError."""
    patience = time.monotonic() + _PATIENCE
    while True:
        descriptor = locks.try_lock(path)
        if descriptor is not None:
            return descriptor
        if time.monotonic() > patience:
            raise Taken(path)
        time.sleep(_PAUSE)
