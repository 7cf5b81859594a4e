"""Identifiers: a letter for the kind, a dash, and a ULID in lower case, as in ``t-01kbdk5g8w3m9v6yx2r4hq7cne``.

A ULID is 26 characters of Crockford's base32 (no i, l, o, u): 10 for the time in milliseconds, 16 at random. Ids of
one kind sort by their creation time. Any unique prefix of an id identifies it.
"""

from __future__ import annotations

from enum import Enum
from os import urandom  # the same as in the module secrets, which takes 10 ms to import

ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
_DIGITS = ALPHABET.encode() * 8  # a digit for each byte
TIME_LENGTH = 10
RANDOM_LENGTH = 16
SHORT_LENGTH = 2 + TIME_LENGTH
LENGTH = 2 + TIME_LENGTH + RANDOM_LENGTH


class Kind(str, Enum):
    """The kind of object that an id names; the value is its prefix."""

    INVOCATION = "t-"
    RECORD = "r-"
    COMMAND = "c-"
    INSTANCE = "i-"
    FILE = "f-"
    ENROLMENT = "e-"


def new_id(kind: Kind, now_ms: int) -> str:
    """Return a new id of ``kind``, created at ``now_ms`` (milliseconds since the epoch)."""
    return kind.value + _base32(now_ms, TIME_LENGTH) + urandom(RANDOM_LENGTH).translate(_DIGITS).decode()


def derived(kind: Kind, moment_ms: int, *parts: str) -> str:
    """The id of ``kind`` that these parts have at a moment: the same one in every copy of a home."""
    import hashlib  # which few programs need, and which takes longer to import than all of this module

    digest = hashlib.sha256("\0".join(parts).encode()).digest()
    return kind.value + _base32(moment_ms, TIME_LENGTH) + _base32(int.from_bytes(digest[:10], "big"), RANDOM_LENGTH)


def earliest(kind: Kind, since_ms: int) -> str:
    """Return a text that sorts between the ids of ``kind`` from before a moment, and those from then on."""
    return kind.value + _base32(max(since_ms, 0), TIME_LENGTH)


def is_prefix(text: str, kind: Kind) -> bool:
    """Return True if ``text`` is an id of ``kind`` or the beginning of one: ``t-01k3`` is, ``backup`` is not."""
    rest = text[len(kind.value) :]
    return text.startswith(kind.value) and len(rest) <= TIME_LENGTH + RANDOM_LENGTH and not rest.strip(ALPHABET)


def shortened(text: str) -> str:
    """Return an id as short as in lists; any other text as it is."""
    return text[:SHORT_LENGTH] if any(is_prefix(text, kind) for kind in Kind) else text


def _base32(number: int, length: int) -> str:
    return "".join([ALPHABET[number >> shift & 31] for shift in range(5 * (length - 1), -1, -5)])
