"""Parameters of tests with many variants of one kind: some in ``make test``, all in ``make test-all``."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest


def every(step: int, values: Iterable[Any]) -> list[Any]:
    """The values as parameters: every ``step``-th one for ``make test``, the others ``long``.

    A tuple is several values.
    """
    found = []
    for number, value in enumerate(values):
        words = value if isinstance(value, tuple) else (value,)
        found.append(pytest.param(*words, marks=pytest.mark.long if number % step else ()))
    return found
