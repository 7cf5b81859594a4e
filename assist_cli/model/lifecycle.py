"""The life of a record: its deadline."""

from __future__ import annotations

from datetime import timedelta

GRACE = timedelta(seconds=30)


def lifetime(timeout: int) -> timedelta:
    """Return how long after its dispatch a record may stay open, given its ``timeout`` in seconds.

    The rule is docs/rules.md section 2.
    """
    return timedelta(seconds=timeout) + GRACE
