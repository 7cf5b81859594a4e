"""Atomic writes of files, and calls that wait for other programs.

On Windows nobody can open, rename, replace or delete a file, or make one of its name, while another process has it open
without permission for that: a scanner, an indexer, a backup. They hold a file for a moment, so the call is repeated.
"""

import os
import time

_PAUSES = (0.01, 0.02, 0.05, 0.1, 0.2, 0.4, 0.8)  # seconds between two attempts
_BLOCK = 64 * 1024
_HELD = (5, 32, 33)  # ERROR_ACCESS_DENIED (also of a name that is being deleted), _SHARING_VIOLATION, _LOCK_VIOLATION
# On Windows, what opens files reports EACCES alone: the number of Windows is None there, and nowhere else.
_hides_number = hasattr(OSError, "winerror")


def patiently(call, *arguments, **more):
    """Call a function that opens a file or changes a name. While another process holds the file, retry for 1.6 s.

    Return its result. Raises OSError. Other systems have no such errors.
    """
    for pause in _PAUSES:
        try:
            return call(*arguments, **more)
        except PermissionError as error:
            number = getattr(error, "winerror", None)
            if number not in _HELD and not (number is None and _hides_number):
                raise
        time.sleep(pause)
    return call(*arguments, **more)


def read_whole(path):
    """Return the bytes of a plain file, or of one of /proc. Raises OSError.

    A file object would ask the system five things more.
    """
    descriptor = patiently(os.open, path, os.O_RDONLY | getattr(os, "O_BINARY", 0))
    try:
        parts = [os.read(descriptor, _BLOCK)]
        while len(parts[-1]) == _BLOCK:
            parts.append(os.read(descriptor, _BLOCK))
        return b"".join(parts)
    finally:
        os.close(descriptor)


def sync_folder(folder):
    """Make the names in ``folder`` survive a power cut."""
    if not hasattr(os, "O_DIRECTORY"):
        return  # this system cannot do it
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def room(status):
    """Return the bytes on the disk of a file with this ``os.stat``, as exact as the system allows."""
    return status.st_blocks * 512 if hasattr(status, "st_blocks") else status.st_size


def write_all(descriptor, data):
    """Write every byte of ``data``. Raises OSError."""
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]


def write_whole(path, data, mode=0o600, sync=True, folder=None):
    """Write ``data`` (bytes) to ``path`` atomically: readers get the old file or the new one. Raises OSError.

    ``folder``: the descriptor of the folder to which ``path`` is relative.
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
        patiently(os.replace, temporary, path, src_dir_fd=folder, dst_dir_fd=folder)
    except BaseException:
        patiently(os.unlink, temporary, dir_fd=folder)
        raise
    if sync:
        sync_folder(os.path.dirname(path))


def _open_new(name, mode, folder):
    """Make a new file. Remove the file of an earlier process with our pid."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
    try:
        return patiently(os.open, name, flags, mode, dir_fd=folder)
    except FileExistsError:
        patiently(os.unlink, name, dir_fd=folder)
        return patiently(os.open, name, flags, mode, dir_fd=folder)
