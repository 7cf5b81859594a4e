"""What starts ``dist/assist``: the ``__main__.py`` of the archive.

Compiled modules cannot be imported from an archive, and what can is not cached. So the first start unpacks everything
into a folder that the digest of the content names, and each later one only finds it there. The folder appears whole or
not at all, whoever starts at the same time. Nothing is imported here that the program does not need itself, and an old
Python can read it, to say that it is too old.
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
    """What there is of our two folders, or the nearest one above them, where they are to be made."""
    ours = [folder, os.path.dirname(folder)]
    above = ours[1]
    while not os.path.isdir(above):
        above = os.path.dirname(above)
    return [each for each in ours if os.path.isdir(each)] or [above]


def _is_ours(each: str, folder: str) -> bool:
    """Return True where nobody else decides what is in a folder; of one above ours that is root's question only."""
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

    mask = os.umask(0o022)  # for what is made above it
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
            if not os.path.isdir(folder):  # else another was faster, with the same
                raise
    finally:
        shutil.rmtree(draft, ignore_errors=True)


main()
