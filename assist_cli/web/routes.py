"""The table of routes: method, path, the role that it needs, and the function that answers it.

A test walks this table: every route refuses visitors without a session and users with a lower role.
"""

from __future__ import annotations

from dataclasses import dataclass

from assist_cli.model.access import Role
from assist_cli.web.pages import account, comparisons, home, instances, invocations, records
from assist_cli.web.visit import Handler

FORM_BYTES = 1 << 20  # of a form, unless its route allows more

VIEWER, OPERATOR, ADMIN = Role.VIEWER, Role.OPERATOR, Role.ADMIN


@dataclass(frozen=True)
class PageRoute:
    """A route. ``needs`` is None for one that needs no session. ``answer`` runs in a thread."""

    method: str
    path: str
    needs: Role | None
    answer: Handler
    most: int = FORM_BYTES


@dataclass(frozen=True)
class StreamRoute:
    """A route with an event stream: its ``answer`` runs in a thread, and the answer itself in the event loop."""

    path: str
    needs: Role
    answer: Handler
    method: str = "GET"


ROUTES: tuple[PageRoute | StreamRoute, ...] = (
    PageRoute("GET", "/login", None, account.login_form),
    PageRoute("POST", "/login", None, account.log_in),
    PageRoute("GET", "/open/{token}", None, account.open_link),
    PageRoute("POST", "/logout", VIEWER, account.log_out),
    PageRoute("GET", "/", VIEWER, home.overview),
    PageRoute("GET", "/instances", VIEWER, instances.listing),
    PageRoute("GET", "/instances/{id}", VIEWER, instances.show),
    PageRoute("GET", "/instances/{id}/status", VIEWER, instances.status),
    PageRoute("POST", "/instances/{id}/tags", ADMIN, instances.tag),
    PageRoute("GET", "/invocations", VIEWER, invocations.listing),
    PageRoute("GET", "/invocations/{id}", VIEWER, invocations.show),
    StreamRoute("/invocations/{id}/stream", VIEWER, records.stream),
    PageRoute("GET", "/invocations/{id}/records/{record}", VIEWER, records.record),
    PageRoute("GET", "/invocations/{id}/records/{record}/output", VIEWER, records.raw),
    PageRoute("GET", "/invocations/{id}/diff", VIEWER, comparisons.diff),
    PageRoute("GET", "/invocations/{id}/compare", VIEWER, comparisons.compare_outputs),
    PageRoute("GET", "/invocations/{id}/stop", OPERATOR, invocations.stop_form),
    PageRoute("POST", "/invocations/{id}/stop", OPERATOR, invocations.stop_it),
    PageRoute("GET", "/invocations/{id}/rerun", OPERATOR, invocations.rerun_form),
    PageRoute("POST", "/invocations/{id}/rerun", OPERATOR, invocations.rerun),
)
