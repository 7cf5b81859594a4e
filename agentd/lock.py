"""The locks of an agent's folder: one agent at a time, and one guard."""

import time

from agentd import platform

locks = platform.load("locks")

_PATIENCE = 3.0  # seconds: while a shim accepts a record, it holds the lock of its agent, even of a killed one
_PAUSE = 0.02


class Taken(Exception):
    """Another agent, or guard, is running in this folder."""


def take(path):
    """Return the descriptor that holds the lock until we and all children close it. Raises Taken, OSError."""
    patience = time.monotonic() + _PATIENCE
    while True:
        descriptor = locks.try_lock(path)
        if descriptor is not None:
            return descriptor
        if time.monotonic() > patience:
            raise Taken(path)
        time.sleep(_PAUSE)
