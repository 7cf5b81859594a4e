"""Realignment of due times with the clock: at the start of a server, and after the clock was set.

Between two servers the clock may have been set, the machine rebooted, and Assist or its time zones upgraded. Schedules
by elapsed time are shifted with the clock. Schedules by the time of day follow the new time. As in ``firing``, an error
in one schedule does not affect the others.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime, timedelta

from assist_cli.model import schedule as rules
from assist_cli.model.frequency import Frequency
from assist_cli.model.schedule import Schedule
from assist_cli.operations.controller import Controller
from assist_cli.operations.server import lease
from assist_cli.operations.server.clock import STEP
from assist_cli.operations.server.failures import Failures
from assist_cli.operations.server.firing import isolated
from assist_cli.store import schedules, slots
from assist_cli.store.database import Transaction


def at_start(controller: Controller, token: str, failures: Failures, now: datetime) -> None:
    """Compute the next due times of all schedules again. Raises DatabaseFailure, Conflict."""
    _move_elapsed(controller, token)
    ahead = set(schedules.ahead(controller.database, now))

    def upcoming(schedule: Schedule, frequency: Frequency) -> tuple[Schedule, datetime | None]:
        if schedule.invocation_id in ahead:
            moved = schedule._replace(anchor=min(schedule.anchor, now))
            return moved, rules.after_step(moved, frequency, now, None)
        if schedule.instant is not None or schedule.booted is not None or schedule.paused is not None:
            return schedule, schedule.next
        return schedule, rules.upgraded(schedule, frequency, now)

    _set(controller, token, failures, schedules.open_ids(controller.database), now, upcoming)


def after_step(controller: Controller, token: str, failures: Failures, now: datetime, step: timedelta) -> None:
    """Adjust the due times after the clock was set by ``step``. Raises DatabaseFailure, Conflict.

    Due times that a step forward has passed over are overdue, as after a downtime.
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
    """Write the next due times that have changed. They are computed before the transaction."""
    failed: dict[str, Exception] = {}
    found: list[tuple[Schedule, Schedule, datetime | None]] = []
    for invocation_id in ids:
        with isolated(failed, invocation_id):
            schedule = schedules.get(controller.database, invocation_id)
            if schedule is not None and schedule.next is not None:
                moved, due = upcoming(schedule, rules.frequency_of(schedule))
                if (moved, due) != (schedule, schedule.next):
                    found.append((schedule, moved, due))
    if found:
        with controller.database.transaction() as transaction:
            lease.check(transaction, token)
            for schedule, moved, due in found:
                with isolated(failed, schedule.invocation_id), transaction.part():
                    if schedules.set_next(transaction, moved, due):
                        _miss(transaction, schedule, due, now)
    for invocation_id, error in failed.items():
        failures.note(controller, invocation_id, error)


def _miss(transaction: Transaction, schedule: Schedule, due: datetime | None, now: datetime) -> None:
    """Write slots of the due times that are missed because the next one is ``due``."""
    assert schedule.next is not None
    if due is not None and schedule.next < due and schedule.next <= now:
        ids = [each.instance_id for each in slots.places(transaction, schedule.invocation_id)]
        slots.add_missed(transaction, schedule.invocation_id, ids, schedule.next, due)
