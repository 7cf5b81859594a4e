"""The context of every operation: the home, its database, the clock and the actor."""

from __future__ import annotations

import contextlib
import functools
import time
from collections import deque
from collections.abc import Awaitable, Callable, Collection, Iterator
from datetime import datetime, timezone
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from assist_cli.errors import AssistError, DatabaseFailure
from assist_cli.model.audit import Actor
from assist_cli.model.instance import Contact, Facts
from assist_cli.model.moment import Moment
from assist_cli.model.timeouts import DEFAULTS, Timeouts
from assist_cli.operations.actor import local_actor
from assist_cli.paths import Home, region
from assist_cli.store import instances
from assist_cli.store.database import CONTROLLER_EPOCH, RESTORE, Database, Transaction, open_database

if TYPE_CHECKING:
    from typing import Concatenate, ParamSpec, TypeVar

    from assist_cli.agents.client import Client

    P = ParamSpec("P")
    T = TypeVar("T")

# Connects to the agent of the instance with this id; the greeting has been exchanged.
Connect = Callable[[str], Awaitable["Client"]]

# Runs work of a controller in another thread, with a controller for that thread.
InThread = Callable[["Controller", Callable[["Controller"], Any]], Awaitable[Any]]

# Writes more in the transaction that creates something: gets the new id and the ids of its instances.
Also = Callable[[Transaction, str, Collection[str]], None]


def nothing_more(transaction: Transaction, subject: str, instance_ids: Collection[str]) -> None:
    """Write nothing more: the ``Also`` of a change by the user of the home."""


def utc_now() -> datetime:
    return datetime.now(timezone.utc)


def elapsed_seconds() -> float:
    """Return the seconds since boot, from a clock that cannot be set. It includes suspend where the system can."""
    boottime = getattr(time, "CLOCK_BOOTTIME", None)
    return time.monotonic() if boottime is None else time.clock_gettime(boottime)


