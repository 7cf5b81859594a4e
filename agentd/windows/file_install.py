"""Install a received file (Windows). Owner, group and mode have no effect; the folder's rights apply."""

import os
import re

from agentd import disk
from agentd.result import Refusal

# A colon names a stream of a file, a dot or blank at the end is dropped, and some names are devices in every folder.
FORBIDDEN = re.compile(
    r'.*[<>:"/\\|?*]|.*[. ]\Z|(?:con|prn|aux|nul|conin\$|conout\$|(?:com|lpt)[0-9¹²³])[ ]*(?:\..*)?\Z', re.IGNORECASE
)
_ABSOLUTE = re.compile(r"[A-Za-z]:[/\\]|\\\\[^/\\?.]")


def check_directory(directory):
    """Raise Refusal if this is not a valid target folder."""
    if not _ABSOLUTE.match(directory) or len(directory) > 255 or not directory.isprintable():
        text = "'%s' cannot be the target folder: give an absolute path, like C:\\Data, of at most 255 characters"
        raise Refusal("FilePathInvalid", text % directory[:80])
    for part in re.split(r"[/\\\\]", directory[2:]):
        if part not in ("", ".", "..") and FORBIDDEN.match(part):
            raise Refusal("FilePathInvalid", "'%s' cannot be the name of a folder" % part[:80])
    if os.path.lexists(directory) and not os.path.isdir(directory):
        raise Refusal("FilePathInvalid", "'%s' is not a folder" % directory)


def install(order, temporary):
    """Make the file of ``order`` under the name ``temporary``, then rename it. Raises Refusal and OSError; then the
    old file is unchanged."""
    folder = order["directory"]
    os.makedirs(folder, exist_ok=True)
    temporary, target = os.path.join(folder, temporary), os.path.join(folder, order["name"])
    descriptor = disk.patiently(os.open, temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL)
    try:
        try:
            disk.write_all(descriptor, order["content"])
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        _name(temporary, target, order["overwrite"])
    except BaseException:
        disk.patiently(os.unlink, temporary)
        raise


def _name(temporary, target, overwrite):
    """Give the file its name. A link of that name is replaced, never followed."""
    if overwrite:
        if os.path.isdir(target) and not os.path.islink(target):
            raise Refusal("FileAlreadyExists", "'%s' is a folder" % os.path.basename(target))
        disk.patiently(os.replace, temporary, target)
        return
    try:
        # on Windows this fails if the name is taken: check and rename in one step
        disk.patiently(os.rename, temporary, target)
    except FileExistsError:
        info = "'%s' exists already and is not overwritten" % os.path.basename(target)
        raise Refusal("FileAlreadyExists", info) from None
