"""The rights on a folder (POSIX): it belongs to this user, and nobody else may write to it."""

import errno
import os


def make_folder(path):
    """Make a folder that is private from its first moment. Raises OSError."""
    os.mkdir(path, 0o700)
    os.chmod(path, 0o700)  # whatever the umask is


def check_private(path):
    """Raise PermissionError when someone else owns ``path`` or could change what is in it."""
    status = os.stat(path)
    if status.st_uid != os.geteuid() or status.st_mode & 0o022:
        raise PermissionError(errno.EPERM, "belongs to another user or is writable by one", path)
