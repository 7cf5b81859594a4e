"""The cleaner: it prunes old records of periodic invocations in small steps, and daily the whole history."""

from __future__ import annotations

import asyncio
import logging
import threading

from assist_cli.errors import AssistError
from assist_cli.operations.controller import Controller
from assist_cli.operations.history import prune
from assist_cli.store import prune as store
from assist_cli.store import queue, schedules, slots

ROUNDS_A_DAY = 144  # of ten minutes, see ServerTimeouts.cleaning

log = logging.getLogger(__name__)


async def keep_clean(controller: Controller) -> None:
    """Prune all schedules periodically, and the whole history in the first round of each day."""
    ending = threading.Event()
    rounds = 0
    try:
        while True:
            await asyncio.sleep(controller.timeouts.server.cleaning)
            try:
                await controller.change(clean, ending, with_history=rounds % ROUNDS_A_DAY == 0)
                rounds += 1
            except AssistError as error:
                log.error("%s", error)
    finally:
        ending.set()


def clean(controller: Controller, ending: threading.Event, *, with_history: bool) -> None:
    """Prune all schedules and, if wanted, the history, with a pause after each step; stop when it is ``ending``."""
    breath = controller.timeouts.server.breath
    for invocation_id in schedules.ids(controller.database):
        prune_schedule(controller, invocation_id)
        if ending.wait(breath):
            return
    with controller.database.transaction() as transaction:
        queue.clean(transaction)
    if with_history:
        prune_history(controller, ending)


def prune_schedule(controller: Controller, invocation_id: str) -> None:
    """Delete the records and slots beyond the retention of a schedule (docs/rules.md section 6)."""
    schedule = schedules.get(controller.database, invocation_id)
    if schedule is None or schedule.fault is not None:  # its retention may be unreadable
        return
    with controller.database.transaction() as transaction:
        old = slots.old_records(transaction, invocation_id, schedule.keep)
        if old:
            store.delete(transaction, store.Batch((), tuple(old)))
        slots.prune(transaction, invocation_id, schedule.keep)


def prune_history(controller: Controller, ending: threading.Event) -> None:
    """Prune the invocations beyond the retention of the history, step by step, with a pause after each."""
    for _ in prune.steps(controller, prune.limit(controller, older_than=prune.KEPT)):
        if ending.wait(controller.timeouts.server.breath):
            return
