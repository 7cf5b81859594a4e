"""Access keys of the HTTP API: list, create, disable, enable, delete. For admins without a scope.

The secret of a key is in the answer to the form that creates it, and in no other page.
"""

from __future__ import annotations

from starlette.responses import Response

from assist_cli.errors import AssistError
from assist_cli.model.access import Role, role_from_word
from assist_cli.operations.access import accesskeys
from assist_cli.web.visit import Visit, status_of


def listing(visit: Visit) -> Response:
    return _page(visit)


def create(visit: Visit) -> Response:
    scope = visit.given("scope").strip()
    try:
        role = role_from_word(visit.given("role"))
        key = accesskeys.create(
            visit.controller, visit.given("name").strip(), role, (scope,) if scope else (), also=visit.still
        )
    except AssistError as error:
        return _page(visit, error)
    return visit.page("keys/created.html", key=key, secret=key.secret.reveal())


def disable(visit: Visit) -> Response:
    _, paused = accesskeys.disable(visit.controller, visit.part("id"), also=visit.still)
    return visit.go_to(f"/keys?paused={paused}")


def enable(visit: Visit) -> Response:
    accesskeys.enable(visit.controller, visit.part("id"), also=visit.still)
    return visit.go_to("/keys")


def delete(visit: Visit) -> Response:
    _, paused = accesskeys.delete(visit.controller, visit.part("id"), also=visit.still)
    return visit.go_to(f"/keys?paused={paused}")


def _page(visit: Visit, error: AssistError | None = None) -> Response:
    return visit.page(
        "keys/list.html",
        status=status_of(error) if error else 200,
        error=error,
        keys=accesskeys.listing(visit.controller),
        roles=[each.value for each in Role],
        name=visit.given("name"),
        role=visit.given("role") or Role.OPERATOR.value,
        scope=visit.given("scope"),
        paused=visit.number("paused"),
    )
