"""The history in pages, for clients of the API and for the console.

The server reconciles records, so their status is read from the database only. The interim output of running records is
fetched from their agents on request.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from assist_cli.errors import NotFound
from assist_cli.model.gathering import AlikeGroup, alike
from assist_cli.model.invocation import Invocation, InvocationInstance, limited, seen
from assist_cli.model.page import InvocationResult, Slice, Wanted
from assist_cli.model.summary import Summary
from assist_cli.operations.controller import Controller
from assist_cli.operations.runs import interim, recording
from assist_cli.store import invocations, listing, records
from assist_cli.store import pages as store

SMALL = 10  # instances


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


def is_small(controller: Controller, invocation_id: str) -> bool:
    """Return True for an invocation that has ended, on at most ``SMALL`` instances: it is read in a moment."""
    return store.is_ended_on(controller.database, invocation_id, SMALL)


def summaries_of(controller: Controller, wanted: Wanted, part: Slice) -> list[Summary]:
    """One page of the matching invocations, newest first. Only the instances in ``wanted.among`` count."""
    ids, _ = store.invocation_ids(controller.database, wanted, part, counts=False)
    return listing.summaries_of(controller.database, ids, wanted.among)


def visible(controller: Controller, invocation_id: str, among: Collection[str] | None) -> Invocation:
    """An invocation of this whole id, with only those ``among`` its instances, and without output.

    Raises NotFound, also if it has no such instance.
    """
    try:
        found = recording.recall(controller, invocation_id, output=False)
    except NotFound:
        found = None
    if found is None or not seen(found, None, among):
        raise NotFound(f"cannot find an invocation '{invocation_id}'", hint="the invocations page lists what there is")
    return limited(found, None, among)


def of_record(controller: Controller, invocation: Invocation, record_id: str) -> InvocationInstance:
    """The instance of a record of an invocation, with that record instead of the newest one. Raises NotFound."""
    found = records.of_invocation(controller.database, invocation.id, record_id)
    for place in invocation.instances:
        if found is not None and place.instance_id == found.instance_id:
            return place._replace(record=found)
    raise NotFound(
        f"cannot find a record '{record_id}' of the invocation {invocation.id}", hint="its page lists what there is"
    )


def current(controller: Controller, places: Sequence[InvocationInstance]) -> list[InvocationInstance]:
    """Instances with the output of their records. Agents of running ones are asked for their interim output."""
    interim.refresh(controller, interim.newest_records(places), output=True)
    return [_with_record(controller, each) for each in places]


def _with_record(controller: Controller, place: InvocationInstance) -> InvocationInstance:
    found = records.get(controller.database, place.record.id, output=True) if place.record.id else None
    return place if found is None else place._replace(record=found)


def answers(controller: Controller, invocation: Invocation) -> list[AlikeGroup]:
    """The instances of an invocation that have ended, grouped by equal answers, the odd ones first."""
    ended = (each for each in invocation.instances if each.record.status.is_final)
    return alike(recording.with_output(controller, each) for each in ended)


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
