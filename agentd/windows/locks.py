"""Locks that end with the process that holds them (Windows): a file that nobody else can open."""

from agentd.windows import _kernel


def try_lock(path):
    """Return a descriptor that holds the lock of the file ``path``, which is made when it is absent; every child that
    has the descriptor holds it too. None when somebody else holds it. Raises OSError.
    """
    return _kernel.open_alone(path)
