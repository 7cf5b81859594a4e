"""Enrolments while the server runs. What they need is loaded only by a home that has a broker and an enrolment."""

from __future__ import annotations

import logging

from assist_cli.agents import broker_folder
from assist_cli.errors import AssistError
from assist_cli.model.enrolment import GRACE
from assist_cli.operations import periodic
from assist_cli.operations.controller import Controller
from assist_cli.store import enrolments

log = logging.getLogger(__name__)


async def keep_enrolling(controller: Controller) -> None:
    """Enrol machines while there are enrolments that have not expired, until cancelled."""
    pause = controller.timeouts.agent.retries[-1]
    while not _is_needed(controller):
        await periodic.pause(pause)
    from assist_cli.operations.server.enroller import Enroller

    enroller = Enroller(controller)
    failure = ""
    try:
        while True:
            try:
                if _is_needed(controller):
                    await enroller.listen()
                    failure = ""
            except AssistError as error:
                if failure != str(error):
                    failure = str(error)
                    log.warning("cannot enrol machines: %s", error)
            await periodic.pause(pause)
    finally:
        await enroller.cancel()


def _is_needed(controller: Controller) -> bool:
    """Return True if this home has a broker of its own, and a machine may still have a valid file."""
    if not broker_folder.exists(controller.home) or broker_folder.has_joined(controller.home):
        return False
    try:
        end = enrolments.latest_end(controller.database)
    except AssistError:  # the server reports it
        return False
    return end is not None and end + GRACE > controller.now()
