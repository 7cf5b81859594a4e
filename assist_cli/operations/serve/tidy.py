"""Keeping the history small: what is old of periodic runs goes, a little at a time."""

from __future__ import annotations

import asyncio
import logging

from assist_cli.errors import AssistError
from assist_cli.operations.controller import Controller
from assist_cli.store import schedules, slots

ROUND_SECONDS = 600.0
BREATH_SECONDS = 0.02  # between two schedules, so that what is due is not kept waiting

log = logging.getLogger(__name__)


async def keep_tidy(controller: Controller) -> None:
    """Go through all schedules again and again."""
    while True:
        await asyncio.sleep(ROUND_SECONDS)
        try:
            for invocation_id in schedules.ids(controller.database):
                tidy(controller, invocation_id)
                await asyncio.sleep(BREATH_SECONDS)
        except AssistError as error:
            log.error("%s", error)


def tidy(controller: Controller, invocation_id: str) -> None:
    """Remove what is beyond the number of records that its schedule keeps (docs/rules.md section 6)."""
    schedule = schedules.get(controller.database, invocation_id)
    if schedule is not None:
        with controller.database.transaction() as transaction:
            slots.prune(transaction, invocation_id, schedule.keep)
