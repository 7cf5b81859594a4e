"""The history in pages, as clients of the API ask for it. No agent is asked: the server sees to it that it is true."""

from __future__ import annotations

from assist_cli.model.invocation import Invocation
from assist_cli.model.page import InvocationResult, Slice, Wanted
from assist_cli.operations.controller import Controller
from assist_cli.store import invocations
from assist_cli.store import pages as store


def invocations_of(
    controller: Controller, wanted: Wanted, part: Slice, *, output: bool
) -> tuple[list[Invocation], int]:
    """Some of the invocations that are wanted, newest first, and how many there are in all."""
    ids, total = store.invocation_ids(controller.database, wanted, part)
    return [invocations.get(controller.database, each, output=output) for each in ids], total


def results_of(
    controller: Controller, wanted: Wanted, part: Slice, *, every: bool
) -> tuple[list[InvocationResult], int]:
    """Some of the records that are wanted, newest first, and how many there are in all.

    Of each instance it is the newest record, or with ``every`` all of them.
    """
    return store.results(controller.database, wanted, part, history=every)
