"""Refresh of the history before it is shown: open records are reconciled with their agents.

Every read of the history loads this module, so code that connects to agents is imported only if a record is open.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from assist_cli.model.invocation import Invocation, Record
from assist_cli.operations.controller import Controller
from assist_cli.store import commands, invocations, notices, records


def refresh(controller: Controller, invocation_id: str | None) -> None:
    """Reconcile the open records of one invocation, or of all (None)."""
    now = controller.now()
    unsettled = records.unsettled(controller.database, invocation_id=invocation_id)
    found = [each for several in unsettled.values() for each in several if not _stays_queued(each, now)]
    if found:
        from assist_cli.operations.runs import reconcile  # slow to import, and needed for open records only

        reconcile.reconcile(controller, found)
    if notices.are_waiting(controller.database):
        from assist_cli.operations.notify import wishes

        wishes.hurry(controller)


def _stays_queued(record: Record, now: datetime) -> bool:
    """Return True for a queued record that was never sent and has not expired: there is nothing to reconcile."""
    return record.is_queued and record.sent is None and record.deliver_by is not None and now < record.deliver_by


def up_to_date(controller: Controller, invocation_id: str, *, output: bool) -> Invocation:
    """An invocation after ``refresh``, with the start times of its running records and, with ``output``, all output.

    Output includes interim output. Raises NotFound.
    """
    refresh(controller, invocation_id)
    found = invocations.get(controller.database, invocation_id, output=output)
    if not found.status.is_final:
        from assist_cli.operations.runs import interim

        if interim.refresh(controller, interim.newest_records(found.instances), output=output):
            return invocations.get(controller.database, invocation_id, output=output)
    return found


def refresh_commands(controller: Controller, names: Iterable[str]) -> None:
    """Reconcile the open records of these saved commands. Raises NotFound."""
    for name in names:
        command_id = commands.find(controller.database, name)
        for invocation_id in commands.open_invocations(controller.database, command_id):
            refresh(controller, invocation_id)
