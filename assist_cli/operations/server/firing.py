"""Firing: one transaction writes slots and records and advances the schedule, before anything is sent.

So a crash at any moment neither fires a due time twice nor loses a record to be sent.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

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
from assist_cli.store.slots import ScheduledInstance, Waiting

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


def fire(controller: Controller, token: str, failures: Failures, due: Iterable[str], now: datetime) -> Fired:
    """Fire these due schedules. An error in one is noted and does not affect the others.

    Due times are computed before the transaction. A schedule that is changed meanwhile is due again immediately. Raises
    DatabaseFailure, and Conflict if another server has the lease.
    """
    fired = Fired()
    turns: list[tuple[Schedule, Turn]] = []
    failed: dict[str, Exception] = {}
    for invocation_id in due:
        with isolated(failed, invocation_id):
            schedule = schedules.get(controller.database, invocation_id)
            if schedule is None or schedule.paused or schedule.next is None:
                fired.upcoming[invocation_id] = None
            elif schedule.next > now:
                fired.upcoming[invocation_id] = to_ms_or_none(schedule.next)
            else:
                turns.append((schedule, rules.turn(schedule, rules.frequency_of(schedule), now)))
    if turns:
        with controller.database.transaction() as transaction:
            lease.check(transaction, token)
            for schedule, turn in turns:
                invocation_id = schedule.invocation_id
                with isolated(failed, invocation_id), transaction.part():
                    if schedules.get(transaction, invocation_id) != schedule:
                        fired.upcoming[invocation_id] = to_ms(now)
                        continue
                    schedules.advance(transaction, schedule, turn.next, turn.fires)
                    fired.deliveries += _Turn(controller, transaction, token, schedule, turn, now).take()
                    fired.upcoming[invocation_id] = to_ms_or_none(turn.next)
    for invocation_id, error in failed.items():
        fired.upcoming[invocation_id] = to_ms(now + RETRY)
        failures.note(invocation_id, error)
    for schedule, turn in turns:
        if turn.fires is None and schedule.invocation_id not in failed:
            failures.clear(schedule.invocation_id)  # without a delivery, nothing else clears it
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
        failures.note(invocation_id, error)
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


class _Turn:
    """One turn of one schedule, in the transaction that advances the schedule."""

    def __init__(
        self,
        controller: Controller,
        transaction: Transaction,
        token: str,
        schedule: Schedule,
        turn: Turn,
        now: datetime,
    ) -> None:
        self._controller = controller
        self._transaction = transaction
        self._token = token
        self._schedule = schedule
        self._turn = turn
        self._now = now
        self._invocation = invocations.what(transaction, schedule.invocation_id)
        self._instances = slots.places(transaction, schedule.invocation_id)

    def take(self) -> list[DueRecord]:
        """Write slots and records of the turn. Returns the records to deliver."""
        if self._turn.missed is not None:
            self._miss(self._turn.missed)
        if self._turn.fires is None:
            return []
        free = [each for each in self._instances if not each.is_busy]
        ids = self._record_ids(free, self._turn.fires)
        made = [self._due(each, ids[each.instance_id], self._turn.fires) for each in free]
        records.add(self._transaction, self._invocation.id, map(_as_written, made))
        slots.add(
            self._transaction,
            self._invocation.id,
            [
                Slot(
                    each.record.instance_id,
                    self._turn.fires,
                    SlotOutcome.PENDING,
                    max(self._now - each.when, timedelta(0)),
                    each.record.id,
                )
                for each in made
            ],
            made_up=self._turn.made_up,
        )
        self._skip([each for each in self._instances if each.is_busy], self._turn.fires)
        log.debug("%s: due at %s, on %d instances", self._invocation.id, LocalTime(self._turn.fires), len(made))
        return made

    def _due(self, instance: ScheduledInstance, record_id: str, due: datetime) -> DueRecord:
        when = due + rules.offset(instance.instance_id, self._schedule.jitter)
        noted = self._controller.moment()._replace(wall=self._now) if when <= self._now else None
        record = self._record(instance, record_id, max(when, self._now))
        found = InvocationInstance(
            instance.instance_id, instance.instance_name, InvocationStatus.RUNNING, instance.repeats + 1, record
        )
        return DueRecord(self._invocation, found, when, self._schedule.secrets, noted)

    def _record_ids(self, instances: Iterable[ScheduledInstance], due: datetime) -> dict[str, str]:
        """Return the ids of the records of a due time, by instance.

        An id follows from the due time, so a copy of this home that fires the same due time meets the journal of the
        agent (docs/rules.md section 8). After the clock was set back a due time may come a second time. That is
        another firing, and its id is random.
        """
        last = self._schedule.last
        is_past = last is not None and due <= last
        ids = {
            each.instance_id: derived(Kind.RECORD, to_ms(due), self._invocation.id, each.instance_id)
            for each in instances
        }
        taken = records.existing(self._transaction, ids.values())
        return {
            instance_id: new_id(Kind.RECORD, self._controller.now_ms()) if is_past or record_id in taken else record_id
            for instance_id, record_id in ids.items()
        }

    def _record(self, instance: ScheduledInstance, record_id: str, when: datetime) -> Record:
        """Return a record that is to be sent at ``when``."""
        return Record(
            id=record_id,
            instance_id=instance.instance_id,
            number=instance.repeats + 1,
            status=InvocationStatus.RUNNING,
            sender=self._token,
            deadline=when + lifetime(self._invocation.timeout),
        )

    def _skip(self, busy: list[ScheduledInstance], due: datetime) -> None:
        """Skip instances where the previous run is still in progress. A skipped run is not queued."""
        for instance in busy:
            log.warning(
                "%s: %s: skipped slot %s: previous run still in progress",
                self._invocation.id,
                instance.instance_name,
                LocalTime(due),
            )
        slots.add(
            self._transaction,
            self._invocation.id,
            (Slot(each.instance_id, due, SlotOutcome.SKIPPED_OVERLAP) for each in busy),
        )

    def _miss(self, first: datetime) -> None:
        """Write the due times from ``first`` on, which passed while the server was down."""
        until = self._turn.fires or self._turn.next
        when = f"at {LocalTime(first)}" if until is None else f"from {LocalTime(first)} on"
        log.warning("%s: the server was down %s", self._invocation.id, when)
        if until is not None:
            ids = [each.instance_id for each in self._instances]
            slots.add_missed(self._transaction, self._invocation.id, ids, first, until)
            return
        # A one-time run: its records end here, with the reason.
        record_ids = self._record_ids(self._instances, first)
        made = [self._record(each, record_ids[each.instance_id], self._now) for each in self._instances]
        why = f"the server was down at {LocalTime(first)}, when it was due; it will not run"
        missed = Facts(Sender.MINE, start=Never(never_arrived(self._now, why)))
        records.add(self._transaction, self._invocation.id, made)
        for record in made:
            action = decide(record, missed, self._controller.moment())
            assert isinstance(action, Close)
            records.settle(self._transaction, {record.id: action.outcome})
        slots.add(
            self._transaction,
            self._invocation.id,
            (Slot(record.instance_id, first, SlotOutcome.MISSED_DOWN, None, record.id) for record in made),
        )


def _as_written(due: DueRecord) -> Record:
    """The record as it is written. One that is due immediately is written as sent, which saves a commit."""
    if due.noted is None:
        return due.record
    noted = due.noted
    return due.record._replace(sent=noted.wall, sent_elapsed=noted.elapsed, boot=noted.boot)
