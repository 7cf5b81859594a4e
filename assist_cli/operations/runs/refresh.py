"""Refreshing the history before somebody looks: agents are asked for what is open, and what they tell is written.

This module is loaded by every look at the history, so what talks to agents is imported only when a record is open.
"""

from __future__ import annotations

from collections.abc import Iterable

from assist_cli.model.invocation import Invocation
from assist_cli.operations.controller import Controller
from assist_cli.store import commands, invocations, notices, records


def refresh(controller: Controller, invocation_id: str | None) -> None:
    """Ask the agents of records that are not final, of one invocation or (None) of all, how they stand."""
    found = records.unsettled(controller.database, invocation_id=invocation_id)
    if found:
        from assist_cli.operations.runs import reconcile  # asyncio and the agents: a look at the past needs neither

        reconcile.reconcile(controller, [record for several in found.values() for record in several])
    if notices.are_waiting(controller.database):
        from assist_cli.operations.notify import wishes

        wishes.hurry(controller)


def up_to_date(controller: Controller, invocation_id: str, *, output: bool) -> Invocation:
    """An invocation after ``refresh``, with when those of its records that run started, and their output so far.

    Output is asked for and given only where it is wanted. Raises NotFound.
    """
    refresh(controller, invocation_id)
    found = invocations.get(controller.database, invocation_id, output=output)
    if not found.status.is_final:
        from assist_cli.operations.runs import interim

        if interim.refresh(controller, interim.of_places(found.instances), output=output):
            return invocations.get(controller.database, invocation_id, output=output)
    return found


def refresh_commands(controller: Controller, names: Iterable[str]) -> None:
    """The same for the invocations of these saved commands. Raises NotFound."""
    for name in names:
        command_id = commands.find(controller.database, name)
        for invocation_id in commands.open_invocations(controller.database, command_id):
            refresh(controller, invocation_id)
