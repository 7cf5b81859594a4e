"""Comparisons: an invocation with an earlier one, and two of its instances with each other."""

from __future__ import annotations

from starlette.responses import Response

from assist_cli import codes
from assist_cli.errors import AssistError, NotFound
from assist_cli.model.comparison import changed_lines
from assist_cli.model.folding import fold_some
from assist_cli.model.gathering import in_words
from assist_cli.model.invocation import Invocation, InvocationInstance
from assist_cli.model.output import Output, Stream
from assist_cli.model.page import Slice, Wanted
from assist_cli.model.summary import Summary
from assist_cli.operations.history import compare, pages
from assist_cli.web import words
from assist_cli.web.visit import Visit

LISTED = 20  # earlier runs, to compare with


def diff(visit: Visit) -> Response:
    """The differences to an earlier run of the same command, or a choice of one."""
    found, other, error, comparison = visit.invocation(), visit.query("with"), None, None
    if other:
        try:
            before = pages.visible(visit.controller, other, visit.rights.seen)
            comparison = compare.compared(visit.controller, before, found)
        except AssistError as refusal:
            error = refusal
    earlier = _earlier(visit, found)
    return visit.page(
        "invocations/diff.html",
        found=found,
        other=other,
        comparison=comparison,
        error=error,
        earlier=earlier,
        short=pages.short_ids(visit.controller, [each.invocation.id for each in earlier]),
        of_summary=words.of_summary,
        in_words=in_words,
    )


def _earlier(visit: Visit, found: Invocation) -> list[Summary]:
    """Return earlier runs of the same command or of the same script."""
    among = visit.rights.seen
    if found.command_name is not None:
        wanted = Wanted(command_id=found.command_id, among=among)
        return pages.summaries_of(visit.controller, wanted, Slice(LISTED, found.id))
    recent = pages.summaries_of(visit.controller, Wanted(among=among), Slice(10 * LISTED, found.id))
    return [each for each in recent if found.content.startswith(each.invocation.content)][:LISTED]


def compare_outputs(visit: Visit) -> Response:
    """The difference between the outputs of two instances of an invocation."""
    found = visit.invocation()
    names = [each.instance_name for each in found.instances]
    one, other = visit.query("a"), visit.query("b")
    if not one and not other:
        groups = pages.answers(visit.controller, found)
        if len(groups) > 1:
            one, other = groups[-1].names[0], groups[0].names[0]
    error, places, lines = None, [], []
    if one or other:
        try:
            places = visit.current([_place(found, one), _place(found, other)])
            before, after = (each.record.output or Output() for each in places)
            lines = [
                line
                for each in Stream
                for line in changed_lines(before.bytes_of(each), after.bytes_of(each), each.value, (one, other))
            ]
        except NotFound as refusal:
            error = refusal
    return visit.page(
        "invocations/compare.html",
        found=found,
        names=names,
        a=one,
        b=other,
        places=places,
        lines=lines,
        error=error,
        of_place=words.of_place,
        shown_names=fold_some(names),
    )


def _place(found: Invocation, name: str) -> InvocationInstance:
    for place in found.instances:
        if name in (place.instance_name, place.instance_id):
            return place
    raise NotFound(
        f"cannot find the instance '{name}' in this invocation",
        hint="give one of its instances",
        code=codes.INSTANCE_NOT_EXISTS,
    )
