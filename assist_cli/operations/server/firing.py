"""Firing: slots and records are written, and the schedule moved on, in one transaction, before anything is sent.

So whoever dies when: a due time fires once, and what was to be sent can be found.
"""

from __future__ import annotations

import functools
import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from assist_cli.model import schedule as rules
from assist_cli.model.frequency import Frequency, restore
from assist_cli.model.ids import Kind, new_id
from assist_cli.model.invocation import Invocation, InvocationInstance, Record
from assist_cli.model.lifecycle import lifetime
from assist_cli.model.schedule import Schedule, Slot, SlotOutcome, Turn
from assist_cli.model.status import InvocationStatus
from assist_cli.operations.commands import parameters
from assist_cli.operations.controller import Controller
from assist_cli.operations.runs.follow import failed
from assist_cli.operations.runs.senders import is_alive
from assist_cli.operations.server import lease
from assist_cli.store import invocations, records, schedules, slots
from assist_cli.store.database import Transaction, to_ms_or_none
from assist_cli.store.slots import Place

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class LocalTime:
    """A moment in the log: local time to the second, worked out only when the line is written."""

    moment: datetime

    def __str__(self) -> str:
        return self.moment.astimezone().strftime("%Y-%m-%d %H:%M:%S")


@dataclass(frozen=True)
class Delivery:
    """A record that is to be brought to its agent at ``when``; where the secrets are, which its invocation lacks."""

    invocation: Invocation
    place: InvocationInstance
    when: datetime
    secrets: Mapping[str, str] = field(default_factory=dict)

    @property
    def record(self) -> Record:
        return self.place.record

    def with_secrets(self) -> Invocation:
        """The invocation with its secrets, which are read now. Raises InvalidParameter and FileFailure."""
        read = {key: parameters.secret(key, reference) for key, reference in self.secrets.items()}
        return replace(self.invocation, parameters={**self.invocation.parameters, **read}) if read else self.invocation


@dataclass
class Fired:
    """What came of looking at schedules: what is to be delivered, and when each is due next (ms; None: never)."""

    deliveries: list[Delivery] = field(default_factory=list)
    upcoming: dict[str, int | None] = field(default_factory=dict)


@functools.lru_cache(1024)
def frequency_of(text: str, timezone: str | None) -> Frequency:
    """A frequency as it was kept."""
    return restore(text, timezone)


def fire(controller: Controller, token: str, due: Iterable[str], now: datetime) -> Fired:
    """Do what is due of these schedules. Raises DatabaseFailure, and Conflict when we are not the server any more."""
    fired = Fired()
    with controller.database.transaction() as transaction:
        lease.check(transaction, token)
        for invocation_id in due:
            schedule = schedules.get(transaction, invocation_id)
            if schedule is None or schedule.paused or schedule.next is None:
                fired.upcoming[invocation_id] = None
            elif schedule.next > now:
                fired.upcoming[invocation_id] = to_ms_or_none(schedule.next)
            else:
                turn = rules.turn(schedule, frequency_of(schedule.frequency, schedule.timezone), now)
                fired.upcoming[invocation_id] = to_ms_or_none(turn.next)
                if schedules.advance(transaction, schedule, turn.next, turn.fires):
                    fired.deliveries += _Turn(controller, transaction, token, schedule, turn, now).take()
    return fired


def take_up(controller: Controller, token: str, now: datetime) -> list[Delivery]:
    """Take over what a server that died was sending, where it is not too late; what is to be delivered.

    Whether it was sent already is not known, and does not matter: a record runs once, however often it comes.
    """
    found = []
    with controller.database.transaction() as transaction:
        lease.check(transaction, token)
        for each in slots.waiting(transaction):
            schedule = schedules.get(transaction, each.invocation_id)
            if schedule is None or is_alive(controller.home, each.record.sender):
                continue
            when = each.due + rules.offset(each.record.instance_id, schedule.jitter)
            following = frequency_of(schedule.frequency, schedule.timezone).next(each.due, schedule.anchor)
            if now - when > rules.patience(each.due, following):
                continue
            records.adopt(transaction, each.record.id, token)
            slots.note_lateness(transaction, {each.record.id: max(now - when, timedelta(0))})
            place = InvocationInstance(
                each.record.instance_id, each.instance_name, each.record.status, each.record.number, each.record
            )
            invocation = invocations.what(transaction, each.invocation_id)
            found.append(Delivery(invocation, place, when, schedule.secrets))
    return found


def move(transaction: Transaction, schedule: Schedule, now: datetime, step: timedelta | None) -> None:
    """Let a schedule go on after the clock was set to ``now``; ``step`` is as in ``model.schedule.after_step``."""
    frequency = frequency_of(schedule.frequency, schedule.timezone)
    upcoming = rules.after_step(schedule, frequency, now, step)
    if schedule.next is not None and upcoming is not None and schedule.next < upcoming and schedule.next <= now:
        ids = [place.instance_id for place in slots.places(transaction, schedule.invocation_id)]
        slots.add_missed(transaction, schedule.invocation_id, ids, schedule.next, upcoming)
    schedules.set_next(transaction, schedule.invocation_id, upcoming, schedule.anchor)


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

    def take(self) -> list[Delivery]:
        """Write what the turn asks for; what is to be delivered."""
        if self._turn.missed is not None:
            self._miss(self._turn.missed)
        if self._turn.fires is None:
            return []
        free = [place for place in self._places if not place.is_busy]
        made = [self._delivery(place, self._turn.fires) for place in free]
        records.add(self._transaction, self._invocation.id, (each.record for each in made))
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

    def _delivery(self, place: Place, due: datetime) -> Delivery:
        when = due + rules.offset(place.instance_id, self._schedule.jitter)
        at_once = when <= self._now
        record = self._record(place, max(when, self._now), sent=self._now if at_once else None)
        found = InvocationInstance(
            place.instance_id, place.instance_name, InvocationStatus.RUNNING, place.repeats + 1, record
        )
        return Delivery(self._invocation, found, when, self._schedule.secrets)

    def _record(self, place: Place, when: datetime, sent: datetime | None) -> Record:
        return Record(
            id=new_id(Kind.RECORD, self._controller.now_ms()),
            instance_id=place.instance_id,
            number=place.repeats + 1,
            status=InvocationStatus.RUNNING,
            sender=self._token,
            sent=sent,
            deadline=when + lifetime(self._invocation.timeout),
        )

    def _skip(self, busy: list[Place], due: datetime) -> None:
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
        made = [self._record(place, self._now, sent=None) for place in self._places]
        why = f"nobody served at {LocalTime(first)}, when it was due; it will not run"
        outcome = failed(self._now, code="DeliveryTimeout", why=why)
        records.add(self._transaction, self._invocation.id, made)
        records.settle(self._transaction, {record.id: outcome for record in made})
        slots.add(
            self._transaction,
            self._invocation.id,
            (Slot(record.instance_id, first, SlotOutcome.MISSED_DOWN, None, record.id) for record in made),
        )
