"""The start of ``dist/assist``: the ``__main__.py`` of the archive.

Compiled modules cannot be imported from an archive, and other modules are not cached there. So the first start unpacks
all files into a folder named by the digest of the content, and later starts use it. The folder is renamed into place
when it is complete, so starts may run at the same time. This module imports only what the program itself needs. An old
Python can parse it, to report that it is too old.
"""

import os
import sys

DIGEST = "@DIGEST@"
VERSIONS = ["@VERSIONS@"]


def main() -> None:
    version = "{}.{}".format(*sys.version_info)
    if version not in VERSIONS:
        sys.exit(f"error: cannot run on Python {version}: this file is for Python {', '.join(VERSIONS)}")
    archive = sys.path[0]
    folder = os.path.join(_cache(), f"{DIGEST}-{version}")
    for each in _there(folder):
        if not _is_ours(each, folder):
            sys.stderr.write(f"error: cannot run from '{folder}': '{each}' can be changed by another user\n")
            sys.stderr.write("hint: set XDG_CACHE_HOME to a folder of your own; with sudo, sudo -H\n")
            sys.exit(77)
    if not os.path.isdir(folder):
        try:
            _unpack(archive, folder, version)
        except OSError as error:
            sys.stderr.write(f"error: cannot unpack into '{folder}': {error.strerror}\n")
            sys.stderr.write("hint: set XDG_CACHE_HOME to a folder that you may write to, with 100 MB of room\n")
            sys.exit(74)
    sys.path[0] = folder
    from assist_cli.__main__ import main

    main()


def _cache() -> str:
    stated = os.environ.get("XDG_CACHE_HOME", "")
    if not os.path.isabs(stated):
        home = os.environ.get("HOME", "")
        if os.name == "posix" and not os.path.isabs(home):
            import pwd

            home = pwd.getpwuid(os.geteuid()).pw_dir
        stated = os.path.join(home or os.path.expanduser("~"), ".cache")
    return os.path.join(stated, "assist")


def _there(folder: str) -> "list[str]":
    """Return the existing ones of our two folders, or the nearest folder above them if they must be made."""
    ours = [folder, os.path.dirname(folder)]
    above = ours[1]
    while not os.path.isdir(above):
        above = os.path.dirname(above)
    return [each for each in ours if os.path.isdir(each)] or [above]


def _is_ours(each: str, folder: str) -> bool:
    """Return True if only this user can change a folder. For a folder above ours this matters to root only."""
    if os.name != "posix":
        return True
    status = os.stat(each)
    if each in (folder, os.path.dirname(folder)):
        return status.st_uid == os.geteuid() and not status.st_mode & 0o022
    return os.geteuid() != 0 or status.st_uid == 0 or status.st_mode & 0o1002 == 0o1002


def _unpack(archive: str, folder: str, version: str) -> None:
    import io
    import shutil
    import tempfile
    import zipfile

    mask = os.umask(0o022)  # for the folders above it
    os.makedirs(os.path.dirname(folder), mode=0o700, exist_ok=True)
    os.umask(mask)
    draft = tempfile.mkdtemp(prefix=".new-", dir=os.path.dirname(folder))
    try:
        with zipfile.ZipFile(archive) as outer:
            for name in outer.namelist():
                if version in os.path.splitext(name)[0].split("+"):
                    with zipfile.ZipFile(io.BytesIO(outer.read(name))) as inner:
                        inner.extractall(draft)
        try:
            os.rename(draft, folder)
        except OSError:
            if not os.path.isdir(folder):  # otherwise another start has made it first
                raise
    finally:
        shutil.rmtree(draft, ignore_errors=True)


main()
