"""Schedules, their due times, and their slots.

The rules are docs/rules.md section 6. Times are moments in UTC; a frequency knows its own zone.
"""

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from enum import Enum
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple

from assist_cli.errors import InvalidParameter
from assist_cli.structs import Struct

if TYPE_CHECKING:
    from assist_cli.model.frequency import Frequency

KEEP = 1000
LATE = timedelta(seconds=1)
LATEST = timedelta(seconds=60)
OFTEN = timedelta(hours=1)
SEARCH_STEP = timedelta(minutes=1)
MOMENT = timedelta(milliseconds=1)


class Missed(str, Enum):
    """The missed run policy, for due times while the server was down: skip them, or one run for all of them."""

    SKIP = "skip"
    RUN_ONCE = "run-once"

    __str__ = str.__str__


class SlotOutcome(str, Enum):
    """The outcome of a due time on an instance. Ran, Late and MadeUp: the agent has accepted the record."""

    PENDING = "Pending"
    RAN = "Ran"
    LATE = "Late"
    MADE_UP = "MadeUp"
    SKIPPED_OVERLAP = "SkippedOverlap"
    MISSED_DOWN = "MissedDown"
    NOT_DELIVERED = "NotDelivered"

    __str__ = str.__str__


class Timing(Struct):
    """The schedule that a person asks for: the frequency and its settings.

    ``jitter`` is the time over which the instances of one firing are spread. ``keep`` is the number of records that are
    kept for each instance.
    """

    frequency: "Frequency"
    jitter: timedelta = timedelta(0)
    missed: Missed = Missed.SKIP
    keep: int = KEEP

    def check(self, now: datetime) -> None:
        """Raise InvalidParameter for an invalid jitter or number of records."""
        if self.keep < 1:
            raise InvalidParameter(
                f"cannot keep {self.keep} records: the newest one is always kept", hint=f"--keep {KEEP}"
            )
        if self.jitter and self.jitter > (longest := self.frequency.smallest_gap(now) / 2):
            raise InvalidParameter(
                f"cannot spread the instances over {self.jitter.total_seconds():g} s: "
                "that is more than half of the time between two runs",
                hint=f"--jitter {longest.total_seconds():g}s at most",
            )


class Schedule(NamedTuple):
    """The schedule of one invocation.

    ``anchor`` is the moment from which intervals count, ``next`` the next due time (None: it has ended) and ``last``
    the newest one that has fired. ``instant`` is the moment of a one-time run. ``secrets`` are references by key, read
    again at each firing. ``error`` is the reason why its last firing failed. ``fault`` describes stored values that
    are invalid; such a schedule does not fire.

    A schedule that counts elapsed time has ``booted``, the start of the machine by the wall clock of its times, and
    ``boot``, the name of that start. None: it follows the time of day.
    """

    invocation_id: str
    frequency: str
    timezone: str | None
    anchor: datetime
    next: datetime | None
    last: datetime | None = None
    jitter: timedelta = timedelta(0)
    missed: Missed = Missed.SKIP
    keep: int = KEEP
    paused: datetime | None = None
    secrets: Mapping[str, str] = MappingProxyType({})
    instant: datetime | None = None
    booted: datetime | None = None
    boot: str = ""
    error: str | None = None
    fault: str | None = None

    @property
    def upcoming(self) -> datetime | None:
        """Return the next due time; None when it has ended, is paused, or has a fault."""
        return self.next if self.paused is None and self.fault is None else None

    @property
    def expression(self) -> str:
        """Return the frequency with its zone, in the form that a new schedule accepts."""
        from assist_cli.model.frequency import expression

        return expression(self.frequency, self.timezone)


def frequency_of(schedule: Schedule) -> "Frequency":
    """Return the frequency of a schedule.

    Raises InvalidParameter for an unknown zone, an invalid frequency, and a schedule with a fault.
    """
    from assist_cli.model.frequency import stored

    if schedule.fault is not None:
        raise InvalidParameter(schedule.fault, hint=f"assist stop {schedule.invocation_id} ends it")
    return stored(schedule.frequency, schedule.timezone, schedule.instant, schedule.booted is not None)


def error_of(schedule: Schedule) -> str | None:
    """Return why a schedule cannot fire: its fault, its noted error, or its frequency. None: it can, or has ended."""
    if schedule.next is None:
        return None
    if schedule.error is not None and schedule.fault is None:
        return schedule.error
    try:
        frequency_of(schedule)
    except InvalidParameter as error:
        return error.message
    return None


