"""Periodic duties end their pauses at the same moments."""

from __future__ import annotations

import asyncio

import pytest

from assist_cli.operations import periodic


class StoppedLoop(asyncio.SelectorEventLoop):
    """An event loop whose clock stands still."""

    now = 0.0

    def time(self) -> float:
        return self.now


@pytest.mark.parametrize("now", [0.0, 0.3, 1 - 1e-9, 7.25, 86_400.3])
@pytest.mark.parametrize("seconds", [0.1, 0.5, 1.0])
def test_a_pause_ends_at_a_multiple_of_its_length(now: float, seconds: float):
    async def length() -> float:
        return periodic.until_next(seconds)

    loop = StoppedLoop()
    loop.now = now
    try:
        found = loop.run_until_complete(length())
    finally:
        loop.close()
    assert seconds / 1000 < found < seconds * 1.001  # never so short that a duty runs two times
    assert (now + found) / seconds == pytest.approx(round((now + found) / seconds))
