"""The folder of the state, as text: the part of ``paths`` that needs no slow imports.

``ASSIST_HOME`` names it. Without that it is ``assist`` in the platform's folder for user data. An empty or relative
``HOME`` is ignored, as the XDG base directory specification ignores such paths.
"""

from __future__ import annotations

import os
import stat
import sys


def home_folder() -> str:
    """Return the absolute path of the home that this process uses. Raises OSError as ``settled``."""
    override = os.environ.get("ASSIST_HOME")
    if not override:
        return os.path.join(user_data(), "assist")
    return settled(override)


def settled(path: str) -> str:
    """Return ``path`` absolute and without ``..``, whose target changes when a folder before it is replaced.

    Raises OSError if the current folder or one before a ``..`` is missing, PermissionError with EPERM if another user
    can replace one of these.
    """
    if not os.path.isabs(path):
        path = os.path.join(os.getcwd(), path)
    if os.name != "posix":
        return os.path.abspath(path)
    names = path.split("/")
    if ".." not in names:
        return path
    from agentd.posix import permissions

    end = len(names) - names[::-1].index("..")
    climbing = "/".join(names[:end])
    permissions.walk(climbing).close()  # so nobody else can redirect it
    return os.path.join(os.path.realpath(climbing), *names[end:])


def user_data() -> str:
    """Return the platform's folder for user data. Raises OSError, as ``user_home``."""
    if sys.platform == "win32":
        return os.environ.get("LOCALAPPDATA") or os.path.join(user_home(), "AppData", "Local")
    if sys.platform == "darwin":
        return os.path.join(user_home(), "Library", "Application Support")
    stated = os.environ.get("XDG_DATA_HOME", "")
    return settled(stated) if os.path.isabs(stated) else os.path.join(user_home(), ".local", "share")


def user_home() -> str:
    """Return the user's home folder: ``HOME``, or that of the user database. Raises OSError without one."""
    if sys.platform == "win32":
        return os.path.expanduser("~")
    stated = os.environ.get("HOME", "")
    if os.path.isabs(stated):
        return settled(stated)
    import pwd

    try:
        known = pwd.getpwuid(os.geteuid()).pw_dir
    except KeyError:
        known = ""
    if not os.path.isabs(known):
        raise FileNotFoundError(f"HOME is not an absolute path, and user {os.geteuid()} has no folder")
    return known


def refusal(status: os.stat_result) -> str:
    """Return the reason why a file or folder with this status is not safe for this user's state, or "".

    It belongs to another user, or others may write to it. Whoever can write there decides which programs we run.
    """
    if os.name != "posix":
        return ""
    if status.st_uid != os.geteuid():
        return f"it belongs to {_name(status.st_uid)}, and you are {_name(os.geteuid())}"
    if status.st_mode & 0o022:
        return f"others may write to it (mode {stat.S_IMODE(status.st_mode):04o})"
    return ""


def _name(user: int) -> str:
    import pwd

    try:
        return pwd.getpwuid(user).pw_name
    except KeyError:
        return f"user {user}"
