"""What a name may look like: of commands, instances and tags, and of things of an instance (docs/rules.md section 3).

A name is read by people, typed in shells and stands in lists that use ``@``, ``,`` and ``/`` themselves. It is compared
in its composed form (Unicode NFC), so that two that look the same because of accents are the same.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable

from assist_cli import codes
from assist_cli.errors import InvalidParameter
from assist_cli.model import ids, quotas

_PUNCTUATION = "@,/"
# Persian and Hindi words, and emoji of several parts, are written with these two; they move nothing on a screen.
_JOINERS = dict.fromkeys(map(ord, "\u200c\u200d"))


def checked_name(name: str, what: str = "name") -> str:
    """The name in the form that is stored. Raises InvalidParameter (InvalidName) or QuotaExceeded (NameExceedLimit).

    ``what`` says in the message whose name it is: "name", "tag" …
    """
    name = unicodedata.normalize("NFC", name)
    quotas.check_length(quotas.NAME, name)
    reason = None
    if not name:
        reason = "it is empty"
    elif not name.isprintable():
        reason = "it has a control or an invisible character"
    elif any(character in name for character in _PUNCTUATION):
        reason = f"it has one of {' '.join(_PUNCTUATION)}"
    elif name.startswith("-"):
        reason = "it starts with '-'"
    elif name != name.strip():
        reason = "it starts or ends with a space"
    elif len(name) == ids.LENGTH and any(ids.is_prefix(name, kind) for kind in ids.Kind):
        reason = "it looks like an id"
    if reason:
        raise InvalidParameter(
            f"cannot use the {what} {name!r}: {reason}",
            code=codes.INVALID_NAME,
            hint="use letters of any script, digits and signs other than '@', ',' and '/'",
        )
    return name


def is_text_line(text: str) -> bool:
    """Whether a text is one line that a terminal shows as it is: no control, no invisible, no direction character."""
    return text.translate(_JOINERS).isprintable()


def is_absolute_path(path: str) -> bool:
    """Whether this can be a path of Unix or Windows that begins at the root."""
    return path.isprintable() and re.match(r"/|[A-Za-z]:[\\/]|\\\\", path) is not None


def is_account(name: str) -> bool:
    """Whether this could be the name of a user or a group of an instance."""
    return bool(name) and name.isprintable() and not name.startswith("-") and ":" not in name


def meant(name: str, known: Iterable[str]) -> str:
    """The beginning of a hint for a name that there is not: ``did you mean 'backup'? ``, or nothing."""
    import difflib

    near = difflib.get_close_matches(name, list(known), n=3, cutoff=0.7)
    return f"did you mean {' or '.join(map(repr, near))}? " if near else ""
