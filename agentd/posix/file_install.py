"""Install a received file (POSIX): its folder, owner, group and mode.

All calls are relative to the open folder. So replacing it meanwhile cannot redirect the file.
"""

import errno
import grp
import os
import pwd
import re
import stat

from agentd.posix import _new_file, permissions
from agentd.result import Refusal

FORBIDDEN = re.compile(r".*[/\\]")


def check_directory(directory):
    """Raise Refusal if this is not a valid target folder."""
    if not directory.startswith("/") or len(directory) > 255 or not directory.isprintable():
        text = "'%s' cannot be the target folder: give an absolute path of at most 255 characters"
        raise Refusal("FilePathInvalid", text % directory[:80])


def install(order, temporary):
    """Make the file of ``order`` under the name ``temporary``, then rename it. Raises Refusal and OSError; then the
    old file is unchanged."""
    owner, mode = (_owner(order["owner"]), _group(order["group"])), int(order["mode"], 8)
    try:
        place = permissions.walk(order["directory"], 0o755)
    except NotADirectoryError:
        raise Refusal("FilePathInvalid", "'%s' is not a folder" % order["directory"]) from None
    except permissions.UntrustedPath as error:
        text = "cannot use the folder '%s': %s" % (order["directory"], error.strerror)
        raise Refusal("FilePathInvalid", text) from None
    with place:
        anchor = os.open(".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=place.descriptor)
    try:
        descriptor = _write(anchor, temporary, order["content"], owner, mode)
        try:
            os.fsync(descriptor)
            if not _is_at(anchor, temporary, descriptor):
                raise PermissionError(errno.EPERM, "another user has replaced it")
            _name(anchor, temporary, order["name"], order["overwrite"])
        finally:
            os.close(descriptor)
            _new_file.remove(anchor, temporary)
        os.fsync(anchor)
    finally:
        os.close(anchor)


def _owner(name):
    """Return the uid for ``name``; the agent's own by default."""
    if name is None:
        return os.geteuid()
    try:
        return pwd.getpwnam(name).pw_uid
    except KeyError:
        raise Refusal("UserNotExists", "there is no user '%s' on this instance" % name) from None


def _group(name):
    if name is None:
        return os.getegid()
    try:
        return grp.getgrnam(name).gr_gid
    except KeyError:
        raise Refusal("UserGroupNotExists", "there is no group '%s' on this instance" % name) from None


def _write(anchor, temporary, content, owner, mode):
    """Make the file in the folder ``anchor``. Return its open descriptor."""
    try:
        return _new_file.write_new(anchor, temporary, content, owner, mode)
    except _new_file.ModeRefused as error:
        raise Refusal("FileAuthorityInvalid", error.strerror) from None


def _name(anchor, temporary, name, overwrite):
    """Give the file its name; an existing one is replaced only with ``overwrite``. Links are never followed."""
    if overwrite:
        if _is_folder(anchor, name):
            raise Refusal("FileAlreadyExists", "'%s' is a folder" % name)
        os.rename(temporary, name, src_dir_fd=anchor, dst_dir_fd=anchor)
        return
    try:
        # check and rename in one step
        os.link(temporary, name, src_dir_fd=anchor, dst_dir_fd=anchor, follow_symlinks=False)
    except FileExistsError:
        raise Refusal("FileAlreadyExists", "'%s' exists already and is not overwritten" % name) from None


def _is_folder(anchor, name):
    try:
        return stat.S_ISDIR(os.stat(name, dir_fd=anchor, follow_symlinks=False).st_mode)
    except FileNotFoundError:
        return False


def _is_at(anchor, name, descriptor):
    """Return True if the open file has this name."""
    try:
        return os.path.samestat(os.fstat(descriptor), os.stat(name, dir_fd=anchor, follow_symlinks=False))
    except FileNotFoundError:
        return False
