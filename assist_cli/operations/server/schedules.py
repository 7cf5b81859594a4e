"""Schedules for users: list and show them and their slots, pause, resume and change them."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace

from assist_cli.errors import Conflict, NotFound
from assist_cli.model import schedule as rules
from assist_cli.model.audit import AuditEntry
from assist_cli.model.frequency import Firing, Frequency
from assist_cli.model.instance import Instance
from assist_cli.model.invocation import Invocation
from assist_cli.model.schedule import Schedule, Slot, SlotOutcome
from assist_cli.model.status import SCHEDULED, InvokeStatus, invoke_status
from assist_cli.model.summary import VERDICTS, State, Summary, Verdict
from assist_cli.operations.controller import Also, Controller, nothing_more
from assist_cli.operations.local_zone import local_zone
from assist_cli.operations.runs import refresh
from assist_cli.operations.server import lease, scripts
from assist_cli.operations.server.scripts import Script
from assist_cli.store import audit, invocations, schedules, slots
from assist_cli.store import listing as store_listing
from assist_cli.store.database import Reader, Transaction

SLOT_VERDICTS = {
    SlotOutcome.RAN: Verdict.GOOD,
    SlotOutcome.LATE: Verdict.ODD,
    SlotOutcome.MADE_UP: Verdict.ODD,
    SlotOutcome.SKIPPED_OVERLAP: Verdict.ODD,
    SlotOutcome.MISSED_DOWN: Verdict.BAD,
    SlotOutcome.NOT_DELIVERED: Verdict.BAD,
    SlotOutcome.PENDING: Verdict.BUSY,
}


@dataclass(frozen=True)
class Planned:
    """A schedule and its invocation."""

    schedule: Schedule
    invocation: Invocation

    @property
    def is_waiting(self) -> bool:
        """True if it will still fire: it has not ended and is not paused."""
        return self.schedule.next is not None and self.schedule.paused is None

    @property
    def state(self) -> State:
        """The state in words: Paused and Error before the status of the invocation."""
        status = self.invocation.status
        if self.schedule.paused is not None and not status.is_final:
            return State("Paused", Verdict.ODD)
        if self.schedule.error is not None and self.is_waiting:
            return State("Error", Verdict.BAD)
        if self.schedule.next is not None and status is InvokeStatus.RUNNING:
            return State(SCHEDULED, Verdict.BUSY)
        return State(status.value, VERDICTS[status])


def is_served(controller: Controller) -> bool:
    """True if the server is running, which fires schedules."""
    return lease.holder(controller) is not None


def instance_names(controller: Controller, invocation_id: str) -> dict[str, str]:
    """The names of the instances of an invocation at its time, by id."""
    found = invocations.get(controller.database, invocation_id, output=False)
    return {each.instance_id: each.instance_name for each in found.instances}


def find(controller: Controller, text: str) -> str:
    """Resolve an id, a unique prefix of one, or ``-`` for the newest schedule, to its id. Raises NotFound."""
    if text != "-":
        return invocations.find(controller.database, text)
    newest = next(iter(schedules.ids(controller.database)), None)
    if newest is None:
        raise NotFound("cannot find a schedule: there is none", hint="create one: assist run --every 30s -- uptime")
    return newest


def listing(controller: Controller, *, ended: bool = False) -> list[Planned]:
    """The schedules that have not ended, newest first; with ``ended`` also those that have."""
    return [_planned(controller.database, each) for each in ids(controller, ended=ended)]


def ids(controller: Controller, *, ended: bool, among: Collection[str] | None = None) -> list[str]:
    """The ids of the invocations that ``listing`` returns; only those on one of the instances ``among`` (None: all)."""
    return schedules.ids(controller.database, ended=ended, among=among)


def summaries(
    controller: Controller, ids: Sequence[str], among: Collection[str] | None = None
) -> list[tuple[Planned, Summary]]:
    """These schedules, newest first, with a summary of each, as they are on the instances ``among`` (None: all).

    Their invocations have no instances. This is quick for schedules with many.
    """
    found = store_listing.summaries_of(controller.database, ids, among)
    return [(_with_error(_schedule(controller.database, each.invocation.id), each.invocation), each) for each in found]


def show(controller: Controller, invocation_id: str, among: Collection[str] | None = None) -> Planned:
    """The schedule of an invocation, as it is on the instances ``among`` (None: all).

    Raises NotFound, also for an invocation without a schedule, and for one that is on none of these instances.
    """
    found = _planned(controller.database, invocation_id)
    if among is None:
        return found
    places = tuple(each for each in found.invocation.instances if each.instance_id in among)
    if not places:
        raise _not_found(invocation_id)
    status = invoke_status(each.status for each in places)
    return replace(found, invocation=found.invocation._replace(instances=places, status=status))


def upcoming(controller: Controller, planned: Planned, count: int) -> list[Firing]:
    """The next ``count`` firings of a schedule; of a paused one, those if it is resumed now. None if it has ended.

    Raises InvalidParameter for a schedule that cannot be fired.
    """
    schedule, now = planned.schedule, controller.now()
    if schedule.next is None:
        return []
    after = now if schedule.paused is not None else min(now, schedule.next - rules.MOMENT)
    return rules.frequency_of(schedule).upcoming(after, schedule.anchor, count, zone=local_zone())


def list_slots(controller: Controller, invocation_id: str, *, limit: int | None) -> Iterator[Slot]:
    """The slots of a schedule, newest first, at most ``limit`` (None: all). Raises NotFound.

    Open records are first reconciled with their agents, as in ``history.show``.
    """
    _schedule(controller.database, invocation_id)
    refresh.refresh(controller, invocation_id)
    yield from recall(controller, invocation_id, limit=limit)


def recall(
    controller: Controller, invocation_id: str, *, limit: int | None, among: Collection[str] | None = None
) -> Iterator[Slot]:
    """Read the slots from the database, of all instances or those ``among``, without reconciling records.

    Raises NotFound.
    """
    found = _schedule(controller.database, invocation_id)
    left = limit
    for entry in slots.listing(controller.database, invocation_id, instance_ids=among, limit=limit):
        if entry.until is None:
            found_slots = [entry.slot]
        else:
            dues = rules.due_times(rules.frequency_of(found), found.anchor, entry.slot.due, entry.until, left)
            found_slots = [entry.slot._replace(due=due) for due in dues]
        for slot in found_slots:
            if left == 0:
                return
            yield slot
            left = None if left is None else left - 1


def pause(controller: Controller, invocation_id: str, *, also: Also = nothing_more) -> Planned:
    """Pause a schedule until it is resumed. It has no due times meanwhile. Raises NotFound, Conflict."""
    with controller.database.transaction() as transaction:
        found = _planned(transaction, invocation_id)
        _refuse_ended(found)
        _apply(also, transaction, found)
        if found.schedule.paused is None:
            schedules.pause(transaction, invocation_id, controller.now())
            audit.append(transaction, AuditEntry(controller.now(), controller.actor, "schedule.pause", invocation_id))
    return show(controller, invocation_id)


def resume(controller: Controller, invocation_id: str, *, also: Also = nothing_more) -> Planned:
    """Resume a schedule from its next due time on. Raises NotFound, Conflict."""
    schedule = _schedule(controller.database, invocation_id)
    upcoming = rules.frequency_of(schedule).next(controller.now(), schedule.anchor)
    with controller.database.transaction() as transaction:
        found = _planned(transaction, invocation_id)
        _refuse_ended(found)
        _apply(also, transaction, found)
        if found.schedule.paused is not None:
            _refuse_changed(found.schedule, schedule)
            if upcoming is None:
                raise Conflict(
                    f"cannot resume {invocation_id}: its last due time has passed",
                    hint=f"end it: assist stop {invocation_id}; then schedule it again",
                )
            schedules.resume(transaction, invocation_id, upcoming)
            audit.append(transaction, AuditEntry(controller.now(), controller.actor, "schedule.resume", invocation_id))
    return show(controller, invocation_id)


def change(
    controller: Controller,
    invocation_id: str,
    frequency: Frequency | None,
    joining: Sequence[Instance],
    script: Script | None = None,
    *,
    also: Also = nothing_more,
) -> None:
    """Change the frequency and the script of an invocation with a schedule, and add instances.

    The changes take effect now. Raises NotFound, Conflict, InvalidParameter, QuotaExceeded.
    """
    before = _schedule(controller.database, invocation_id)
    other = None if frequency is None else _changed(controller, before, frequency)
    with controller.database.transaction() as transaction:
        found = _planned(transaction, invocation_id)
        _refuse_ended(found)
        also(transaction, invocation_id, [each.id for each in joining])
        details = []
        if other is not None and other.expression != found.schedule.expression:
            schedules.change(transaction, other)
            details.append(f"{found.schedule.expression} to {other.expression}")
        if joining:
            schedules.join(transaction, invocation_id, joining)
            details.append("also on " + ", ".join(each.name for each in joining))
        if script is not None and (detail := scripts.change(controller, transaction, found.invocation, script)):
            details.append(detail)
        if details:
            entry = AuditEntry(controller.now(), controller.actor, "schedule.change", invocation_id, ", ".join(details))
            audit.append(transaction, entry)


def _changed(controller: Controller, schedule: Schedule, frequency: Frequency) -> Schedule:
    """The schedule with another frequency. Raises InvalidParameter if its jitter is too long for that."""
    moment = controller.moment()
    now = moment.wall
    rules.Timing(frequency, jitter=schedule.jitter, keep=schedule.keep).check(now)
    return schedule._replace(
        frequency=frequency.text,
        timezone=frequency.timezone,
        anchor=now,
        next=frequency.next(now, now),
        instant=frequency.instant,
        booted=moment.booted if frequency.is_elapsed else None,
        boot=moment.boot if frequency.is_elapsed else "",
    )


def _apply(also: Also, transaction: Transaction, found: Planned) -> None:
    also(transaction, found.invocation.id, [each.instance_id for each in found.invocation.instances])


def _refuse_changed(found: Schedule, before: Schedule) -> None:
    if found.expression != before.expression:
        raise Conflict(
            f"cannot resume {found.invocation_id}: its frequency was changed just now", hint="repeat the command"
        )


def _refuse_ended(found: Planned) -> None:
    if found.schedule.next is None:
        why = "was stopped" if found.invocation.status is InvokeStatus.STOPPED else "has ended"
        raise Conflict(
            f"cannot change the schedule of {found.invocation.id}: it {why}, and does not run again",
            hint=f"assist rerun {found.invocation.id} --all makes a new invocation of it",
        )


def _planned(reader: Reader, invocation_id: str) -> Planned:
    return _with_error(_schedule(reader, invocation_id), invocations.get(reader, invocation_id, output=False))


def _with_error(schedule: Schedule, invocation: Invocation) -> Planned:
    return Planned(schedule._replace(error=rules.error_of(schedule)), invocation)


def _schedule(reader: Reader, invocation_id: str) -> Schedule:
    found = schedules.get(reader, invocation_id)
    if found is None:
        raise _not_found(invocation_id)
    return found


def _not_found(invocation_id: str) -> NotFound:
    return NotFound(
        f"cannot find a schedule of {invocation_id}: it was a one-time run without a schedule",
        hint="see the schedules: assist schedule list",
    )
