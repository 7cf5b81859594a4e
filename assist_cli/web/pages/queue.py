"""The queue: records that wait for an instance that is away, and dropping them."""

from __future__ import annotations

from starlette.responses import Response

from assist_cli.errors import AssistError, InvalidParameter, NotFound
from assist_cli.operations.history import pages, queue
from assist_cli.operations.server import schedules
from assist_cli.web.paging import numbered
from assist_cli.web.visit import Visit

SIZE = 100  # records of a page


def listing(visit: Visit) -> Response:
    """List the queued records, in the order of their delivery."""
    return _page(visit)


def drop(visit: Visit) -> Response:
    """Drop the records that are given, as far as they are still queued."""
    wanted = set(visit.listed("record"))
    chosen = [each for each in queue.recall(visit.controller, visit.rights.seen) if each.record.id in wanted]
    if not wanted:
        return _page(visit, InvalidParameter("cannot drop: no record given", hint="select records in the list"), 400)
    if not chosen:
        why = "they were delivered, or have expired"
        error = NotFound(f"cannot find these records in the queue: {why}", hint="the list has those that still wait")
        return _page(visit, error, 404)
    dropped = queue.begin_drop(visit.controller, chosen, also=visit.still)
    for invocation_id, several in dropped.items():
        visit.site.background.stop(invocation_id, [each.record.instance_id for each in several])
    return visit.go_to(f"/queue?dropped={sum(map(len, dropped.values()))}")


def _page(visit: Visit, error: AssistError | None = None, status: int = 200) -> Response:
    """Return the page of the queue; with ``error``, nothing was dropped."""
    found = queue.recall(visit.controller, visit.rights.seen)
    page = numbered(found, visit.query("page"), SIZE, {})
    dropped = visit.query("dropped")
    return visit.page(
        "queue.html",
        status=status,
        error=error,
        page=page,
        short=queue.short_ids(found),
        short_invocations=pages.short_ids(visit.controller, sorted({each.invocation_id for each in page.items})),
        dropped=int(dropped) if dropped.isdecimal() and len(dropped) < 9 else 0,
        is_served=schedules.is_served(visit.controller),
    )
