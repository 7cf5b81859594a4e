"""The folder that state lives in, as text: all of ``paths`` that can be had without importing what takes time.

``ASSIST_HOME`` names it; else it is ``assist`` in the platform's folder for a user's data.
"""

from __future__ import annotations

import os
import sys


def home_folder() -> str:
    """The absolute path of the home that this process uses."""
    override = os.environ.get("ASSIST_HOME")
    return os.path.join(os.getcwd(), override) if override else os.path.join(user_data(), "assist")


def user_data() -> str:
    """The platform's folder for the data of a user's programs."""
    if sys.platform == "win32":
        return os.environ.get("LOCALAPPDATA") or os.path.expanduser("~\\AppData\\Local")
    if sys.platform == "darwin":
        return os.path.expanduser("~/Library/Application Support")
    stated = os.environ.get("XDG_DATA_HOME", "")
    # The XDG base directory specification: a relative path is to be ignored.
    return stated if os.path.isabs(stated) else os.path.expanduser("~/.local/share")
