"""Keeping the history small: what is old of periodic runs goes, a little at a time, and each day what is old at all."""

from __future__ import annotations

import asyncio
import logging

from assist_cli.errors import AssistError
from assist_cli.operations.controller import Controller
from assist_cli.operations.history import prune
from assist_cli.store import prune as store
from assist_cli.store import queue, schedules, slots

ROUNDS_A_DAY = 144  # of ten minutes, see ServerTimeouts.cleaning

log = logging.getLogger(__name__)


async def keep_clean(controller: Controller) -> None:
    """Go through all schedules again and again; in the first round of each day through the whole history."""
    timeouts = controller.timeouts.server
    rounds = 0
    while True:
        await asyncio.sleep(timeouts.cleaning)
        try:
            for invocation_id in schedules.ids(controller.database):
                tidy(controller, invocation_id)
                await asyncio.sleep(timeouts.breath)
            with controller.database.transaction() as transaction:
                queue.clean(transaction)
            if rounds % ROUNDS_A_DAY == 0:
                await forget_what_is_old(controller)
            rounds += 1
        except AssistError as error:
            log.error("%s", error)


def tidy(controller: Controller, invocation_id: str) -> None:
    """Remove what is beyond the number of records that its schedule keeps (docs/rules.md section 6)."""
    schedule = schedules.get(controller.database, invocation_id)
    if schedule is None or schedule.fault is not None:  # which may be in how much it keeps
        return
    with controller.database.transaction() as transaction:
        gone = slots.old_records(transaction, invocation_id, schedule.keep)
        if gone:
            store.delete(transaction, store.Batch((), tuple(gone)))
        slots.prune(transaction, invocation_id, schedule.keep)


async def forget_what_is_old(controller: Controller) -> None:
    """Forget what ended longer ago than the history is kept; step by step, with a breath after each."""
    for _ in prune.steps(controller, prune.limit(controller, older_than=prune.KEPT)):
        await asyncio.sleep(controller.timeouts.server.breath)
