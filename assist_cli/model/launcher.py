"""The program that receives the file of a script, as a command line: ``python3 -u {{ACS::ScriptFileName|Ext(".py")}}``.

The name of the file replaces its placeholder; without one, it becomes the last word. ``Ext`` is the ending of the name.
The words are split as by a POSIX shell; no shell runs them.
"""

from __future__ import annotations

import re
import shlex

from assist_cli import codes
from assist_cli.errors import InvalidParameter

LONGEST = 1024  # characters
FILE = "{{ACS::ScriptFileName}}"  # in the words that an agent receives

_FILE = re.compile(
    r"\{\{\s*ACS::ScriptFileName\s*(?:\|\s*Ext\s*\(\s*[\"']?(\.[A-Za-z0-9]{1,16})[\"']?\s*\)\s*)?\}\}", re.IGNORECASE
)


def parse(text: str) -> tuple[list[str], str]:
    """Return the words, with ``FILE`` for the name of the file, and the ending of that name ("": by its type).

    Raises InvalidParameter.
    """
    endings = {found[1] or "" for found in _FILE.finditer(text)}
    plain = _FILE.sub(FILE, text)
    try:
        words = [word.replace("\0", FILE) for word in shlex.split(plain.replace(FILE, "\0"))]
    except ValueError as error:
        raise _invalid(str(error).lower()) from None
    if len(text) > LONGEST or not text.isprintable():
        raise _invalid(f"it must be one line of at most {LONGEST:,} characters")
    if len(endings) > 1:
        raise _invalid("it gives the file more than one ending")
    if not words or "{{" in plain.replace(FILE, ""):
        raise _invalid("it must have a program, and in double braces only ACS::ScriptFileName")
    return words if endings else [*words, FILE], next(iter(endings), "")


def _invalid(why: str) -> InvalidParameter:
    return InvalidParameter(
        f"cannot use the launcher: {why}",
        code=codes.INVALID_LAUNCHER,
        hint='for example python3 -u {{ACS::ScriptFileName|Ext(".py")}}',
    )
