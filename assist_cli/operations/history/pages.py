"""The history in pages, as clients of the API ask for it.

No agent is asked how records stand: the server sees to it that this is true. What those that run have printed so far is
asked for when somebody looks.
"""

from __future__ import annotations

from assist_cli.model.invocation import Invocation
from assist_cli.model.page import InvocationResult, Slice, Wanted
from assist_cli.operations.controller import Controller
from assist_cli.operations.runs import interim
from assist_cli.store import invocations
from assist_cli.store import pages as store


def invocations_of(
    controller: Controller, wanted: Wanted, part: Slice, *, output: bool
) -> tuple[list[Invocation], int]:
    """Some of the invocations that are wanted, newest first, and how many there are in all."""
    ids, total = store.invocation_ids(controller.database, wanted, part)
    found = [invocations.get(controller.database, each, output=output) for each in ids]
    running = [record for each in found for record in interim.of_places(each.instances)]
    if interim.refresh(controller, running, output=output):
        found = [invocations.get(controller.database, each, output=output) for each in ids]
    return found, total


def results_of(
    controller: Controller, wanted: Wanted, part: Slice, *, every: bool
) -> tuple[list[InvocationResult], int]:
    """Some of the records that are wanted, newest first, and how many there are in all.

    Of each instance it is the newest record, or with ``every`` all of them.
    """
    found, total = store.results(controller.database, wanted, part, history=every)
    if interim.refresh(controller, [each.record for each in found], output=True):
        found, total = store.results(controller.database, wanted, part, history=every)
    return found, total