@functools.cache
def boot_id() -> str:
    """Return the id of the boot that ``elapsed_seconds`` counts from; empty where the system has none."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text("utf-8").strip()
    except OSError:
        return ""


class Controller:
    """One controller. The audit log attributes its operations to ``actor``, by default the user of this process.

    ``now`` returns the time in UTC, ``elapsed`` the seconds since the boot ``boot``. ``connect`` replaces connecting
    by address (None: by address). With ``in_thread``, the changes of its event loop are made in other threads. Tests
    pass their own clocks and shorter ``timeouts``.
    """

    def __init__(
        self,
        home: Home,
        database: Database,
        now: Callable[[], datetime] = utc_now,
        actor: Actor | None = None,
        elapsed: Callable[[], float] = elapsed_seconds,
        boot: str | None = None,
        connect: Connect | None = None,
        in_thread: InThread | None = None,
        timeouts: Timeouts = DEFAULTS,
    ) -> None:
        self.home: Final = home
        self.database: Final = database
        self.now: Final = now
        self.actor: Final = actor or local_actor()
        self.elapsed: Final = elapsed
        self.boot: Final = boot_id() if boot is None else boot
        self.connect: Final = connect
        self.in_thread: Final = in_thread
        self.timeouts: Final = timeouts
        self.refusals: Final[list[int]] = []  # higher epochs, from agents
        self._contacts: Final[dict[str, Contact]] = {}  # by instance, unwritten

    def replace(self, **changes: Any) -> Controller:
        """Return the same controller with other values of these names. Contacts and refusals are those of both."""
        other = object.__new__(type(self))
        vars(other).update(vars(self), **changes)
        return other

    @property
    def id(self) -> str:
        """The name by which agents know this controller. Raises DatabaseFailure."""
        name = self.database.setting("controller")
        if name is None:
            raise DatabaseFailure(
                f"cannot use the database '{self.home.database}': the name of this controller is missing", hint=RESTORE
            )
        return name

    @property
    def epoch(self) -> int:
        """The number that tells copies of this controller apart: the second of the last take-over, 0 for none."""
        return int(self.database.setting(CONTROLLER_EPOCH) or 0)

    @property
    def region(self) -> str:
        """The name by which scripts and clients of the API know this controller. Raises InvalidParameter."""
        return region()

    def moment(self) -> Moment:
        """Return the current time on both clocks."""
        return Moment(self.now(), self.elapsed(), self.boot)

    async def change(self, work: Callable[Concatenate[Controller, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run work that changes the database, and return its result when it is committed.

        A commit waits for the disk. In a server it runs in another thread, so that the event loop does not wait.
        """
        if self.in_thread is None:
            return work(self, *args, **kwargs)
        found: T = await self.in_thread(self, lambda controller: work(controller, *args, **kwargs))
        return found

    def note_contact(
        self, instance_id: str, system: str, enrolment: str = "", facts: Facts = MappingProxyType({})
    ) -> None:
        """Note that the agent of an instance has answered now, and what it reported of itself (empty: nothing new).

        The next transaction of a batch writes it, or ``settle_contacts`` at the end.
        """
        unwritten = self._contacts.get(instance_id)
        if unwritten is not None and not facts:
            facts = unwritten.facts
        self._contacts[instance_id] = Contact(system, self.now(), enrolment, facts)

    def write_contacts(self, transaction: Transaction) -> None:
        """Write the contacts that were noted since the last call."""
        contacts = {}
        while self._contacts:  # the event loop may note more at the same time
            instance_id, contact = self._contacts.popitem()
            contacts[instance_id] = contact
        if contacts:
            instances.note_heard(transaction, contacts)

    def settle_contacts(self) -> None:
        """Write the contacts that are still unwritten. Errors are ignored: a lost contact does no harm."""
        if self._contacts:
            with contextlib.suppress(AssistError), self.database.transaction() as transaction:
                self.write_contacts(transaction)

    async def contacts_settled(self) -> None:
        """Write them like ``settle_contacts``, from an event loop."""
        if self._contacts:
            await self.change(Controller.settle_contacts)

    def now_ms(self) -> int:
        """The current time as ids contain it: milliseconds since the epoch."""
        return int(self.now().timestamp() * 1000)


@contextlib.contextmanager
def open_controller(home: Home) -> Iterator[Controller]:
    """Open the controller of a home; create the home on first use.

    Raises DatabaseFailure, FileFailure, NotPermitted.
    """
    home.prepare()
    with open_database(home.database) as database:
        controller = Controller(home, database)
        try:
            yield controller
        finally:
            controller.settle_contacts()


class Controllers:
    """A pool of controllers of one home, for the threads of a server. Close it after use.

    Opening a database costs more than most calls, so a controller is reused. All of them write through one connection.
    """

    def __init__(self, home: Home, timeouts: Timeouts = DEFAULTS) -> None:
        from assist_cli.store.shared_writer import SharedWriter  # only a server has threads

        home.prepare()
        self.home = home
        self._timeouts = timeouts
        self._free: deque[Controller] = deque()  # its methods are atomic
        database = open_database(home.database, any_thread=True, busy=timeouts.database)
        database.undo_in_memory()
        self._writer = SharedWriter(database)

    @contextlib.contextmanager
    def one(self) -> Iterator[Controller]:
        """Lend a controller to one thread. Raises DatabaseFailure, NotPermitted."""
        try:
            controller = self._free.pop()
        except IndexError:
            database = open_database(
                self.home.database, any_thread=True, busy=self._timeouts.database, shared=self._writer.transaction
            )
            controller = Controller(self.home, database, timeouts=self._timeouts)
        try:
            yield controller
        finally:
            controller.settle_contacts()
            self._free.append(controller)

    def close(self) -> None:
        """Close all free controllers. After the threads have ended, these are all of them."""
        while self._free:
            self._free.pop().database.close()
        self._writer.close()
