"""The table of routes: method, path, the role that it needs, and the function that answers it.

A test walks this table: every route refuses visitors without a session and users with a lower role.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import Response

from assist_cli.model.access import Role
from assist_cli.web.pages import account, home, instances, queue, schedules, search
from assist_cli.web.visit import Handler, Site

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
    """A route with an event stream, which runs in the event loop and lends a controller when it reads."""

    path: str
    needs: Role
    answer: Callable[[Site, Request], Awaitable[Response]]
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
    PageRoute("GET", "/schedules", VIEWER, schedules.listing),
    PageRoute("GET", "/schedules/{id}", VIEWER, schedules.show),
    PageRoute("POST", "/schedules/{id}/pause", OPERATOR, schedules.pause),
    PageRoute("POST", "/schedules/{id}/resume", OPERATOR, schedules.resume),
    PageRoute("POST", "/schedules/{id}/stop", OPERATOR, schedules.end),
    PageRoute("GET", "/queue", VIEWER, queue.listing),
    PageRoute("POST", "/queue/drop", OPERATOR, queue.drop),
    PageRoute("GET", "/search", VIEWER, search.results),
)
