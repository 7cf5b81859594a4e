"""The home page: is anything broken, what runs now, what comes next."""

from __future__ import annotations

from starlette.responses import Response

from assist_cli.model.page import Slice, Wanted
from assist_cli.operations.history import pages
from assist_cli.web import words
from assist_cli.web.visit import Visit

LISTED = 8


def overview(visit: Visit) -> Response:
    among = visit.rights.seen
    running = pages.summaries_of(visit.controller, Wanted(status="Running", timed=False, among=among), Slice(LISTED))
    failed = pages.summaries_of(visit.controller, Wanted(unsuccessful=True, among=among), Slice(LISTED))
    every = [each.invocation.id for each in (*running, *failed)]
    return visit.page(
        "home.html",
        running=running,
        failed=failed,
        instances=len(visit.rights.known),
        short=pages.short_ids(visit.controller, every),
        of_summary=words.of_summary,
    )
