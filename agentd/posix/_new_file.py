"""Make new files that have their owner, group and mode before they get their name (POSIX)."""

import errno
import os
import stat

from agentd import disk


class ModeRefused(PermissionError):
    """The system did not set the mode of a file."""

    def __init__(self, mode):
        super(ModeRefused, self).__init__(errno.EPERM, "the system does not allow the mode %04o" % mode)


def write_new(folder, name, content, owner, mode):
    """Make the file ``name`` in the open folder and return its open descriptor. It is not synced.

    ``owner`` is (uid, gid). Writing and changing the owner both clear bits of the mode, so the mode is set last.
    Raises ModeRefused, FileExistsError, OSError; then no file is left.
    """
    flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    descriptor = os.open(name, flags, 0o600, dir_fd=folder)
    try:
        disk.write_all(descriptor, content)
        os.fchown(descriptor, *owner)
        os.fchmod(descriptor, mode)
        status = os.fstat(descriptor)
        if (status.st_uid, status.st_gid) != owner:
            raise PermissionError(errno.EPERM, "the system does not allow this owner and group")
        if stat.S_IMODE(status.st_mode) != mode:
            raise ModeRefused(mode)
    except BaseException:
        os.close(descriptor)
        remove(folder, name)
        raise
    return descriptor


def remove(folder, name):
    """Remove a file if it exists."""
    try:
        os.unlink(name, dir_fd=folder)
    except FileNotFoundError:
        pass
