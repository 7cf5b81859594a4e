"""Identifiers: a letter for the kind, a dash, and a ULID in lower case, as in ``t-01kbdk5g8w3m9v6yx2r4hq7cne``.

A ULID is 26 characters of Crockford's base32 (no i, l, o, u): 10 for the time in milliseconds, 16 of chance. Ids of
one kind sort by the time they were made, and any unique prefix of one names it.
"""

from __future__ import annotations

from enum import Enum
from os import urandom  # what the module secrets gives too, which takes 10 ms to import

ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
TIME_LENGTH = 10
CHANCE_LENGTH = 16
SHORT_LENGTH = 2 + TIME_LENGTH
LENGTH = 2 + TIME_LENGTH + CHANCE_LENGTH


class Kind(str, Enum):
    """What an id names; the value is its prefix."""

    INVOCATION = "t-"
    RECORD = "r-"
    COMMAND = "c-"
    INSTANCE = "i-"
    FILE = "f-"


def new_id(kind: Kind, now_ms: int) -> str:
    """A new id of ``kind``, made at ``now_ms`` (milliseconds since the epoch)."""
    return kind.value + _base32(now_ms, TIME_LENGTH) + _base32(int.from_bytes(urandom(10), "big"), CHANCE_LENGTH)


def derived(kind: Kind, moment_ms: int, *parts: str) -> str:
    """The id of ``kind`` that these parts have at a moment, wherever it is worked out."""
    import hashlib  # which few programs need, and which takes longer to import than all of this module

    digest = hashlib.sha256("\0".join(parts).encode()).digest()
    return kind.value + _base32(moment_ms, TIME_LENGTH) + _base32(int.from_bytes(digest[:10], "big"), CHANCE_LENGTH)


def earliest(kind: Kind, since_ms: int) -> str:
    """What sorts before every id of ``kind`` that was made at or after a moment, and after all that are older."""
    return kind.value + _base32(max(since_ms, 0), TIME_LENGTH)


def is_prefix(text: str, kind: Kind) -> bool:
    """Whether ``text`` is an id of ``kind`` or could be the beginning of one: ``t-01k3`` is, ``backup`` is not."""
    rest = text[len(kind.value) :]
    return text.startswith(kind.value) and len(rest) <= TIME_LENGTH + CHANCE_LENGTH and all(c in ALPHABET for c in rest)


def _base32(number: int, length: int) -> str:
    digits = []
    for _ in range(length):
        number, digit = divmod(number, 32)
        digits.append(ALPHABET[digit])
    return "".join(reversed(digits))
