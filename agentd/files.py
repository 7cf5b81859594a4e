"""Receiving a file: it is there whole, with its mode and owner, or it was never there.

Done in a child of the agent and journaled like a task, so that a delivery that comes twice writes once.
"""

import grp
import hashlib
import os
import pwd
import re
import signal

from agentd import disk, shim, spool
from agentd.ending import Ending, Refusal

CONTENT_LIMIT = 32768  # length of the content as base64
_MODE = re.compile(r"0?[0-7]{3,4}\Z")


def put(order, channel):
    """Take ``order`` (the params of file.put) from accept to its result."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # a stop comes too late for something as short as this
    journal = {key: value for key, value in order.items() if key != "content"}
    temporary = journal["temporary"] = os.path.join(order["directory"], ".assist-%s.tmp" % order["record"])
    folder = shim.accept(order, journal, channel)
    if folder is None:
        return
    os.umask(0o022)  # of folders that are made on the way; the file has its mode from the start
    ending = Ending()
    try:
        _receive(order, os.path.basename(temporary))
        ending.state = spool.FINISHED
    except Refusal as refusal:
        ending.fail(refusal.code, str(refusal))
    except OSError as error:
        where = os.path.join(order["directory"], order["name"])
        ending.fail("FileCreateFail", "cannot write '%s': %s" % (where, error.strerror))
    folder.finish(ending.document())


def _receive(order, temporary):
    """Check everything, then write. Raises Refusal and, with the old file untouched, OSError."""
    name, directory, content = order["name"], order["directory"], order["content"]
    _check_name(name)
    _check_directory(directory)
    if not _MODE.match(order["mode"]):
        raise Refusal("FileAuthorityInvalid", "'%s' is no mode; one is given like 0644" % order["mode"])
    if (len(content) + 2) // 3 * 4 > CONTENT_LIMIT:
        raise Refusal("FileContentInvalid", "the content is over 32 KB when encoded as base64")
    if hashlib.sha256(content).hexdigest() != order["sha256"]:
        raise Refusal("FileContentInvalid", "the content does not have the SHA-256 that was sent with it")
    uid, gid = _owner(order["owner"]), _group(order["group"])
    os.makedirs(directory, 0o755, exist_ok=True)
    anchor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        _write(anchor, temporary, name, content, int(order["mode"], 8), (uid, gid), order["overwrite"])
    finally:
        os.close(anchor)


def _check_name(name):
    if name in ("", ".", "..") or "/" in name or "\\" in name or not name.isprintable():
        raise Refusal("FileNameInvalid", "'%s' cannot be the name of a file" % name[:80])
    if len(name.encode("utf-8", "surrogatepass")) > 255:
        raise Refusal("FileNameInvalid", "the name of the file is longer than 255 bytes")


def _check_directory(directory):
    if not directory.startswith("/") or len(directory) > 255 or not directory.isprintable():
        text = "'%s' cannot be the target folder: it is an absolute path of at most 255 characters"
        raise Refusal("FilePathInvalid", text % directory[:80])
    if os.path.lexists(directory) and not os.path.isdir(directory):
        raise Refusal("FilePathInvalid", "'%s' is not a folder" % directory)


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
