"""The schedules: a list, and each with its next due times and its slots; pause, resume and stop."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from starlette.responses import Response

from assist_cli.errors import Conflict, InvalidParameter, NotFound
from assist_cli.model.frequency import Firing
from assist_cli.model.schedule import Slot
from assist_cli.model.summary import State, Verdict
from assist_cli.operations.history import pages
from assist_cli.operations.runs import stop
from assist_cli.operations.server import schedules
from assist_cli.operations.server.schedules import SLOT_VERDICTS, Planned
from assist_cli.web.paging import numbered, page_number, uncounted
from assist_cli.web.visit import Visit

SIZE = 50  # schedules of a page
SLOTS = 100  # slots of a page
MOST_PAGES = 100  # of slots: older ones by the command line
NEXT = 20
_WORST = (Verdict.BAD, Verdict.ODD, Verdict.BUSY, Verdict.GOOD)


@dataclass(frozen=True)
class SlotGroup:
    """The slots of one due time: the ``state`` that needs attention most, on ``count`` of ``total`` instances."""

    due: datetime
    state: State
    count: int
    total: int


def listing(visit: Visit) -> Response:
    """List the schedules, newest first; with ``ended`` also those that have ended."""
    ended = bool(visit.query("ended"))
    among = visit.rights.seen
    ids = schedules.ids(visit.controller, ended=ended, among=among)
    page = numbered(ids, visit.query("page"), SIZE, {"ended": "1"} if ended else {})
    return visit.page(
        "schedules/list.html",
        page=page,
        found=schedules.summaries(visit.controller, page.items, among),
        ended=ended,
        short=pages.short_ids(visit.controller, page.items),
        is_served=schedules.is_served(visit.controller),
    )


def show(visit: Visit) -> Response:
    return _page(visit, _planned(visit))


def pause(visit: Visit) -> Response:
    return _change(visit, lambda id: schedules.pause(visit.controller, id, also=visit.still))


def resume(visit: Visit) -> Response:
    return _change(visit, lambda id: schedules.resume(visit.controller, id, also=visit.still))


def end(visit: Visit) -> Response:
    """Stop a schedule for good, and what runs of it."""

    def change(id: str) -> None:
        visit.site.background.stop(id, stop.begin(visit.controller, id, also=visit.still))

    return _change(visit, change)


def _change(visit: Visit, change: Callable[[str], object]) -> Response:
    """Change the schedule of the route: it must be completely in the scope. A conflict is shown on its page."""
    planned = _planned(visit)
    id = planned.invocation.id
    visit.rights.check_scope(schedules.instance_names(visit.controller, id))
    try:
        change(id)
    except Conflict as error:
        return _page(visit, planned, error)
    return visit.go_to(f"/schedules/{id}")


def _page(visit: Visit, planned: Planned, error: Conflict | None = None) -> Response:
    """Return the page of a schedule; with ``error``, a change was refused."""
    id = planned.invocation.id
    number = page_number(visit.query("page"), MOST_PAGES)
    slots = list(schedules.recall(visit.controller, id, limit=number * SLOTS + 1, among=visit.rights.seen))
    page = uncounted(slots[(number - 1) * SLOTS :], number, SLOTS, MOST_PAGES, {})
    firings, firings_error = _next(visit, planned)
    is_whole = visit.rights.seen is None or visit.rights.covers(schedules.instance_names(visit.controller, id))
    return visit.page(
        "schedules/show.html",
        status=409 if error else 200,
        error=error,
        planned=planned,
        places=planned.invocation.instances,
        is_whole=is_whole,
        reason=planned.schedule.error if is_whole else "an administrator can see the reason",
        firings=firings,
        firings_error=firings_error,
        zone=planned.schedule.timezone or "this server",
        page=page,
        groups=_groups(page.items),
        names={each.instance_id: each.instance_name for each in planned.invocation.instances},
        of_slot=_state,
        is_served=schedules.is_served(visit.controller),
    )


def _planned(visit: Visit) -> Planned:
    """Return the schedule of the route, as far as it is in the scope. Raises NotFound."""
    try:
        return schedules.show(visit.controller, visit.part("id"), visit.rights.seen)
    except NotFound:
        raise NotFound(
            f"cannot find a schedule '{visit.part('id')}'", hint="the page of the schedules lists what there is"
        ) from None


def _next(visit: Visit, planned: Planned) -> tuple[list[Firing], InvalidParameter | None]:
    """Return the next firings, or why there are none."""
    if planned.invocation.status.is_final:
        return [], None
    try:
        return schedules.upcoming(visit.controller, planned, NEXT), None
    except InvalidParameter as error:
        return [], error


def _state(slot: Slot) -> State:
    return State(slot.outcome.value, SLOT_VERDICTS[slot.outcome])


def _groups(slots: Sequence[Slot]) -> list[SlotGroup]:
    """Return the slots by due time, the newest first."""
    found: dict[datetime, list[State]] = {}
    for slot in slots:
        found.setdefault(slot.due, []).append(_state(slot))
    groups = []
    for due, states in sorted(found.items(), reverse=True):
        state = min(states, key=lambda each: _WORST.index(each.verdict))
        groups.append(SlotGroup(due, state, states.count(state), len(states)))
    return groups
