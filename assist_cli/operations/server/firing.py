"""Firing: slots and records are written, and the schedule moved on, in one transaction, before anything is sent.

So whoever dies when: a due time fires once, and what was to be sent can be found.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from assist_cli.errors import Conflict, DatabaseFailure
from assist_cli.model import schedule as rules
from assist_cli.model.ids import Kind, derived, new_id
from assist_cli.model.invocation import Invocation, InvocationInstance, Record
from assist_cli.model.lifecycle import (
    Close,
    Facts,
    Later,
    Never,
    Send,
    Sender,
    decide,
    lifetime,
    never_arrived,
)
from assist_cli.model.moment import Moment
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

RETRY = timedelta(seconds=60)  # between two attempts to fire what cannot be fired

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class LocalTime:
    """A moment in the log: local time to the second, worked out only when the line is written."""

    moment: datetime

    def __str__(self) -> str:
        return self.moment.astimezone().strftime("%Y-%m-%d %H:%M:%S")


@dataclass(frozen=True)
class DueRecord:
    """A record that is to be delivered at ``when``; where the ``secrets`` are, which its invocation lacks.

    ``noted`` is the moment that is written already as when it was sent, though nothing of it has left.
    """

    invocation: Invocation
    place: InvocationInstance
    when: datetime
    secrets: Mapping[str, str] = field(default_factory=dict)
    noted: Moment | None = None

    @property
    def record(self) -> Record:
        return self.place.record

    def with_secrets(self) -> Invocation:
        """The invocation with its secrets, which are read now. Raises InvalidParameter and FileFailure."""
        read = {key: parameters.secret(key, reference) for key, reference in self.secrets.items()}
        return replace(self.invocation, parameters={**self.invocation.parameters, **read}) if read else self.invocation


@dataclass
class Fired:
    """What came of firing schedules: what is to be delivered, and when each is due next (ms; None: never)."""

    deliveries: list[DueRecord] = field(default_factory=list)
    upcoming: dict[str, int | None] = field(default_factory=dict)


def fire(controller: Controller, token: str, failures: Failures, due: Iterable[str], now: datetime) -> Fired:
    """Do what is due of these schedules. An error of one is its own: it is noted, and the others are fired.

    What each asks for is worked out before the transaction begins; one that somebody changes meanwhile is due again
    immediately. Raises DatabaseFailure, and Conflict when we are not the server any more.
    """
    fired = Fired()
    turns: list[tuple[Schedule, Turn]] = []
    failed: dict[str, Exception] = {}
    for invocation_id in due:
        with kept(failed, invocation_id):
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
                with kept(failed, invocation_id), transaction.part():
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
            failures.clear(schedule.invocation_id)  # nothing is to be delivered, which would clear it
    return fired


def take_up(controller: Controller, token: str, failures: Failures, now: datetime) -> list[DueRecord]:
    """Take over what a server that died was sending, where it is not too late; what is to be delivered.

    Whether it was sent already is not known, and does not matter: a record runs once, however often it comes.
    """
    found: list[DueRecord] = []
    failed: dict[str, Exception] = {}
    patience: dict[str, timedelta] = {}
    waiting = slots.waiting(controller.database)
    for each in waiting:
        with kept(failed, each.invocation_id):
            schedule = schedules.get(controller.database, each.invocation_id)
            if schedule is not None:
                following = rules.frequency_of(schedule).next(each.due, schedule.anchor)
                patience[each.record.id] = rules.patience(each.due, following)
    with controller.database.transaction() as transaction:
        lease.check(transaction, token)
        for each in waiting:
            if each.record.id in patience:
                with kept(failed, each.invocation_id), transaction.part():
                    found += _taken_up(controller, transaction, token, each, patience[each.record.id], now)
    for invocation_id, error in failed.items():
        failures.note(invocation_id, error)
    return found


def _taken_up(
    controller: Controller,
    transaction: Transaction,
    token: str,
    waiting: Waiting,
    patience: timedelta,
    now: datetime,
) -> list[DueRecord]:
    """The record of a slot, where it is to be delivered by us."""
    record = waiting.record
    schedule = schedules.get(transaction, waiting.invocation_id)
    sender = sender_of(controller, record)
    if schedule is None or sender is not Sender.GONE:
        return []
    when = waiting.due + rules.offset(record.instance_id, schedule.jitter)
    if record.sent is not None or when > now + schedule.jitter:  # the clock was set back since
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
        record = replace(record, sender=token)
    slots.note_lateness(transaction, {record.id: max(now - when, timedelta(0))})
    place = InvocationInstance(record.instance_id, waiting.instance_name, record.status, record.number, record)
    invocation = invocations.what(transaction, waiting.invocation_id)
    return [DueRecord(invocation, place, when, schedule.secrets)]


@contextlib.contextmanager
def kept(failed: dict[str, Exception], invocation_id: str) -> Iterator[None]:
    """Keep an error that is of this schedule alone; one of the database, or of the lease, goes on."""
    try:
        yield
    except (DatabaseFailure, Conflict):
        raise
    except Exception as error:
        failed[invocation_id] = error


class _Turn:
    """One turn of one schedule, inside of the transaction that moves the schedule on."""

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
        self._places = slots.places(transaction, schedule.invocation_id)

    def take(self) -> list[DueRecord]:
        """Write what the turn asks for; what is to be delivered."""
        if self._turn.missed is not None:
            self._miss(self._turn.missed)
        if self._turn.fires is None:
            return []
        free = [place for place in self._places if not place.is_busy]
        made = [self._due(place, self._turn.fires) for place in free]
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
        self._skip([place for place in self._places if place.is_busy], self._turn.fires)
        log.debug("%s: due at %s, on %d instances", self._invocation.id, LocalTime(self._turn.fires), len(made))
        return made

    def _due(self, place: ScheduledInstance, due: datetime) -> DueRecord:
        when = due + rules.offset(place.instance_id, self._schedule.jitter)
        noted = self._controller.moment()._replace(wall=self._now) if when <= self._now else None
        record = self._record(place, due, max(when, self._now))
        found = InvocationInstance(
            place.instance_id, place.instance_name, InvocationStatus.RUNNING, place.repeats + 1, record
        )
        return DueRecord(self._invocation, found, when, self._schedule.secrets, noted)

    def _record(self, place: ScheduledInstance, due: datetime, when: datetime) -> Record:
        """Return the record of a due time, which is to be sent at ``when``.

        Its id follows from the due time, so a copy of this home that fires the same one meets the journal of the agent
        (docs/rules.md section 6). A due time that comes again, as the clock was set back, is another firing.
        """
        last = self._schedule.last
        if last is not None and due <= last:
            record_id = new_id(Kind.RECORD, self._controller.now_ms())
        else:
            record_id = derived(Kind.RECORD, to_ms(due), self._invocation.id, place.instance_id)
        return Record(
            id=record_id,
            instance_id=place.instance_id,
            number=place.repeats + 1,
            status=InvocationStatus.RUNNING,
            sender=self._token,
            deadline=when + lifetime(self._invocation.timeout),
        )

    def _skip(self, busy: list[ScheduledInstance], due: datetime) -> None:
        """The run before is not over there: this one is left out, and not queued."""
        for place in busy:
            log.warning("%s: left out on %s, the run before is not over", self._invocation.id, place.instance_name)
        slots.add(
            self._transaction,
            self._invocation.id,
            (Slot(place.instance_id, due, SlotOutcome.SKIPPED_OVERLAP) for place in busy),
        )

    def _miss(self, first: datetime) -> None:
        """Nobody served at these due times."""
        until = self._turn.fires or self._turn.next
        when = f"at {LocalTime(first)}" if until is None else f"from {LocalTime(first)} on"
        log.warning("%s: nobody served %s", self._invocation.id, when)
        if until is not None:
            ids = [place.instance_id for place in self._places]
            slots.add_missed(self._transaction, self._invocation.id, ids, first, until)
            return
        # It was to run once: its records end here, with the reason.
        made = [self._record(place, first, self._now) for place in self._places]
        why = f"nobody served at {LocalTime(first)}, when it was due; it will not run"
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
    """The record as it is written: one that is due at once counts as sent, which saves a commit."""
    if due.noted is None:
        return due.record
    noted = due.noted
    return replace(due.record, sent=noted.wall, sent_elapsed=noted.elapsed, boot=noted.boot)
