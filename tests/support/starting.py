"""A guard against starts of processes. The interpreter reports each start to an audit hook, for any caller.

A test that is not marked ``process`` and starts one fails, so that the marker is true. A command that runs in the
process of the tests may start programs and never fork: the fork would be a copy of all tests.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator

import croniter  # noqa: F401 - when it is imported it starts the program file, one time
import pytest

_FORKS = frozenset({"os.fork", "os.forkpty"})
_STARTS = _FORKS | {"os.posix_spawn", "os.spawn", "os.system", "subprocess.Popen"}

_refused: frozenset[str] = frozenset()


def _refuse(event: str, words: tuple[object, ...]) -> None:
    if event in _refused:
        ask = "installed" if _refused is _FORKS else "starts_processes"
        pytest.fail(f"{event} {words[:1]}: a test that does so asks for the fixture {ask}")


sys.addaudithook(_refuse)


@contextlib.contextmanager
def _without(events: frozenset[str]) -> Iterator[None]:
    global _refused
    before, _refused = _refused, _refused or events
    try:
        yield
    finally:
        _refused = before


def without_processes() -> contextlib.AbstractContextManager[None]:
    """Forbid every start of a process."""
    return _without(_STARTS)


def without_forks() -> contextlib.AbstractContextManager[None]:
    """Forbid forks; an enclosing ban of all processes stays."""
    return _without(_FORKS)
