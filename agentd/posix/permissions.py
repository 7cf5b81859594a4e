"""Open folders by descriptor, so that links of other users cannot redirect us (POSIX).

Root and the present user are trusted. A link is followed if a trusted user owns the link and its folder, and nobody
else can write to that folder. So ``/var/run`` is followed, and a link in ``/tmp`` or in another user's folder is not.
Each folder is opened relative to the one above it, so the folder that was checked is the one that is used.

This module imports no other of agentd: its source is also sent to machines where an agent is installed.
"""

import contextlib
import errno
import os
import stat

# O_PATH: for folders that can be searched but not read; getattr, because controllers on any system import this
_FOLDER = sum(getattr(os, name, 0) for name in ("O_PATH", "O_DIRECTORY", "O_NOFOLLOW", "O_CLOEXEC"))
_STEPS = 400  # of one path: names, links, and folders that others remove while they are made


class UntrustedPath(PermissionError):
    """Another user may have made this, or could replace it. ``strerror`` names it."""

    def __init__(self, text, path):
        super(UntrustedPath, self).__init__(errno.EPERM, text, path)


class Place:
    """An open folder and its protection; a context manager that closes ``descriptor``.

    ``keeps``: nobody else can replace it, or replace files that we make in it. ``closed``: nobody else can make files
    in it either.
    """

    def __init__(self, descriptor, status, fixed, trusted):
        ours = fixed and status.st_uid in trusted
        self.descriptor = descriptor
        self.trusted = trusted
        self.closed = ours and not _others_write(status)
        self.keeps = self.closed or (ours and bool(status.st_mode & stat.S_ISVTX))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        os.close(self.descriptor)


def walk(path, make=None, private=False):
    """Return the Place at the absolute ``path``.

    With ``make``, missing folders are made: the last one with this mode, those above it with 0755, whatever the umask.
    Raises UntrustedPath for a link of others, for ``..`` in a folder of others and, with ``private``, for any folder
    above in which others can replace the next one; NotADirectoryError, OSError.
    """
    place = _top()
    names = _names(path)
    try:
        for _ in range(_STEPS):
            if not names:
                return place
            if private and not place.keeps:
                raise UntrustedPath("another user can change a folder above it", path)
            place = _step(place, names, make)
        raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), path)
    except BaseException:
        place.close()
        raise


def absolute(path):
    """Return ``path`` as an absolute path. Each ``..`` stays: its target depends on links."""
    return "/" + "/".join(reversed(_names(path if path.startswith("/") else os.path.join(os.getcwd(), path))))


def _top():
    descriptor = os.open("/", _FOLDER)
    status = os.fstat(descriptor)
    # the owner of / is root, or root's equivalent with mapped users; it controls everything below anyway
    return Place(descriptor, status, True, {0, os.geteuid(), status.st_uid})


def _names(path):
    """Return the names in a path, the first one last."""
    return [name for name in reversed(path.split("/")) if name not in ("", ".")]


def _step(place, names, make):
    """Open the next of ``names`` in ``place``, which is closed then. A link adds its own names."""
    name = names.pop()
    if name == ".." and not place.closed:
        raise UntrustedPath("it has '..' in a folder that another user can change", name)
    try:
        below = os.open(name, _FOLDER, dir_fd=place.descriptor)
    except FileNotFoundError:
        if make is None:
            raise
        _make(place, name, 0o755 if names else make)
        names.append(name)
        return place
    except OSError as error:
        if error.errno not in (errno.ENOTDIR, errno.ELOOP, errno.EMLINK):
            raise
        return _follow(place, name, names)
    status = os.fstat(below)
    fixed = place.closed or (place.keeps and status.st_uid in place.trusted)
    return _next(place, below, status, fixed)


def _next(place, below, status, fixed):
    found = Place(below, status, fixed, place.trusted)
    place.close()
    return found


def _follow(place, name, names):
    """Open ``name``, which is not a folder but may be a link to one."""
    target = read_link(place, name)
    if not target.startswith("/"):
        names += _names(target)
        return place
    if os.fstat(place.descriptor).st_dev == _proc():
        # such a link may lead anywhere, even into a container with another root
        below = os.open(name, _FOLDER & ~os.O_NOFOLLOW, dir_fd=place.descriptor)
        return _next(place, below, os.fstat(below), False)
    names += _names(target)
    top = _top()
    place.close()
    return top


def read_link(place, name):
    """Return the target of the link ``name``. Raises UntrustedPath, and NotADirectoryError if it is not a link."""
    status = os.lstat(name, dir_fd=place.descriptor)
    if not stat.S_ISLNK(status.st_mode):
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), name)
    if not place.closed or status.st_uid not in place.trusted:
        raise UntrustedPath("'%s' in it is a link that another user could have made" % name, name)
    return os.readlink(name, dir_fd=place.descriptor)


def _proc():
    """Return the device of /proc; None without one."""
    try:
        return os.stat("/proc/self").st_dev
    except OSError:
        return None


def _make(place, name, mode):
    """Make a folder with this mode, whatever the umask, unless it exists."""
    before = os.umask(0)
    try:
        os.mkdir(name, mode, dir_fd=place.descriptor)
    except FileExistsError:
        pass
    finally:
        os.umask(before)


def _others_write(status):
    if status.st_mode & stat.S_IWOTH:
        return True
    return bool(status.st_mode & stat.S_IWGRP) and not _is_alone_in(status.st_gid)


def _is_alone_in(gid):
    """Return True if this is our own group, with no other member."""
    if os.geteuid() == 0:
        return False
    import grp  # rarely needed
    import pwd

    try:
        group, user = grp.getgrgid(gid), pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        return False
    return group.gr_name == user and set(group.gr_mem) <= {user}


@contextlib.contextmanager
def parent(path):
    """Yield the descriptor of the folder of ``path``, and the name in it. Raises as ``walk`` does."""
    folder, name = os.path.split(absolute(path))
    with walk(folder) as place:
        yield place.descriptor, name


def open_file(path, flags):
    """Open a file for writing, made with mode 0600 if missing. Return its descriptor. Raises OSError.

    If others can make files in its folder, it must be a plain file of ours with one name.
    """
    path = absolute(path)
    flags |= os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    for _ in range(_STEPS):
        folder, name = os.path.split(path)
        with walk(folder) as place:
            try:
                descriptor = os.open(name, flags, 0o600, dir_fd=place.descriptor)
            except OSError as error:
                if error.errno not in (errno.ELOOP, errno.EMLINK):
                    raise
                path = os.path.join(folder, read_link(place, name))
                continue
            status = os.fstat(descriptor)
            plain = stat.S_ISREG(status.st_mode) and status.st_nlink == 1 and status.st_uid in place.trusted
            if plain or place.closed:
                os.set_blocking(descriptor, True)
                return descriptor
            os.close(descriptor)
            raise UntrustedPath("it is a file that another user could have made", path)
    raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), path)


def make_private(folder):
    """Make ``folder``, and those above it, if missing: mode 0700 whatever the umask. Raises OSError.

    An existing one must belong to this user, and nobody else may be able to write to it or replace it.
    """
    check_private(folder, 0o700)


def check_private(folder, make=None):
    """Raise UntrustedPath unless ``folder`` is as ``make_private`` leaves it; OSError. ``make`` is as in ``walk``."""
    with walk(absolute(folder), make, private=True) as place:
        status = os.fstat(place.descriptor)
        if not place.closed or status.st_uid != os.geteuid() or status.st_mode & 0o022:
            raise UntrustedPath("it belongs to another user, or others can write to it", folder)
