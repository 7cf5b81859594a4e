"""The way to a folder, by descriptor, so that nobody else's link leads us to another one (POSIX).

Root and the user that we are count as ours. A link is followed where we own it and the folder that it stands in, and
nobody else may write to that folder. So ``/var/run`` is followed, and a link in ``/tmp`` or in a folder of another user
is not. Nothing is checked by one name and used by another: each folder is opened in the one above it.

This module needs no other: its text is also sent to the machine that an agent is installed on.
"""

import contextlib
import errno
import os
import stat

# O_PATH: a folder that may be searched need not be readable; the controller, on any system, reads this module too
_FOLDER = sum(getattr(os, name, 0) for name in ("O_PATH", "O_DIRECTORY", "O_NOFOLLOW", "O_CLOEXEC"))
_STEPS = 400  # of one path: names, links, and folders that somebody removes as fast as they are made


class UntrustedPath(PermissionError):
    """Somebody else could have made this, or could put another in its place; ``strerror`` says what it is."""

    def __init__(self, text, path):
        super(UntrustedPath, self).__init__(errno.EPERM, text, path)


class Place:
    """An open folder, and who can change it; a context manager that closes ``descriptor``.

    ``keeps``: nobody else can put something else in its place, nor in the place of what we make in it. ``closed``:
    nor can anybody else make something in it.
    """

    def __init__(self, descriptor, fixed, trusted):
        status = os.fstat(descriptor)
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

    With ``make`` folders that are missing are made, the last one with this mode and those above it with 0755, whatever
    the umask. Raises UntrustedPath at a link of others and at ``..`` in a folder of others, with ``private`` at any
    folder above in which others can put another in the place of the next; NotADirectoryError, OSError.
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
    """Return ``path`` from the root on. Each ``..`` stays: where it leads is not told by the text."""
    return "/" + "/".join(reversed(_names(path if path.startswith("/") else os.path.join(os.getcwd(), path))))


def _top():
    descriptor = os.open("/", _FOLDER)
    # the owner of / is root, or stands for root where users are mapped; it decides about everything below anyway
    return Place(descriptor, True, {0, os.geteuid(), os.fstat(descriptor).st_uid})


def _names(path):
    """The names of a path, the first one last."""
    return [name for name in reversed(path.split("/")) if name not in ("", ".")]


def _step(place, names, make):
    """Go from ``place``, which is closed then, to the next of ``names``; a link puts its own names there."""
    name = names.pop()
    if name == ".." and not place.closed:
        raise UntrustedPath("'..' in it stands in a folder that another user can change", name)
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
    fixed = place.closed or (place.keeps and os.fstat(below).st_uid in place.trusted)
    return _next(place, below, fixed)


def _next(place, below, fixed):
    found = Place(below, fixed, place.trusted)
    place.close()
    return found


def _follow(place, name, names):
    """The same where ``name`` is not a folder."""
    target = read_link(place, name)
    if not target.startswith("/"):
        names += _names(target)
        return place
    if os.fstat(place.descriptor).st_dev == _proc():
        # it may lead elsewhere than it says, even into a container, where root is not ours
        return _next(place, os.open(name, _FOLDER & ~os.O_NOFOLLOW, dir_fd=place.descriptor), False)
    names += _names(target)
    return _next(place, os.open("/", _FOLDER), True)


def read_link(place, name):
    """Return what the link ``name`` says. Raises UntrustedPath, and NotADirectoryError when it is something else."""
    status = os.lstat(name, dir_fd=place.descriptor)
    if not stat.S_ISLNK(status.st_mode):
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), name)
    if not place.closed or status.st_uid not in place.trusted:
        raise UntrustedPath("'%s' in it is a link that another user could have made" % name, name)
    return os.readlink(name, dir_fd=place.descriptor)


def _proc():
    """The device of /proc; None where there is none."""
    try:
        return os.stat("/proc/self").st_dev
    except OSError:
        return None


def _make(place, name, mode):
    """Make a folder, with this mode whatever the umask, unless it is there."""
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
    """Return whether this is the group that systems make for a user alone, and it is ours."""
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
    """Give the descriptor of the folder that ``path`` stands in, and the name in it. Raises as ``walk`` does."""
    folder, name = os.path.split(absolute(path))
    with walk(folder) as place:
        yield place.descriptor, name


def open_file(path, flags):
    """Open a file to be written to, made with mode 0600 when it is missing. Returns its descriptor. Raises OSError.

    Where somebody else can make files it must be a plain one of ours that has no second name.
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
    """Make ``folder``, and those above it, unless it is there: mode 0700 whatever the umask. Raises OSError.

    One that is there must belong to this user, and nobody else may be able to write to it or to exchange it.
    """
    check_private(folder, 0o700)


def check_private(folder, make=None):
    """Raise UntrustedPath unless ``folder`` is as ``make_private`` leaves it, OSError; ``make`` is that of ``walk``."""
    with walk(absolute(folder), make, private=True) as place:
        status = os.fstat(place.descriptor)
        if not place.closed or status.st_uid != os.geteuid() or status.st_mode & 0o022:
            raise UntrustedPath("it belongs to another user, or one can write to it", folder)
