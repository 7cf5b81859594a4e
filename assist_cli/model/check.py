"""One thing that ``assist doctor`` has looked at."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Check:
    """What was looked at, whether it is in order, what was found, and what to do when it is not."""

    name: str
    ok: bool
    detail: str
    hint: str = ""
