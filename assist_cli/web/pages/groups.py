"""Saved groups: list, add, remove. A user with a scope sees the groups of which each part is in the scope."""

from __future__ import annotations

from starlette.responses import Response

from assist_cli.errors import AssistError
from assist_cli.operations.fleet import groups
from assist_cli.web.visit import Visit, status_of


def listing(visit: Visit) -> Response:
    return _page(visit)


def add(visit: Visit) -> Response:
    name, target = visit.given("name").strip(), visit.given("target").strip()
    try:
        groups.add(visit.controller, name, target, also=visit.still)
    except AssistError as error:
        return _page(visit, error)
    return visit.go_to("/groups")


def remove(visit: Visit) -> Response:
    try:
        groups.remove(visit.controller, visit.given("name"), also=visit.still)
    except AssistError as error:
        return _page(visit, error)
    return visit.go_to("/groups")


def _page(visit: Visit, error: AssistError | None = None) -> Response:
    among = list(visit.rights.unordered.values()) if visit.me.scope else None
    return visit.page(
        "groups/list.html",
        status=status_of(error) if error else 200,
        error=error,
        groups=groups.listing(visit.controller, among),
        name=visit.given("name"),
        target=visit.given("target"),
    )
