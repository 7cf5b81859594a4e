"""One check of ``assist doctor``."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Check:
    """The name of a check, its result, what it found, and what to do when it failed."""

    name: str
    ok: bool
    detail: str
    hint: str = ""
