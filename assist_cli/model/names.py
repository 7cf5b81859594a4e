"""The rules of names: of commands, instances and tags, and of things of an instance (docs/rules.md section 3).

A name is read by people, typed in shells and stands in lists that use ``@``, ``,`` and ``/`` themselves. It is compared
in its composed form (Unicode NFC), so that two that look the same because of accents are the same. The name of an
instance or a tag also stands in targets, and is refused when no target can say it.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence

from assist_cli import codes
from assist_cli.errors import InvalidParameter
from assist_cli.model import ids, quotas

DIGITS = 18  # at most, in a number that a range of a target can have
RESERVED = ("group:", "file:")  # beginnings of targets that no name may have

_PUNCTUATION = "@,/"
_SIGNS = "&*?[]"  # of targets
# Persian and Hindi words, and emoji of several parts, are written with these two; they move nothing on a screen.
_JOINERS = dict.fromkeys(map(ord, "\u200c\u200d"))


def checked_name(name: str) -> str:
    """The name in the form that is stored. Raises InvalidParameter (InvalidName) or QuotaExceeded (NameExceedLimit)."""
    name = _readable(name, "name")
    if any(ids.is_prefix(name.lower(), kind) for kind in ids.Kind):
        raise _refusal(
            "name", name, "it looks like the beginning of an id", f"begin it otherwise than with '{name[:2]}'"
        )
    return name


def _readable(name: str, what: str) -> str:
    """The name in the form that is stored; ``what`` is what the message calls it. Raises as ``checked_name`` does."""
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
    if reason:
        raise _refusal(what, name, reason, "use letters of any script, digits and signs other than '@', ',' and '/'")
    return name


def checked_target_name(name: str) -> str:
    """Return the name of an instance in the form that is stored. Raises as ``checked_name`` does."""
    return _sayable(checked_name(name), "name")


def _sayable(name: str, what: str) -> str:
    """The name, which a target can say, alone and in a range (docs/cli.md section 2). Raises InvalidParameter."""
    reason = None
    if any(character in name for character in _SIGNS):
        reason = f"it has one of {' '.join(_SIGNS)}"
    elif name.startswith(("!", *RESERVED)):
        reason = "it starts with " + ("'!'" if name.startswith("!") else f"'{name.partition(':')[0]}:'")
    elif unicodedata.combining(name[0]):
        reason = "it starts with an accent that belongs to no letter"
    elif re.search(rf"[0-9]{{{DIGITS + 1}}}", name):
        reason = f"it has a number of more than {DIGITS} digits"
    if reason:
        raise _refusal(what, name, reason, "leave out what targets use themselves; assist help targets shows it")
    return name


def checked_tag(key: str, value: str) -> tuple[str, str]:
    """Return a tag in the form that is stored; an empty ``value`` is allowed. Raises as ``checked_name`` does."""
    what = "value of a tag"
    key = _sayable(_readable(key, "tag"), "tag")
    if "=" in key:
        raise _refusal("tag", key, "it has a '='", "a '=' stands between a tag and its value")
    return key, _sayable(_readable(value, what), what) if value else ""


def _refusal(what: str, name: str, reason: str, hint: str) -> InvalidParameter:
    return InvalidParameter(f"cannot use the {what} {name!r}: {reason}", code=codes.INVALID_NAME, hint=hint)


def is_text_line(text: str) -> bool:
    """Whether a text is one line that a terminal shows as it is: no control, no invisible, no direction character."""
    return text.translate(_JOINERS).isprintable()


def is_absolute_path(path: str) -> bool:
    """Whether this can be a path of Unix or Windows that begins at the root."""
    return path.isprintable() and re.match(r"/|[A-Za-z]:[\\/]|\\\\", path) is not None


def is_account(name: str) -> bool:
    """Whether this could be the name of a user or a group of an instance."""
    return bool(name) and name.isprintable() and not name.startswith("-") and ":" not in name


def quoted(word: str) -> str:
    """The word as it is typed in a shell: ``'web*'``, ``web1``. For what a hint has to be copied from."""
    import shlex  # most commands end without a hint

    return shlex.quote(word)


def some_of(found: Sequence[str], most: int = 4) -> str:
    """``a, b, c, d and 3 more``: the first of what a word names, where it may name only one."""
    others = len(found) - most
    return ", ".join(found[:most]) + (f" and {others:,} more" if others > 0 else "")


def meant(name: str, known: Iterable[str]) -> str:
    """The beginning of a hint for a name that there is not: ``did you mean 'backup'? ``, or nothing."""
    import difflib

    near = difflib.get_close_matches(name, list(known), n=3, cutoff=0.7)
    return f"did you mean {' or '.join(map(repr, near))}? " if near else ""
