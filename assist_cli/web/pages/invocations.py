"""The invocations: a list with filters, each with its groups of equal output, and what can be done with it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup
from starlette.responses import Response

from assist_cli.errors import InvalidParameter, NotFound
from assist_cli.model import past
from assist_cli.model.gathering import AlikeGroup, EndingGroup, endings
from assist_cli.model.invocation import Invocation
from assist_cli.model.names import quoted
from assist_cli.model.output import Output
from assist_cli.model.page import Slice, Wanted
from assist_cli.model.secret import Secret
from assist_cli.model.status import InvokeStatus
from assist_cli.model.summary import State, Verdict
from assist_cli.model.target import Selection
from assist_cli.operations.commands import commands
from assist_cli.operations.history import history, pages
from assist_cli.operations.runs import recording, stop
from assist_cli.web import live, words
from assist_cli.web.lines import blocks, lines_of
from assist_cli.web.paging import following, numbered
from assist_cli.web.visit import Visit

SIZE = 50  # invocations of a page
GROUPS = 50  # groups of equal output of a page; the others are in its table of instances
INLINE = 3 << 19  # bytes of output of a page with several groups
TAIL = 20  # lines of a group whose output does not fit
ROWS = 100  # instances of a page of the table

STATES = tuple(each.value for each in InvokeStatus)


def listing(visit: Visit) -> Response:
    """The invocations that match the filters, newest first, in pages."""
    given = {name: visit.query(name) for name in ("state", "command", "on", "since", "unsuccessful")}
    kept = {name: value for name, value in given.items() if value}
    after, error, found = visit.query("after"), None, []
    try:
        wanted = _wanted(visit, given)
        found = pages.summaries_of(visit.controller, wanted, Slice(SIZE + 1, after or None))
    except (NotFound, InvalidParameter) as refusal:
        error = refusal
    last = found[:SIZE][-1].invocation.id if found else ""
    page = following(found, SIZE, last, kept, begins=not after)
    return visit.page(
        "invocations/list.html",
        page=page,
        given=given,
        is_filtered=bool(kept),
        error=error,
        states=STATES,
        short=pages.short_ids(visit.controller, [each.invocation.id for each in page.items]),
        of_summary=words.of_summary,
        command=_list_command(given),
    )


def _wanted(visit: Visit, given: dict[str, str]) -> Wanted:
    """Return the filter of the query. Raises InvalidParameter and NotFound."""
    state, since, on = given["state"], given["since"], given["on"]
    if state and state not in STATES:
        raise InvalidParameter(f"cannot use '{state}' as a state", hint=f"it is one of {', '.join(STATES)}")
    try:
        moment = past.moment(since, visit.controller.now()) if since else None
    except ValueError as error:
        raise InvalidParameter(f"cannot use the time: {error}", hint="for example 2h, 7d or yesterday") from None
    command_ids = history.filtered(visit.controller, command=given["command"]).command_ids if given["command"] else None
    return Wanted(
        status=state or None,
        unsuccessful=bool(given["unsuccessful"]),
        command_ids=command_ids,
        instance_ids=_selected(visit, on) if on else None,
        since=moment,
        among=visit.rights.seen,
    )


def _selected(visit: Visit, target: str) -> list[str]:
    """Return the ids of the instances of a target in the scope; of removed ones, for a user without a scope."""
    try:
        return [each.id for each in visit.chosen(target)]
    except NotFound:
        if visit.rights.seen is not None:
            raise
        return list(history.known(visit.controller.database, Selection((target,))))


def _list_command(given: dict[str, str]) -> str:
    words_of = {"state": "--status", "command": "--command", "on": "-i", "since": "--since"}
    options = [f"{option} {quoted(given[name])}" for name, option in words_of.items() if given[name]]
    return " ".join(["assist invocation list", *options, *(["--unsuccessful"] if given["unsuccessful"] else [])])


# one invocation


@dataclass(frozen=True)
class ShownGroup:
    """A group of equal answers: its state, if it is open at first, and its output or the end of it."""

    group: AlikeGroup
    state: State
    is_open: bool
    output: Markup
    is_whole: bool
    preview: str


def show(visit: Visit) -> Response:
    """One invocation; with ``part`` only what changes while it runs."""
    found = visit.invocation()
    values = {**live.summary(visit.controller, found), **_body(visit, found)}
    if visit.query("part"):
        return visit.page("invocations/body.html", found=found, **values)
    schedule = history.planned(visit.controller, [found]).get(found.id)
    page = numbered(found.instances, visit.query("page"), ROWS, {})
    return visit.page(
        "invocations/show.html",
        found=found,
        rows=page,
        of_place=words.of_place,
        schedule=schedule,
        former=history.former(visit.controller, found),
        saved=_is_saved(visit, found),
        **_details(found),
        **values,
    )


def _body(visit: Visit, found: Invocation) -> dict[str, Any]:
    """Return the values of the part that changes while it runs: groups, open records, and the others in words."""
    groups = pages.answers(visit.controller, found)
    left = [each for each in found.instances if not each.record.status.is_final]
    panels = live.active(found)
    is_open = len(left) <= live.OPEN
    # the agents of many are not asked: their panels are closed, and lead to pages that ask them
    panels = visit.current(panels) if is_open else [recording.with_output(visit.controller, each) for each in panels]
    panels = [each for each in panels if not each.record.status.is_final]  # one may have ended meanwhile
    shown = {each.record.id for each in panels}
    rest = [each for each in left if each.record.id not in shown]
    return {
        "groups": _shown(visit, groups[:GROUPS]),
        "more_groups": len(groups) - GROUPS if len(groups) > GROUPS else 0,
        "panels": [live.panel(each, is_open=is_open) for each in panels],
        "others": [(_ending_state(each), each) for each in endings(rest)],
        "shown_ends": sum(len(each.places) for each in groups),
        "is_one": len(found.instances) == 1,
    }


def _shown(visit: Visit, groups: Sequence[AlikeGroup]) -> list[ShownGroup]:
    """Return the groups with their outputs, as far as these fit into the page; the odd ones are open."""
    room = INLINE
    found = []
    for group in groups:
        place = recording.with_output(visit.controller, group.first)
        lines = lines_of(place.record.output or Output())
        is_whole = len(groups) == 1 or group.size <= room
        if is_whole:
            room -= group.size
        shown = blocks(lines, place.record.id) if is_whole else blocks(lines[-TAIL:], "")
        last = next((each.html for each in reversed(lines) if not each.is_gap and each.html.strip()), "")
        is_open = len(groups) == 1 or not group.is_success
        preview = Markup(last).striptags()[:80]  # noqa: S704 - every text in it was escaped
        found.append(ShownGroup(group, words.of_record(place.record), is_open, shown, is_whole, preview))
    return found


def _ending_state(ending: EndingGroup) -> State:
    if ending.is_queued:
        return State("queued", Verdict.BUSY)
    return State("scheduled" if ending.is_scheduled else "running", Verdict.BUSY)


def _details(found: Invocation) -> dict[str, Any]:
    """Return the details: parameters without secrets, settings, and the timeline."""
    parameters = [(key, None if isinstance(value, Secret) else str(value)) for key, value in found.parameters.items()]
    every = [each.record for each in found.instances if each.record.id]
    moments = [
        ("Created", found.created),
        ("First sent", min((each.sent for each in every if each.sent), default=None)),
        ("First started", min((each.started for each in every if each.started), default=None)),
        ("Stop requested", min((each.stop_time for each in found.instances if each.stop_time), default=None)),
        ("Last ended", max((each.finished for each in every if each.finished), default=None)),
        ("Finished", found.finished),
    ]
    return {
        "parameters": parameters,
        "timeline": [(name, moment) for name, moment in moments if moment is not None],
        "script": found.content.decode("utf-8", "replace"),
    }


def _is_saved(visit: Visit, found: Invocation) -> bool:
    """Return True if its command still exists."""
    return found.command_name is not None and commands.of_id(visit.controller, found.command_id) is not None


# changes


def stop_form(visit: Visit) -> Response:
    found = visit.invocation()
    left = [each for each in found.instances if not each.status.is_final]
    return visit.page("invocations/stop.html", found=found, left=left)


def stop_it(visit: Visit) -> Response:
    """Stop an invocation on its instances in the scope. The agents get the stop after the answer."""
    found = visit.invocation()
    where = Selection(tuple(each.instance_id for each in found.instances))
    stopping = stop.begin(visit.controller, found.id, where, also=visit.still)
    visit.site.background.stop(found.id, stopping)
    return visit.go_to(f"/invocations/{found.id}")
