"""The rules of names: of commands, instances and tags, and of users and paths on instances (docs/rules.md section 3).

People read names, type them in shells and put them in lists, where ``@``, ``,`` and ``/`` have a meaning. Names are
compared in composed form (Unicode NFC), so that two that look the same because of accents are the same. The name of an
instance or a tag must also work in targets; it is refused when no target can contain it.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from typing import Literal

from assist_cli import codes
from assist_cli.errors import InvalidParameter
from assist_cli.model import ids, quotas

DIGITS = 18  # at most, in a number of a range of a target
SIMILAR, SIMILAR_SHORT = 0.7, 0.6  # from 0 to 1: names that are as similar are suggested for each other
SHORT = 4  # characters, at most, of a short name
CLOSE = 0.15  # a suggestion is at most this much less similar than the best one
RESERVED = ("group:", "file:")  # beginnings of targets, refused in names

_PUNCTUATION = "@,/"
_SIGNS = "&*?[]"  # of targets
_MARKS = 30  # as in the Stream-Safe Text Format of Unicode (UAX 15)
# Persian and Hindi words, and emoji of several parts, need these two; they move nothing on a screen.
_JOINERS = dict.fromkeys(map(ord, "\u200c\u200d"))


def normal(text: str, form: Literal["NFC", "NFD"] = "NFC") -> str:
    """Return a text in a normal form of Unicode, the same for all ways of typing it.

    A text with more than ``_MARKS`` combining marks in a row stays as it is. No language has that, and the time for it
    grows with the square of their number.
    """
    if text.isascii():
        return text
    row = 0
    for character in text:
        row = row + 1 if unicodedata.category(character)[0] == "M" else 0
        if row > _MARKS:
            return text
    return unicodedata.normalize(form, text)


def checked_name(name: str) -> str:
    """Return the name in the form that is stored. Raises InvalidParameter (InvalidName), QuotaExceeded.

    It may look like the id of an enrolment, which has no name.
    """
    name = _readable(name, "name")
    if any(ids.is_prefix(name.lower(), kind) for kind in ids.Kind if kind is not ids.Kind.ENROLMENT):
        raise _refusal("name", name, "it looks like the beginning of an id", f"do not begin it with '{name[:2]}'")
    return name


def _readable(name: str, what: str) -> str:
    """Return the name in the form that is stored; ``what`` names it in messages. Raises as ``checked_name`` does."""
    name = normal(name)
    quotas.check_length(quotas.NAME, name)
    reason, hint = None, "use letters of any script, digits and signs other than '@', ',' and '/'"
    if not name:
        reason = "it is empty"
    elif not name.isprintable():
        reason = "it has a control or an invisible character"
    elif any(character in name for character in _PUNCTUATION):
        reason = f"it has one of {' '.join(_PUNCTUATION)}"
    elif name.startswith("-"):
        reason, hint = "it starts with '-'", "begin it with a letter, a digit or another sign"
    elif name != name.strip():
        reason, hint = "it starts or ends with a space", f"leave that out: {name.strip()!r}"
    if reason:
        raise _refusal(what, name, reason, hint)
    return name


def checked_target_name(name: str) -> str:
    """Return the name of an instance in the form that is stored. Raises as ``checked_name`` does."""
    return _checked_for_targets(checked_name(name), "name")


def _checked_for_targets(name: str, what: str) -> str:
    """Return the name if targets can contain it, alone and in a range (docs/cli.md section 2)."""
    reason = None
    if any(character in name for character in _SIGNS):
        reason = f"it has one of {' '.join(_SIGNS)}"
    elif name.startswith(("!", *RESERVED)):
        reason = "it starts with " + ("'!'" if name.startswith("!") else f"'{name.partition(':')[0]}:'")
    elif unicodedata.combining(name[0]):
        reason = "it starts with an accent that follows no letter"
    elif re.search(rf"[0-9]{{{DIGITS + 1}}}", name):
        reason = f"it has a number of more than {DIGITS} digits"
    if reason:
        raise _refusal(what, name, reason, "use no signs of targets in a name; assist help targets lists them")
    return name


def checked_tag(key: str, value: str) -> tuple[str, str]:
    """Return a tag in the form that is stored; an empty ``value`` is allowed. Raises as ``checked_name`` does."""
    what = "value of a tag"
    key = _checked_for_targets(_readable(key, "tag"), "tag")
    if "=" in key:
        raise _refusal("tag", key, "it has a '='", "a '=' separates a tag from its value")
    return key, _checked_for_targets(_readable(value, what), what) if value else ""


def _refusal(what: str, name: str, reason: str, hint: str) -> InvalidParameter:
    return InvalidParameter(f"cannot use the {what} {name!r}: {reason}", code=codes.INVALID_NAME, hint=hint)


def is_text_line(text: str) -> bool:
    """Return True if a text is one line of visible characters: no control and no direction characters."""
    return text.translate(_JOINERS).isprintable()


def is_absolute_path(path: str) -> bool:
    """Return True if this can be an absolute path of Unix or Windows."""
    return path.isprintable() and re.match(r"/|[A-Za-z]:[\\/]|\\\\", path) is not None


def is_account(name: str) -> bool:
    """Return True if this can be the name of a user or a group on an instance."""
    return bool(name) and name.isprintable() and not name.startswith("-") and ":" not in name


def quoted(word: str) -> str:
    """Return the word quoted for a shell: ``'web*'``, ``web1``. For hints that people copy."""
    import shlex  # imported here, since most commands end without a hint

    return shlex.quote(word)


def some_of(found: Sequence[str], most: int = 4) -> str:
    """Return the first names of a list and the number of others: ``a, b, c, d and 3 more``."""
    others = len(found) - most
    return ", ".join(found[:most]) + (f" and {others:,} more" if others > 0 else "")


def meant(name: str, known: Iterable[str]) -> str:
    """Return the beginning of a hint for an unknown name: ``did you mean 'backup'? ``, or an empty text."""
    near = nearest(name, known)[:3]
    return f"did you mean {' or '.join(map(repr, near))}? " if near else ""


def nearest(name: str, known: Iterable[str], cutoff: float = SIMILAR) -> list[str]:
    """Return the similar names, the most similar first. Those that are equally similar keep their order.

    A short name may be less similar than a long one.
    """
    import difflib

    wanted = name.casefold()
    matcher = difflib.SequenceMatcher(b=wanted)
    least = min(cutoff, SIMILAR_SHORT) if len(wanted) <= SHORT else cutoff
    scored = []
    for other in known:
        folded = other.casefold()
        matcher.set_seq1(folded)
        if sorted(folded) == sorted(wanted):  # two letters are swapped
            scored.append((1.0, other))
        elif matcher.real_quick_ratio() >= least and (ratio := matcher.ratio()) >= least:
            scored.append((ratio, other))
    if not scored:
        return []
    best = max(ratio for ratio, _ in scored)
    near = [each for each in scored if each[0] >= best - CLOSE]
    return [other for _, other in sorted(near, key=lambda each: -each[0])]
