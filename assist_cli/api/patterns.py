"""Regular expressions of definitions, against values that a client gives: in a process of their own, for a short time.

A pattern may take years for a value that was made for it, and it holds every thread of this process meanwhile. So a
value first meets its pattern elsewhere; one that takes too long there is refused.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterable, Mapping

from assist_cli.api.faults import invalid
from assist_cli.model.parameters import Definition

_PROGRAM = """
import json, re, resource, sys
resource.setrlimit(resource.RLIMIT_CPU, (1, 1))
for pattern, text in json.load(sys.stdin):
    re.fullmatch(pattern, text)
"""


def check_time(definitions: Iterable[Definition], values: Mapping[str, str], timeout: float) -> None:
    """Raise Fault when matching a value takes longer than ``timeout`` seconds, or 1 s of the processor.

    Whether it matches, the operation says.
    """
    by_key = {key.lower(): value for key, value in values.items()}
    pairs = [
        [entry.pattern, by_key[entry.key.lower()]]
        for entry in definitions
        if entry.pattern is not None and entry.key.lower() in by_key
    ]
    if not pairs:
        return
    try:
        subprocess.run(
            [sys.executable, "-I", "-S", "-c", _PROGRAM],
            input=json.dumps(pairs).encode(),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            timeout=timeout,
            check=True,
        )
    except (subprocess.TimeoutExpired, subprocess.CalledProcessError):
        raise invalid("Parameters", "(matching a value with the pattern of its definition takes too long)") from None
