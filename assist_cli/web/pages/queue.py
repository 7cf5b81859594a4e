"""The queue: records that wait for an instance that is away, and dropping them."""

from __future__ import annotations

from starlette.responses import Response

from assist_cli.errors import InvalidParameter, NotFound
from assist_cli.operations.history import pages, queue
from assist_cli.operations.server import schedules
from assist_cli.web.paging import numbered
from assist_cli.web.visit import Visit

SIZE = 100  # records of a page


def listing(visit: Visit) -> Response:
    """List the queued records, in the order of their delivery."""
    found = queue.recall(visit.controller, visit.rights.seen)
    page = numbered(found, visit.query("page"), SIZE, {})
    dropped = visit.query("dropped")
    return visit.page(
        "queue.html",
        page=page,
        short=queue.short_ids(found),
        short_invocations=pages.short_ids(visit.controller, sorted({each.invocation_id for each in page.items})),
        dropped=int(dropped) if dropped.isdecimal() and len(dropped) < 9 else 0,
        is_served=schedules.is_served(visit.controller),
    )


def drop(visit: Visit) -> Response:
    """Drop the records that are given, as far as they are still queued."""
    wanted = set(visit.listed("record"))
    if not wanted:
        raise InvalidParameter("cannot drop: no record given", hint="select records on the page of the queue")
    chosen = [each for each in queue.recall(visit.controller, visit.rights.seen) if each.record.id in wanted]
    if not chosen:
        raise NotFound(
            "cannot find these records in the queue: they were delivered, or have expired",
            hint="the page of the queue lists what there is",
        )
    dropped = queue.begin_drop(visit.controller, chosen, also=visit.still)
    for invocation_id, several in dropped.items():
        visit.site.background.stop(invocation_id, [each.record.instance_id for each in several])
    return visit.go_to(f"/queue?dropped={sum(map(len, dropped.values()))}")
