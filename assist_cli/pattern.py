"""Regular expressions of users, matched in bounded time.

A pattern may take years for a suitable value, and blocks every thread of its process. So each match runs in a process
of its own, which ends after 1 s of CPU time.
"""

from __future__ import annotations

import json
import subprocess
import sys

_PROGRAM = """
import json, re, sys
try:
    import resource
    resource.setrlimit(resource.RLIMIT_CPU, (1, 1))
except ImportError:
    pass
pattern, text = json.load(sys.stdin)
print(re.fullmatch(pattern, text) is not None)
"""


class TooSlow(Exception):
    """A match took too long, so its result is unknown."""


def matches(pattern: str, text: str, timeout: float) -> bool:
    """Return True if the whole text matches. Raises TooSlow after ``timeout`` seconds, or 1 s of CPU time."""
    try:
        told = subprocess.run(
            [sys.executable, "-I", "-S", "-c", _PROGRAM],
            input=json.dumps([pattern, text]).encode(),
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=timeout,
            check=True,
        ).stdout
    except (subprocess.TimeoutExpired, subprocess.CalledProcessError):
        raise TooSlow from None
    return told.strip() == b"True"
