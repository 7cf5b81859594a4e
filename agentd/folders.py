"""Folders that belong to their owner alone."""

import os

from agentd import platform

permissions = platform.load("permissions")


def make_private(folder):
    """Make ``folder`` (and its parents) unless it is there; mode 0700 whatever the umask is. Raises OSError.

    A folder that is there already must belong to this user and be writable by nobody else.
    """
    _make_parents(os.path.dirname(os.path.abspath(folder)))
    try:
        permissions.make_folder(folder)
    except FileExistsError:
        permissions.check_private(folder)


def _make_parents(folder):
    """Make ``folder`` and all above it, writable by nobody else; os.makedirs leaves that to the umask."""
    if not os.path.isdir(folder):
        _make_parents(os.path.dirname(folder))
        try:
            os.mkdir(folder, 0o755)
            os.chmod(folder, 0o755)  # noqa: S103 - whatever the umask is
        except FileExistsError:
            pass  # somebody was quicker
