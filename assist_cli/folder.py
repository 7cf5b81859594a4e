"""The folder that state lives in, as text: all of ``paths`` that can be had without importing what takes time.

``ASSIST_HOME`` names it; else it is ``assist`` in the platform's folder for a user's data. A ``HOME`` that is empty or
relative is ignored, as the XDG base directory specification ignores such paths.
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
    """Return ``path`` from the root on and without ``..``, which leads elsewhere once a folder before it is exchanged.

    Raises OSError where the current folder or one before a ``..`` is missing, PermissionError of the number EPERM where
    another user can exchange one of these.
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
    permissions.walk(climbing).close()  # so nobody else can change where it leads
    return os.path.join(os.path.realpath(climbing), *names[end:])


def user_data() -> str:
    """Return the platform's folder for the data of a user's programs. Raises OSError, as ``user_home``."""
    if sys.platform == "win32":
        return os.environ.get("LOCALAPPDATA") or os.path.join(user_home(), "AppData", "Local")
    if sys.platform == "darwin":
        return os.path.join(user_home(), "Library", "Application Support")
    stated = os.environ.get("XDG_DATA_HOME", "")
    return settled(stated) if os.path.isabs(stated) else os.path.join(user_home(), ".local", "share")


def user_home() -> str:
    """Return the user's own folder: ``HOME``, or what the system knows. Raises OSError where there is none."""
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
        raise FileNotFoundError(f"HOME is no absolute path, and user {os.geteuid()} has no folder")
    return known


def refusal(status: os.stat_result) -> str:
    """Return why a file or folder with this status is not for this user's state, or an empty text.

    It belongs to another user, or the group or others may write to it: who else can write there decides what we run.
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
