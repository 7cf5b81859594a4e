"""Passwords of users: their rules, and their hashes by Argon2id."""

from __future__ import annotations

import functools
import threading
from typing import TYPE_CHECKING

from assist_cli import codes
from assist_cli.errors import InvalidParameter, LocalFailure
from assist_cli.model import names
from assist_cli.model.secret import Secret

if TYPE_CHECKING:
    from argon2 import PasswordHasher

SHORTEST = 12  # characters
LONGEST = 1000

_one_at_a_time = threading.Lock()  # a hash takes 19 MiB, and the time of a processor


def hashed(password: Secret) -> str:
    """Return the hash of a new password. Raises InvalidParameter, LocalFailure."""
    text = names.normal(password.reveal())
    if not SHORTEST <= len(text) <= LONGEST:
        raise InvalidParameter(
            f"cannot use this password: it has {len(text):,} characters",
            hint=f"a password has {SHORTEST} to {LONGEST:,} characters; some words in a row are good",
            code=codes.INVALID_PASSWORD,
        )
    with _one_at_a_time:
        return _hasher().hash(text)


def fits(password: Secret, known: str | None) -> bool:
    """Return True if a password has this hash. It takes the same time for an unknown user (None)."""
    import argon2

    text = names.normal(password.reveal()[: 4 * LONGEST])[: LONGEST + 1]  # composed characters have a few parts
    with _one_at_a_time:
        try:
            _hasher().verify(known or _nobody(), text)
        except (argon2.exceptions.VerificationError, argon2.exceptions.InvalidHashError):
            return False
    return known is not None


@functools.cache
def _hasher() -> PasswordHasher:
    try:
        import argon2
    except ModuleNotFoundError as error:
        raise LocalFailure(
            f"cannot use passwords: the package {error.name} is not installed",
            hint="pip install 'assist-cli[web]'",
            code=codes.EXTRA_NOT_INSTALLED,
        ) from error
    return argon2.PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)  # OWASP's parameters


@functools.cache
def _nobody() -> str:
    return _hasher().hash("")
