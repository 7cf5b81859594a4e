"""Looking at what was run. Whoever looks first sees to it that what is shown is true (docs/rules.md section 2)."""

from __future__ import annotations

from assist_cli.model.invocation import Invocation, Summary
from assist_cli.operations.controller import Controller
from assist_cli.store import invocations, listing, records


def find(controller: Controller, text: str, *, files: bool = False) -> str:
    """The id of the invocation that is meant: an id, the beginning of one, or ``-`` for the newest run.

    That of a file is found with ``files`` only. Raises NotFound.
    """
    return invocations.find(controller.database, text, invocations.BOTH if files else invocations.RUNS)


def show(controller: Controller, invocation_id: str, *, output: bool) -> Invocation:
    """An invocation with its instances and, where asked for, their output. Raises NotFound.

    The agents of records that are not final are asked first.
    """
    refresh(controller, invocation_id)
    return invocations.get(controller.database, invocation_id, output=output)


def recall(controller: Controller, invocation_id: str, *, output: bool = True) -> Invocation:
    """An invocation as it was last written; nobody is asked. Raises NotFound."""
    return invocations.get(controller.database, invocation_id, output=output)


def changes(controller: Controller) -> object:
    """A mark that differs from an earlier one when the history may have changed since; it costs next to nothing."""
    return controller.database.changes()


def summaries(controller: Controller, *, limit: int | None) -> list[Summary]:
    """The newest invocations first, at most ``limit`` of them. Agents are asked as for ``show``."""
    refresh(controller, None)
    return listing.summaries(controller.database, limit)


def short_ids(controller: Controller, ids: list[str]) -> dict[str, str]:
    """For each id a beginning that names it alone."""
    return listing.short_ids(controller.database, ids)


def refresh(controller: Controller, invocation_id: str | None) -> None:
    """Ask the agents of records that are not final, of one invocation or (None) of all, how they stand."""
    found = records.unsettled(controller.database, invocation_id=invocation_id)
    if found:
        from assist_cli.operations import collect  # asyncio and the agents, which a look at the past does not need

        collect.reconcile(controller, found)
