"""Receive a file: it arrives whole, with its mode and owner, or not at all.

This runs in a child of the agent and is journaled like a task, so that a repeated delivery writes once.
"""

import os
import re
import signal

from agentd import digest, platform, shim
from agentd.result import RecordResult, Refusal

file_install = platform.load("file_install")

CONTENT_LIMIT = 32768  # length of the content as base64
_MODE = re.compile(r"0?[0-7]{3,4}\Z")


def put(order, channel):
    """Carry out ``order`` (the params of file.put), from acceptance to result. Return what ``shim.run`` does."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # too short to be stopped
    journal = {key: value for key, value in order.items() if key != "content"}
    temporary = journal["temporary"] = os.path.join(order["directory"], ".assist-%s.tmp" % order["record"])
    folder = shim.accept(order, journal, channel)
    if folder is None:
        return None
    os.umask(0o022)  # for folders made here; the file gets its mode when it is made
    result = RecordResult()
    try:
        _receive(order, os.path.basename(temporary))
        result.finish()
    except Refusal as refusal:
        result.fail(refusal.code, str(refusal))
    except OSError as error:
        where = os.path.join(order["directory"], order["name"])
        result.fail("FileCreateFail", "cannot write '%s': %s" % (where, error.strerror))
    return shim.end(folder, result)


def _receive(order, temporary):
    """Check everything, then write. Raises Refusal and OSError; then the old file is unchanged."""
    content = order["content"]
    _check_name(order["name"])
    file_install.check_directory(order["directory"])
    if not _MODE.match(order["mode"]):
        raise Refusal("FileAuthorityInvalid", "'%s' is not a mode like 0644" % order["mode"])
    if (len(content) + 2) // 3 * 4 > CONTENT_LIMIT:
        raise Refusal("FileContentInvalid", "the content is over 32 KB when encoded as base64")
    if digest.sha256(content).hexdigest() != order["sha256"]:
        raise Refusal("FileContentInvalid", "the content does not have the SHA-256 that was sent with it")
    file_install.install(order, temporary)


def _check_name(name):
    if name in ("", ".", "..") or file_install.FORBIDDEN.match(name) or not name.isprintable():
        raise Refusal("FileNameInvalid", "'%s' cannot be the name of a file" % name[:80])
    if len(name.encode("utf-8", "surrogatepass")) > 255:
        raise Refusal("FileNameInvalid", "the name of the file is longer than 255 bytes")
