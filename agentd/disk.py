"""Files that are written whole or not at all, and folders that belong to their owner alone."""

import errno
import os

if os.name == "nt":
    from agentd.access_windows import check_private, make_folder
else:

    def make_folder(folder):
        """Make a folder that is private from its first moment. Raises OSError."""
        os.mkdir(folder, 0o700)
        os.chmod(folder, 0o700)  # whatever the umask is

    def check_private(folder):
        """Raise PermissionError when someone else could change what is in ``folder``."""
        status = os.stat(folder)
        if status.st_uid != os.geteuid() or status.st_mode & 0o022:
            raise PermissionError(errno.EPERM, "belongs to another user or is writable by one", folder)


def make_private(folder):
    """Make ``folder`` (and its parents) unless it is there; mode 0700 whatever the umask is. Raises OSError.

    A folder that is there already must belong to this user and be writable by nobody else.
    """
    _make_parents(os.path.dirname(os.path.abspath(folder)))
    try:
        make_folder(folder)
    except FileExistsError:
        check_private(folder)


def _make_parents(folder):
    """Make ``folder`` and all above it, writable by nobody else; os.makedirs leaves that to the umask."""
    if not os.path.isdir(folder):
        _make_parents(os.path.dirname(folder))
        try:
            os.mkdir(folder, 0o755)
        except FileExistsError:
            pass  # somebody was quicker


def sync_folder(folder):
    """Make the names in ``folder`` survive a power cut."""
    if os.name != "posix":
        return
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def room(status):
    """The bytes that a file of this ``os.stat`` takes on the disk, as near as the system tells."""
    return status.st_blocks * 512 if hasattr(status, "st_blocks") else status.st_size


def write_all(descriptor, data):
    """Write every byte of ``data``. Raises OSError."""
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]


def write_whole(path, data, mode=0o600, sync=True):
    """Put ``data`` (bytes) at ``path``: the old file or the new one is seen, never a piece. Raises OSError."""
    folder = os.path.dirname(path)
    temporary = "%s.%d.tmp" % (path, os.getpid())
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
    try:
        try:
            if hasattr(os, "fchmod"):
                os.fchmod(descriptor, mode)
            write_all(descriptor, data)
            if sync:
                os.fsync(descriptor)
        finally:
            os.close(descriptor)
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise
    if sync:
        sync_folder(folder)
