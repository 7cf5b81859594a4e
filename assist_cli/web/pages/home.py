"""The home page: is anything broken, what runs now, what comes next. Without being asked it queries no agent."""

from __future__ import annotations

from dataclasses import replace

from starlette.responses import Response

from assist_cli.model.overview import grouped
from assist_cli.operations.fleet import health
from assist_cli.operations.observe.overview import recall
from assist_cli.operations.observe.problems import AGENTS, OVERDUE, problems
from assist_cli.web.visit import Visit

LISTED = 6
CHECKED = 200  # instances; the page of the instances checks more of them, page by page


def overview(visit: Visit) -> Response:
    """Show the state of the fleet from the database; with ``check`` the agents are queried."""
    instances = list(visit.rights.unordered.values())
    found = recall(visit.controller, instances, visit.rights.seen)
    checked = []
    if visit.query("check") and len(instances) <= CHECKED:
        patience = visit.controller.timeouts.api.health
        with visit.asking():
            checked = health.states(visit.controller, list(visit.rights.known.values()), patience=patience)
        found = replace(found, instances=[each.instance for each in checked])
    wrong = problems(visit.controller, found, visit.rights.seen)
    if checked:  # the agents are known better
        wrong = [each for each in wrong if each.subject != AGENTS]
    return visit.page(
        "home.html",
        overview=found,
        problems=wrong,
        failures=grouped(found.failures)[: max(LISTED - len(wrong), LISTED // 2)],
        offline=[each for each in checked if not each.health.is_online],
        checked=len(checked),
        can_check=len(instances) <= CHECKED,
        listed=LISTED,
        overdue=OVERDUE,
        pages={AGENTS: "/instances", "schedules": "/schedules", "server": "/schedules"},
    )
