"""Periodic check of a server for cloned machines: several agents that use the identity of one instance."""

from __future__ import annotations

import asyncio
import logging

from assist_cli.agents import broker_folder
from assist_cli.errors import AssistError
from assist_cli.model.names import quoted
from assist_cli.model.presence import Presence, clone_hint, clone_text
from assist_cli.operations.controller import Controller
from assist_cli.operations.fleet import instances

log = logging.getLogger(__name__)


async def keep_watching(controller: Controller) -> None:
    """Log each clone one time, and its end, until cancelled. A home without a broker costs nothing."""
    known: frozenset[str] = frozenset()
    while True:
        if broker_folder.exists(controller.home):
            from assist_cli.operations.broker import presence

            found = await presence.ask(controller)
            try:
                known = note(controller, known, found)
            except AssistError as error:
                log.error("%s", error)
        await asyncio.sleep(controller.timeouts.server.clones)


def note(controller: Controller, known: frozenset[str], found: Presence) -> frozenset[str]:
    """Log the changes since the last check, which found the ``known`` clones; return those of now."""
    gone = known - found.cloned if not found.unknown else frozenset()
    if not (gone or found.cloned - known):
        return known
    names = instances.known_names(controller)
    for instance in sorted(found.cloned - known):
        name = names.get(instance, instance)
        log.warning("%s: %s; %s", name, clone_text(found, instance), clone_hint(quoted(name)))
    for instance in sorted(gone):
        log.info("%s: one agent uses its identity again", names.get(instance, instance))
    return (known | found.cloned) - gone