class Slot(NamedTuple):
    """One due time on one instance. ``lateness`` and ``record_id`` are None where nothing was to be sent.

    One that is ``made_up`` replaces missed ones.
    """

    instance_id: str
    due: datetime
    outcome: SlotOutcome
    lateness: timedelta | None = None
    record_id: str | None = None
    made_up: bool = False


class Turn(Struct):
    """The work of a schedule at one moment.

    ``fires`` is the due time to run now, None when there is none; ``made_up``: it replaces the missed ones. The due
    times from ``missed`` on that come before ``fires``, or else before now, were missed; None when there are none.
    ``next`` is the following due time, None after the last one.
    """

    fires: datetime | None
    made_up: bool
    missed: datetime | None
    next: datetime | None


def turn(schedule: Schedule, frequency: "Frequency", now: datetime) -> Turn:
    """Return the work at ``now`` of a schedule whose next due time has come."""
    assert schedule.next is not None
    newest = _newest(schedule, frequency, now)
    following = frequency.next(newest, schedule.anchor)
    if now - newest <= patience(newest, following):
        return Turn(newest, False, schedule.next if schedule.next < newest else None, following)
    if schedule.missed is Missed.RUN_ONCE:
        return Turn(newest, True, schedule.next if schedule.next < newest else None, following)
    return Turn(None, False, schedule.next, following)


def patience(due: datetime, following: datetime | None) -> timedelta:
    """Return how late a firing may be and still run: half the interval or 60 s, whichever is less."""
    return LATEST if following is None else min((following - due) / 2, LATEST)


def offset(instance_id: str, jitter: timedelta) -> timedelta:
    """Return the delay of an instance in each firing. It follows from the id, so that it stays the same."""
    if not jitter:
        return jitter
    import hashlib  # imported here: it takes longer than all of this module

    share = int.from_bytes(hashlib.sha256(instance_id.encode()).digest()[:8], "big") / 2**64
    return jitter * share


def after_step(schedule: Schedule, frequency: "Frequency", now: datetime, step: timedelta | None) -> datetime | None:
    """Return the next due time after the clock was set to ``now`` (by ``step``; None: back, while the server was down).

    A schedule that fires at least once an hour continues by the new time as if nothing had happened. One that fires
    less often does not fire again at a time that it has already had, and a due time that a step ahead has passed over
    is still due. An instant stays.
    """
    if schedule.instant is not None:
        return schedule.next
    ahead = step is not None and step > timedelta(0)
    if schedule.last is not None:
        following = frequency.next(schedule.last, schedule.anchor)
        if following is not None and following - schedule.last <= OFTEN:
            soonest = now if step is None else schedule.last + step + (following - schedule.last) / 2
            return frequency.next(max(now, soonest), schedule.anchor)
        if now < schedule.last:
            return following
    return schedule.next if ahead else frequency.next(now, schedule.anchor)


def upgraded(schedule: Schedule, frequency: "Frequency", now: datetime) -> datetime | None:
    """Return the next due time by the current rules and zones, which may have changed since it was written."""
    assert schedule.next is not None
    return frequency.next(min(schedule.next - MOMENT, now), schedule.anchor)


def due_times(
    frequency: "Frequency", anchor: datetime, first: datetime, until: datetime, limit: int | None
) -> Iterator[datetime]:
    """Yield the due times from ``first`` (itself one) until before ``until``: newest first, at most ``limit``."""
    end, back = until, SEARCH_STEP
    while end > first and limit != 0:
        begin = max(end - back, first)
        found = [begin] if begin == first else []
        due = frequency.next(begin if found else begin - MOMENT, anchor)
        while due is not None and due < end:
            found.append(due)
            due = frequency.next(due, anchor)
        yield from reversed(found if limit is None else found[-limit:])
        limit = None if limit is None else limit - min(len(found), limit)
        end, back = begin, back if found else back * 2


def _newest(schedule: Schedule, frequency: "Frequency", now: datetime) -> datetime:
    """Return the newest due time not after ``now``. It searches backwards: an absence may have had millions."""
    assert schedule.next is not None
    newest: datetime = schedule.next
    back = SEARCH_STEP
    while now - back > schedule.next:
        found = frequency.next(now - back, schedule.anchor)
        if found is not None and found <= now:
            newest = found
            break
        back *= 2
    while (following := frequency.next(newest, schedule.anchor)) is not None and following <= now:
        newest = following
    return newest
