"""The user's account and home folder, and the tokens of ssh_config(5): ``%h``, ``${NAME}``, ``~`` and ``~user``.

``~`` is HOME here, as in a shell. Without a usable HOME it is the folder in the user database.
"""

from __future__ import annotations

import getpass
import os
import re
import socket
from collections.abc import Mapping
from typing import TYPE_CHECKING

from assist_cli.agents import destination as destinations
from assist_cli.agents.destination import Destination

if TYPE_CHECKING:
    import pwd

Values = dict[str, list[str]]  # by keyword, in lower case

_TOKEN = re.compile(r"%(.?)", re.DOTALL)
_TOKEN_OR_VARIABLE = re.compile(r"%(.?)|\$\{([^}]*)\}", re.DOTALL)


def account() -> pwd.struct_passwd | None:
    """Return the user's account; None for an id without a name, as in some containers."""
    import pwd  # not on Windows

    try:
        return pwd.getpwuid(os.getuid())
    except KeyError:
        return None


def user() -> str:
    """Return the name of the local user."""
    known = account()
    return known.pw_name if known else getpass.getuser()


def home() -> str:
    """Return the folder that ``~`` stands for."""
    stated = os.environ.get("HOME", "")
    if stated.startswith("/"):
        return stated
    known = account()
    return known.pw_dir if known else "/"


def expand_home(path: str) -> str:
    """Return a path with ``~`` or ``~user`` expanded. Raises ValueError for an unknown user."""
    if not path.startswith("~"):
        return path
    import pwd

    name, slash, rest = path[1:].partition("/")
    try:
        folder = pwd.getpwnam(name).pw_dir if name else home()
    except KeyError:
        raise ValueError(f"there is no user '{name}' for '{path}'") from None
    return folder.rstrip("/") + slash + rest


def of(values: Values, destination: Destination) -> dict[str, str]:
    """Return the values of the tokens for a destination, by letter. ``values`` are its settings."""
    here = socket.gethostname()
    jump = values.get("proxyjump", [""])[0].rpartition(",")[2]
    return {
        "C": values["controlpath"][0],
        "d": home(),
        "h": values["hostname"][0],
        "i": str(os.getuid()),
        "j": destinations.parse_hop(jump).host if jump else "",
        "k": values.get("hostkeyalias", [destination.host])[0],
        "L": here.partition(".")[0],
        "l": here,
        "n": destination.host,
        "p": values["port"][0],
        "r": values["user"][0],
        "u": user(),
    }


def expand(text: str, tokens: Mapping[str, str]) -> str:
    """Expand the tokens in a text; ``%%`` becomes ``%``. Raises ValueError for a token without a value."""
    return _TOKEN.sub(lambda found: _value(found[1], tokens, text), text)


def expand_path(path: str, tokens: Mapping[str, str]) -> str:
    """Expand the tokens and environment variables in a path. Raises ValueError for one without a value."""

    def value(found: re.Match[str]) -> str:
        if found[2] is None:
            return _value(found[1], tokens, path)
        if found[2] not in os.environ:
            raise ValueError(f"the environment has no variable '{found[2]}' for '{path}'")
        return os.environ[found[2]]

    return _TOKEN_OR_VARIABLE.sub(value, expand_home(path))


def _value(letter: str, tokens: Mapping[str, str], text: str) -> str:
    if letter == "%":
        return "%"
    if letter not in tokens:
        raise ValueError(f"the token '%{letter}' has no meaning in '{text}'")
    return tokens[letter]
