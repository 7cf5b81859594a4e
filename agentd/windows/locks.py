"""Locks that end with the process that holds them (Windows): an exclusively opened file."""

from agentd.windows import _kernel


def try_lock(path):
    """Return a descriptor that holds the lock of the file ``path``, made if absent. Children that inherit the
    descriptor hold it too. Return None if another process holds it. Raises OSError.
    """
    return _kernel.open_alone(path)
