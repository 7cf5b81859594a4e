"""The history in pages, for clients of the API and for the console.

The server reconciles records, so their status is read from the database only. The interim output of running records is
fetched from their agents on request.
"""

from __future__ import annotations

from collections.abc import Sequence

from assist_cli.model.invocation import Invocation
from assist_cli.model.page import InvocationResult, Slice, Wanted
from assist_cli.model.summary import Summary
from assist_cli.operations.controller import Controller
from assist_cli.operations.runs import interim
from assist_cli.store import invocations, listing
from assist_cli.store import pages as store


def invocations_of(
    controller: Controller, wanted: Wanted, part: Slice, *, output: bool
) -> tuple[list[Invocation], int]:
    """One page of the matching invocations, newest first, and their total number."""
    ids, total = store.invocation_ids(controller.database, wanted, part)
    found = [invocations.get(controller.database, each, output=output) for each in ids]
    running = [record for each in found for record in interim.newest_records(each.instances)]
    if interim.refresh(controller, running, output=output):
        found = [invocations.get(controller.database, each, output=output) for each in ids]
    return found, total


def summaries_of(controller: Controller, wanted: Wanted, part: Slice) -> list[Summary]:
    """One page of the matching invocations, newest first. Only the instances in ``wanted.among`` count."""
    ids, _ = store.invocation_ids(controller.database, wanted, part)
    return listing.summaries_of(controller.database, ids, wanted.among)


def short_ids(controller: Controller, ids: Sequence[str]) -> dict[str, str]:
    """A unique prefix of each id."""
    return listing.short_ids(controller.database, ids)


def results_of(
    controller: Controller, wanted: Wanted, part: Slice, *, every: bool
) -> tuple[list[InvocationResult], int]:
    """One page of the matching records, newest first, and their total number.

    Only the newest record of each instance matches, or with ``every`` all.
    """
    found, total = store.results(controller.database, wanted, part, history=every)
    if interim.refresh(controller, [each.record for each in found], output=True):
        found, total = store.results(controller.database, wanted, part, history=every)
    return found, total


def records_of(controller: Controller, wanted: Wanted, part: Slice) -> list[InvocationResult]:
    """One page of the matching records, newest first, without output. No agent is contacted."""
    found, _ = store.results(controller.database, wanted, part, history=True, output=False)
    return found
