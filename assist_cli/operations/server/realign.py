"""Due times that are worked out again: when a server begins, and when the clock was set.

Between two servers the clock may have been set, the machine started again, and Assist or its time zones upgraded. What
counts elapsed time is moved along with the clock; what follows the time of day follows the new one. The error of one
schedule is its own, as in ``firing``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import datetime, timedelta

from assist_cli.model import schedule as rules
from assist_cli.model.frequency import Frequency
from assist_cli.model.schedule import Schedule
from assist_cli.operations.controller import Controller
from assist_cli.operations.server import lease
from assist_cli.operations.server.clock import STEP
from assist_cli.operations.server.failures import Failures
from assist_cli.operations.server.firing import kept
from assist_cli.store import schedules, slots
from assist_cli.store.database import Transaction


def at_start(controller: Controller, token: str, failures: Failures, now: datetime) -> None:
    """Work out again what is due next of all schedules. Raises DatabaseFailure, Conflict."""
    _move_elapsed(controller, token)
    ahead = set(schedules.ahead(controller.database, now))

    def upcoming(schedule: Schedule, frequency: Frequency) -> tuple[Schedule, datetime | None]:
        if schedule.invocation_id in ahead:
            moved = replace(schedule, anchor=min(schedule.anchor, now))
            return moved, rules.after_step(moved, frequency, now, None)
        if schedule.instant is not None or schedule.booted is not None or schedule.paused is not None:
            return schedule, schedule.next
        return schedule, rules.upgraded(schedule, frequency, now)

    _set(controller, token, failures, schedules.open_ids(controller.database), now, upcoming)


def after_step(controller: Controller, token: str, failures: Failures, now: datetime, step: timedelta) -> None:
    """Let schedules go on after the clock was set by ``step``. Raises DatabaseFailure, Conflict.

    What was passed over by a step ahead is overdue, as after an absence.
    """
    _move_elapsed(controller, token)
    database = controller.database
    concerned = {*schedules.ahead(database, now), *schedules.passed_over(database, now - step, now)}

    def upcoming(schedule: Schedule, frequency: Frequency) -> tuple[Schedule, datetime | None]:
        return schedule, rules.after_step(schedule, frequency, now, step)

    _set(controller, token, failures, concerned, now, upcoming)


def _move_elapsed(controller: Controller, token: str) -> None:
    moment = controller.moment()
    with controller.database.transaction() as transaction:
        lease.check(transaction, token)
        schedules.adopt_boot(transaction, moment.boot, moment.booted)
        schedules.shift_elapsed(transaction, moment.boot, moment.booted, STEP)


def _set(
    controller: Controller,
    token: str,
    failures: Failures,
    ids: Iterable[str],
    now: datetime,
    upcoming: Callable[[Schedule, Frequency], tuple[Schedule, datetime | None]],
) -> None:
    """Write what is due next, where it is another time; it is worked out before the transaction begins."""
    failed: dict[str, Exception] = {}
    found: list[tuple[Schedule, Schedule, datetime | None]] = []
    for invocation_id in ids:
        with kept(failed, invocation_id):
            schedule = schedules.get(controller.database, invocation_id)
            if schedule is not None and schedule.next is not None:
                moved, due = upcoming(schedule, rules.frequency_of(schedule))
                if (moved, due) != (schedule, schedule.next):
                    found.append((schedule, moved, due))
    if found:
        with controller.database.transaction() as transaction:
            lease.check(transaction, token)
            for schedule, moved, due in found:
                with kept(failed, schedule.invocation_id), transaction.part():
                    if schedules.set_next(transaction, moved, due):
                        _miss(transaction, schedule, due, now)
    for invocation_id, error in failed.items():
        failures.note(invocation_id, error)


def _miss(transaction: Transaction, schedule: Schedule, due: datetime | None, now: datetime) -> None:
    """Write slots of what is passed over by going on at ``due``."""
    assert schedule.next is not None
    if due is not None and schedule.next < due and schedule.next <= now:
        ids = [place.instance_id for place in slots.places(transaction, schedule.invocation_id)]
        slots.add_missed(transaction, schedule.invocation_id, ids, schedule.next, due)
