"""The program that is given the file of a script, as a command line: ``python3 -u {{ACS::ScriptFileName|Ext(".py")}}``.

Where the name of the file stands in it, it is put in; else it is the last word. ``Ext`` is how the name ends. The words
are those that a POSIX shell reads; no shell runs them.
"""

from __future__ import annotations

import re
import shlex

from assist_cli import codes
from assist_cli.errors import InvalidParameter

LONGEST = 1024  # characters
FILE = "{{ACS::ScriptFileName}}"  # in the words that an agent is given

_FILE = re.compile(
    r"\{\{\s*ACS::ScriptFileName\s*(?:\|\s*Ext\s*\(\s*[\"']?(\.[A-Za-z0-9]{1,16})[\"']?\s*\)\s*)?\}\}", re.IGNORECASE
)


def parse(text: str) -> tuple[list[str], str]:
    """Return the words, with ``FILE`` for the name of the file, and how that name ends ("": as its type has it).

    Raises InvalidParameter.
    """
    endings = {found[1] or "" for found in _FILE.finditer(text)}
    plain = _FILE.sub(FILE, text)
    try:
        words = [word.replace("\0", FILE) for word in shlex.split(plain.replace(FILE, "\0"))]
    except ValueError as error:
        raise _invalid(str(error).lower()) from None
    if len(text) > LONGEST or not text.isprintable():
        raise _invalid(f"it is one line of at most {LONGEST:,} characters")
    if len(endings) > 1:
        raise _invalid("it gives the file more than one ending")
    if not words or "{{" in plain.replace(FILE, ""):
        raise _invalid("it has a program, and in double braces no more than ACS::ScriptFileName")
    return words if endings else [*words, FILE], next(iter(endings), "")


def _invalid(why: str) -> InvalidParameter:
    return InvalidParameter(
        f"cannot use the launcher: {why}",
        code=codes.INVALID_LAUNCHER,
        hint='for example python3 -u {{ACS::ScriptFileName|Ext(".py")}}',
    )
