"""Firing: one transaction writes slots and records and advances the schedule, before anything is sent.

So a crash at any moment neither fires a due time twice nor loses a record to be sent.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import NamedTuple

from assist_cli.errors import Conflict, DatabaseFailure
from assist_cli.model import schedule as rules
from assist_cli.model.ids import Kind, derived, new_id
from assist_cli.model.invocation import Invocation, InvocationInstance, Record
from assist_cli.model.lifecycle import Close, Facts, Later, Never, Send, Sender, decide, lifetime
from assist_cli.model.moment import Moment
from assist_cli.model.outcomes import never_arrived
from assist_cli.model.schedule import Schedule, Slot, SlotOutcome, Turn
from assist_cli.model.status import InvocationStatus
from assist_cli.operations.commands import parameters
from assist_cli.operations.controller import Controller
from assist_cli.operations.runs.worker import sender_of
from assist_cli.operations.server import lease
from assist_cli.operations.server.failures import Failures
from assist_cli.store import invocations, records, schedules, slots
from assist_cli.store.database import Transaction, to_ms, to_ms_or_none
from assist_cli.store.schedule_rows import schedule_of
from assist_cli.store.slots import ScheduledInstance, Waiting
from assist_cli.units import count

RETRY = timedelta(seconds=60)  # between two attempts to fire a schedule with an error

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class LocalTime:
    """A time for the log: local, with its offset from UTC, and formatted only if the line is written."""

    moment: datetime

    def __str__(self) -> str:
        return self.moment.astimezone().isoformat(" ", "seconds")


@dataclass(frozen=True)
class DueRecord:
    """A record to deliver at ``when``. ``secrets`` are references; the invocation lacks their values.

    ``noted`` is the sending time if that is written already, though nothing was sent.
    """

    invocation: Invocation
    instance: InvocationInstance
    when: datetime
    secrets: Mapping[str, str] = field(default_factory=dict)
    noted: Moment | None = None

    @property
    def record(self) -> Record:
        return self.instance.record

    def with_secrets(self) -> Invocation:
        """Return the invocation with the values of its secrets, read now. Raises InvalidParameter and FileFailure."""
        return parameters.with_secrets(self.invocation, self.secrets)


@dataclass
class Fired:
    """The result of firing schedules: records to deliver, and the next due time of each schedule (ms; None: never)."""

    deliveries: list[DueRecord] = field(default_factory=list)
    upcoming: dict[str, int | None] = field(default_factory=dict)


def fire(controller: Controller, token: str, failures: Failures, due: Sequence[str], now: datetime) -> Fired:
    """Fire these due schedules. An error in one is noted and does not affect the others.

    Due times are computed before the transaction. A schedule that is changed meanwhile is due again immediately. Raises
    DatabaseFailure, and Conflict if another server has the lease.
    """
    fired = Fired()
    turns: list[tuple[Schedule, Turn]] = []
    failed: dict[str, Exception] = {}
    stored = schedules.stored(controller.database, due)
    for invocation_id in due:
        with isolated(failed, invocation_id):
            row = stored.get(invocation_id)
            schedule = None if row is None else schedule_of(row)
            if schedule is None or schedule.paused or schedule.next is None:
                fired.upcoming[invocation_id] = None
            elif schedule.next > now:
                fired.upcoming[invocation_id] = to_ms_or_none(schedule.next)
            else:
                turns.append((schedule, rules.turn(schedule, rules.frequency_of(schedule), now)))
    if turns:
        with controller.database.transaction() as transaction:
            lease.check(transaction, token)
            current = schedules.stored(transaction, [schedule.invocation_id for schedule, _ in turns])
            unchanged = []
            for schedule, turn in turns:
                if current.get(schedule.invocation_id) == stored[schedule.invocation_id]:
                    unchanged.append((schedule, turn))
                else:
                    fired.upcoming[schedule.invocation_id] = to_ms(now)
            moment = controller.moment()._replace(wall=now)
            _write(_Firing(controller, transaction, token, moment), unchanged, fired, failed)
    for invocation_id, error in failed.items():
        fired.upcoming[invocation_id] = to_ms(now + RETRY)
        failures.note(controller, invocation_id, error)
    for schedule, turn in turns:
        if turn.fires is None and schedule.invocation_id not in failed:
            failures.clear(controller, schedule.invocation_id)  # without a delivery, nothing else clears it
    return fired


def take_up(controller: Controller, token: str, failures: Failures, now: datetime) -> list[DueRecord]:
    """Adopt the records that a dead server was sending, unless it is too late. Returns those to deliver.

    A dead server may have sent some of them. They are delivered again: a record runs at most once.
    """
    found: list[DueRecord] = []
    failed: dict[str, Exception] = {}
    patience: dict[str, timedelta] = {}
    waiting = slots.waiting(controller.database)
    for each in waiting:
        with isolated(failed, each.invocation_id):
            schedule = schedules.get(controller.database, each.invocation_id)
            if schedule is not None:
                following = rules.frequency_of(schedule).next(each.due, schedule.anchor)
                patience[each.record.id] = rules.patience(each.due, following)
    with controller.database.transaction() as transaction:
        lease.check(transaction, token)
        for each in waiting:
            if each.record.id in patience:
                with isolated(failed, each.invocation_id), transaction.part():
                    found += _adopted(controller, transaction, token, each, patience[each.record.id], now)
    for invocation_id, error in failed.items():
        failures.note(controller, invocation_id, error)
    return found


def _adopted(
    controller: Controller,
    transaction: Transaction,
    token: str,
    waiting: Waiting,
    patience: timedelta,
    now: datetime,
) -> list[DueRecord]:
    """The record of a slot, if this server must deliver it."""
    record = waiting.record
    schedule = schedules.get(transaction, waiting.invocation_id)
    sender = sender_of(controller, record)
    if schedule is None or sender is not Sender.GONE:
        return []
    when = waiting.due + rules.offset(record.instance_id, schedule.jitter)
    if record.sent is not None or when > now + schedule.jitter:  # the clock was set back meanwhile
        when = min(when, now)
    start: Later | Never | None = None
    if now - when > patience:
        start = Never(never_arrived(now))
    elif when > now:
        start = Later((when - now).total_seconds())
    facts = Facts(sender, start=start, can_send=True, accepted=record.accepted)
    action = decide(record, facts, controller.moment())
    if not isinstance(action, Send):
        return []
    if action.adopt:
        records.adopt(transaction, record.id, token)
        record = record._replace(sender=token)
    slots.note_lateness(transaction, {record.id: max(now - when, timedelta(0))})
    instance = InvocationInstance(record.instance_id, waiting.instance_name, record.status, record.number, record)
    invocation = invocations.what(transaction, waiting.invocation_id)
    return [DueRecord(invocation, instance, when, schedule.secrets)]


@contextlib.contextmanager
def isolated(failed: dict[str, Exception], invocation_id: str) -> Iterator[None]:
    """Collect an error of one schedule in ``failed``. Errors of the database and of the lease are raised."""
    try:
        yield
    except (DatabaseFailure, Conflict):
        raise
    except Exception as error:
        failed[invocation_id] = error


class _Firing(NamedTuple):
    """The transaction that advances schedules, and its context."""

    controller: Controller
    transaction: Transaction
    token: str
    moment: Moment


def _write(firing: _Firing, turns: Sequence[tuple[Schedule, Turn]], fired: Fired, failed: dict[str, Exception]) -> None:
    """Write the turns of these schedules together; after an error, each by itself."""
    errors: dict[str, Exception] = {}
    with isolated(errors, "these"), firing.transaction.part():
        deliveries = _written(firing, turns)
    if not errors:
        fired.deliveries += deliveries
        fired.upcoming.update((schedule.invocation_id, to_ms_or_none(turn.next)) for schedule, turn in turns)
    elif len(turns) == 1:
        failed[turns[0][0].invocation_id] = errors["these"]
    else:
        for each in turns:
            _write(firing, [each], fired, failed)


def _written(firing: _Firing, turns: Sequence[tuple[Schedule, Turn]]) -> list[DueRecord]:
    """Advance the schedules, and write the slots and records of their turns. Returns the records to deliver."""
    transaction = firing.transaction
    schedules.advance_all(transaction, ((schedule, turn.next, turn.fires) for schedule, turn in turns))
    ids = [schedule.invocation_id for schedule, _ in turns]
    what, places = invocations.what_of(transaction, ids), slots.places_of(transaction, ids)
    found = [_Turn(firing, *each, what[key], places[key]) for key, each in zip(ids, turns, strict=True)]
    for each in found:
        each.miss()
    taken = records.existing(transaction, [record_id for each in found for record_id in each.record_ids.values()])
    deliveries: list[DueRecord] = []
    fired: list[tuple[str, Slot]] = []
    for key, each in zip(ids, found, strict=True):
        made, of_them = each.fire(taken)
        deliveries += made
        fired += ((key, slot) for slot in of_them)
    records.add_all(transaction, [(due.invocation.id, _as_written(due)) for due in deliveries])
    slots.add_all(transaction, fired)
    return deliveries


class _Turn:
    """One turn of one schedule. ``record_ids`` are the ids of its records, by instance."""

    def __init__(
        self,
        firing: _Firing,
        schedule: Schedule,
        turn: Turn,
        invocation: Invocation,
        instances: Sequence[ScheduledInstance],
    ) -> None:
        self._firing = firing
        self._schedule = schedule
        self._turn = turn
        self._now = firing.moment.wall
        self._invocation = invocation
        self._instances = instances
        free = [each.instance_id for each in instances if not each.is_busy]
        self.record_ids = {} if turn.fires is None else self._ids(free, turn.fires)

    def fire(self, taken: Collection[str]) -> tuple[list[DueRecord], list[Slot]]:
        """Return the records to deliver, and the slots of this due time; ``taken`` are ids of other records."""
        due = self._turn.fires
        if due is None:
            return [], []
        made, skipped = [], []
        for each in self._instances:
            if each.is_busy:  # a skipped run is not queued
                text = "%s: %s: skipped slot %s: previous run still in progress"
                log.warning(text, self._invocation.id, each.instance_name, LocalTime(due))
                skipped.append(Slot(each.instance_id, due, SlotOutcome.SKIPPED_OVERLAP))
            else:
                made.append(self._due(each, self._unless_taken(self.record_ids[each.instance_id], due, taken), due))
        log.debug("%s: due at %s, on %s", self._invocation.id, LocalTime(due), count(len(made), "instance"))
        return made, [*(self._slot(each, due) for each in made), *skipped]

    def miss(self) -> None:
        """Write the due times before this one that have passed while the server was down."""
        first = self._turn.missed
        if first is None:
            return
        transaction, invocation_id = self._firing.transaction, self._invocation.id
        until = self._turn.fires or self._turn.next
        when = f"at {LocalTime(first)}" if until is None else f"from {LocalTime(first)} on"
        log.warning("%s: the server was down %s", invocation_id, when)
        if until is not None:
            slots.add_missed(transaction, invocation_id, [each.instance_id for each in self._instances], first, until)
            return
        # A one-time run: its records end here, with the reason.
        ids = self._ids([each.instance_id for each in self._instances], first)
        taken = records.existing(transaction, ids.values())
        made = [
            self._record(each, self._unless_taken(ids[each.instance_id], first, taken), self._now)
            for each in self._instances
        ]
        why = f"the server was down at {LocalTime(first)}, when it was due; it will not run"
        missed = Facts(Sender.MINE, start=Never(never_arrived(self._now, why)))
        records.add(transaction, invocation_id, made)
        for record in made:
            action = decide(record, missed, self._firing.moment)
            assert isinstance(action, Close)
            records.settle(transaction, {record.id: action.outcome})
        missing = (Slot(each.instance_id, first, SlotOutcome.MISSED_DOWN, None, each.id) for each in made)
        slots.add(transaction, invocation_id, missing)

    def _due(self, instance: ScheduledInstance, record_id: str, due: datetime) -> DueRecord:
        when = due + rules.offset(instance.instance_id, self._schedule.jitter)
        noted = self._firing.moment if when <= self._now else None
        record = self._record(instance, record_id, max(when, self._now))
        found = InvocationInstance(
            instance.instance_id, instance.instance_name, InvocationStatus.RUNNING, instance.repeats + 1, record
        )
        return DueRecord(self._invocation, found, when, self._schedule.secrets, noted)

    def _slot(self, made: DueRecord, due: datetime) -> Slot:
        late = max(self._now - made.when, timedelta(0))
        return Slot(made.record.instance_id, due, SlotOutcome.PENDING, late, made.record.id, made_up=self._turn.made_up)

    def _ids(self, instance_ids: Iterable[str], due: datetime) -> dict[str, str]:
        """Return the ids of the records of a due time, by instance.

        An id follows from the due time, so a copy of this home that fires the same due time meets the journal of the
        agent (docs/rules.md section 8).
        """
        return {each: derived(Kind.RECORD, to_ms(due), self._invocation.id, each) for each in instance_ids}

    def _unless_taken(self, record_id: str, due: datetime, taken: Collection[str]) -> str:
        """Return the id, or another one if this due time comes a second time, after the clock was set back.

        That is another firing, and its id is random.
        """
        last = self._schedule.last
        if record_id in taken or (last is not None and due <= last):
            return new_id(Kind.RECORD, self._firing.controller.now_ms())
        return record_id

    def _record(self, instance: ScheduledInstance, record_id: str, when: datetime) -> Record:
        """Return a record that is to be sent at ``when``."""
        return Record(
            id=record_id,
            instance_id=instance.instance_id,
            number=instance.repeats + 1,
            status=InvocationStatus.RUNNING,
            sender=self._firing.token,
            deadline=when + lifetime(self._invocation.timeout),
        )


def _as_written(due: DueRecord) -> Record:
    """The record as it is written. One that is due immediately is written as sent, which saves a commit."""
    if due.noted is None:
        return due.record
    noted = due.noted
    return due.record._replace(sent=noted.wall, sent_elapsed=noted.elapsed, boot=noted.boot)
