"""Installing a file that is sent here (POSIX): its folder, owner, group and mode.

Everything is done relative to the open folder, so nothing that is put in its place meanwhile can lead us elsewhere.
"""

import grp
import os
import pwd
import re

from agentd import disk
from agentd.result import Refusal

FORBIDDEN = re.compile(r".*[/\\]")


def check_directory(directory):
    """Raise Refusal when this can be no target folder."""
    if not directory.startswith("/") or len(directory) > 255 or not directory.isprintable():
        text = "'%s' cannot be the target folder: it is an absolute path of at most 255 characters"
        raise Refusal("FilePathInvalid", text % directory[:80])
    if os.path.lexists(directory) and not os.path.isdir(directory):
        raise Refusal("FilePathInvalid", "'%s' is not a folder" % directory)


def install(order, temporary):
    """Make the file of ``order``, by way of the name ``temporary``. Raises Refusal and, with the old file untouched,
    OSError."""
    ids = _owner(order["owner"]), _group(order["group"])
    os.makedirs(order["directory"], 0o755, exist_ok=True)
    anchor = os.open(order["directory"], os.O_RDONLY | os.O_DIRECTORY)
    try:
        _write(anchor, temporary, order["name"], order["content"], int(order["mode"], 8), ids, order["overwrite"])
    finally:
        os.close(anchor)


def _owner(name):
    """The uid for ``name``; the agent's own when none was asked for."""
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


def _write(anchor, temporary, name, content, mode, ids, overwrite):
    """Make ``name`` in the folder ``anchor``. A link at that name is replaced and never followed."""
    descriptor = os.open(
        temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600, dir_fd=anchor
    )
    try:
        try:
            os.fchown(descriptor, *ids)
            os.fchmod(descriptor, mode)
            disk.write_all(descriptor, content)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        if overwrite:
            _refuse_folder(anchor, name)
            os.rename(temporary, name, src_dir_fd=anchor, dst_dir_fd=anchor)
        else:
            _link(anchor, temporary, name)
    except BaseException:
        os.unlink(temporary, dir_fd=anchor)
        raise
    os.fsync(anchor)


def _refuse_folder(anchor, name):
    try:
        descriptor = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=anchor)
    except OSError:
        return
    os.close(descriptor)
    raise Refusal("FileAlreadyExists", "'%s' is a folder" % name)


def _link(anchor, temporary, name):
    """Give the file its name only when nothing has it: a check and the act in one."""
    try:
        os.link(temporary, name, src_dir_fd=anchor, dst_dir_fd=anchor, follow_symlinks=False)
    except FileExistsError:
        raise Refusal("FileAlreadyExists", "'%s' exists already and is not overwritten" % name) from None
    os.unlink(temporary, dir_fd=anchor)
