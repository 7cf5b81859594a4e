"""Files that are written whole or not at all."""

import os


def sync_folder(folder):
    """Make the names in ``folder`` survive a power cut."""
    if not hasattr(os, "O_DIRECTORY"):
        return  # no system that can do it
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


def write_whole(path, data, mode=0o600, sync=True, folder=None):
    """Put ``data`` (bytes) at ``path``: the old file or the new one is seen, never a piece. Raises OSError.

    ``folder``: the descriptor of the folder that ``path`` is a name in.
    """
    temporary = "%s.%d.tmp" % (path, os.getpid())
    descriptor = _open_new(temporary, mode, folder)
    try:
        try:
            if hasattr(os, "fchmod"):
                os.fchmod(descriptor, mode)
            write_all(descriptor, data)
            if sync:
                os.fsync(descriptor)
        finally:
            os.close(descriptor)
        os.replace(temporary, path, src_dir_fd=folder, dst_dir_fd=folder)
    except BaseException:
        os.unlink(temporary, dir_fd=folder)
        raise
    if sync:
        sync_folder(os.path.dirname(path))


def _open_new(name, mode, folder):
    """Make a file that was not there; what an earlier process with our pid left behind goes."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
    try:
        return os.open(name, flags, mode, dir_fd=folder)
    except FileExistsError:
        os.unlink(name, dir_fd=folder)
        return os.open(name, flags, mode, dir_fd=folder)
