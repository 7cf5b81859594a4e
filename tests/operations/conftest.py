"""A controller with a home of its own and a clock that the test controls."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from assist_cli.model.audit import Actor
from assist_cli.operations.controller import Controller
from assist_cli.paths import Home
from assist_cli.store.database import open_database


class Clock:
    """A clock that stands still until the test moves it; ``elapsed`` is the monotonic clock, which nobody sets."""

    def __init__(self) -> None:
        self.moment = datetime(2026, 11, 22, 8, tzinfo=timezone.utc)
        self.seconds = 1000.0

    def __call__(self) -> datetime:
        return self.moment

    def elapsed(self) -> float:
        return self.seconds

    def forward(self, seconds: float) -> None:
        """Advance both clocks."""
        self.moment += timedelta(seconds=seconds)
        self.seconds += seconds


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def now(clock: Clock) -> Clock:
    """The clock of the test, at the present: agents report the real time."""
    clock.moment = datetime.now(timezone.utc).replace(microsecond=0)
    return clock


@pytest.fixture
def controller(home: Path, clock: Clock) -> Iterator[Controller]:
    rooms = Home(home)
    rooms.folder(rooms.root)
    with open_database(rooms.database) as database:
        yield Controller(rooms, database, clock, Actor("ann", 1000, "pts/1 of desk"), clock.elapsed)
