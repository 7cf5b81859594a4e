"""Search in scripts and outputs."""

from __future__ import annotations

from starlette.responses import Response

from assist_cli.errors import InvalidParameter
from assist_cli.model import phrase
from assist_cli.model.folding import fold
from assist_cli.model.invocation import Hit
from assist_cli.model.names import quoted
from assist_cli.operations.history import pages, search
from assist_cli.web.paging import page_number, uncounted
from assist_cli.web.visit import Visit

SIZE = 50  # hits of a page
MOST_PAGES = 20
LONGEST = 500  # characters of a phrase


def results(visit: Visit) -> Response:
    """Show the hits of a phrase in the scope, newest first."""
    text, error, hits = visit.query("q"), None, []
    number = page_number(visit.query("page"), MOST_PAGES)
    words = None
    if text:
        try:
            words = _phrase(text)
            offset = (number - 1) * SIZE
            hits = search.recall(visit.controller, words, visit.rights.seen, limit=SIZE + 1, offset=offset)
        except InvalidParameter as refusal:
            error = refusal
    page = uncounted(hits, number, SIZE, MOST_PAGES, {"q": text})
    return visit.page(
        "search.html",
        find=text,
        error=error,
        words=words,
        page=page,
        groups=search.alike(page.items),
        names=_names,
        short=pages.short_ids(visit.controller, sorted({each.invocation_id for each in page.items})),
        is_last=number == MOST_PAGES,
        command=f"assist invocation search {quoted(text)}",
    )


def _phrase(text: str) -> phrase.Phrase:
    if len(text) > LONGEST:
        raise InvalidParameter(
            f"cannot search for {len(text):,} characters: {LONGEST} at most", hint="search for fewer words"
        )
    return phrase.parse(text)


def _names(hits: list[Hit]) -> str:
    return fold([each.instance_name for each in hits if each.instance_name is not None])
