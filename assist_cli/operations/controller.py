"""What every operation works with: the home, its database, the clock, and who acts."""

from __future__ import annotations

import contextlib
from collections import deque
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timezone

from assist_cli.model.audit import Actor
from assist_cli.operations.actor import local_actor
from assist_cli.paths import Home, region
from assist_cli.store.database import Database, Transaction, open_database

# What else is written in the transaction that makes something: it is given the new id and the instances it is for.
Also = Callable[[Transaction, str, Collection[str]], None]


def utc_now() -> datetime:
    return datetime.now(timezone.utc)


@dataclass(frozen=True)
class Controller:
    """One controller at work. ``now`` gives the moment in UTC; a test may give it another clock.

    ``actor`` is who answers for what is done, in the audit log.
    """

    home: Home
    database: Database
    now: Callable[[], datetime] = utc_now
    actor: Actor = field(default_factory=local_actor)

    @property
    def id(self) -> str:
        """The name by which agents know this controller."""
        name = self.database.setting("controller")
        assert name is not None
        return name

    @property
    def region(self) -> str:
        """The name by which scripts and clients of the API know this controller. Raises InvalidParameter."""
        return region()

    def now_ms(self) -> int:
        """The moment as ids have it: milliseconds since the epoch."""
        return int(self.now().timestamp() * 1000)


@contextlib.contextmanager
def open_controller(home: Home) -> Iterator[Controller]:
    """The controller of a home, which is made on first use. Raises DatabaseFailure, FileFailure, NotPermitted."""
    home.folder(home.root)
    with open_database(home.database) as database:
        yield Controller(home, database)


class Controllers:
    """Controllers of a home for the threads of a server: each has one for as long as it needs it. Close them.

    One is opened when none is free, and kept for the next: opening a database costs more than most of what is asked.
    """

    def __init__(self, home: Home) -> None:
        home.folder(home.root)
        self._home = home
        self._free: deque[Controller] = deque()  # its methods are atomic

    @contextlib.contextmanager
    def one(self) -> Iterator[Controller]:
        """A controller that nobody else has meanwhile. Raises DatabaseFailure, NotPermitted."""
        try:
            controller = self._free.pop()
        except IndexError:
            controller = Controller(self._home, open_database(self._home.database, any_thread=True))
        try:
            yield controller
        finally:
            self._free.append(controller)

    def close(self) -> None:
        """Close all that are free, which is all of them when the threads are gone."""
        while self._free:
            self._free.pop().database.close()
