"""One request of a browser: its user, what the user may do, its form, and the answers that a page can give."""

from __future__ import annotations

import asyncio
import functools
from collections import Counter
from collections.abc import Callable, Mapping
from concurrent.futures import Executor
from dataclasses import dataclass, field
from typing import Any

from starlette.datastructures import FormData, UploadFile
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from assist_cli import __version__, codes
from assist_cli.errors import InvalidParameter, NotFound
from assist_cli.http.rates import Rates
from assist_cli.model.access import Role, User
from assist_cli.model.audit import Actor
from assist_cli.model.instance import LOCAL, Instance
from assist_cli.model.target import Selection
from assist_cli.model.timeouts import DEFAULTS, ApiTimeouts
from assist_cli.operations.access.permissions import Rights
from assist_cli.operations.controller import Also, Controller, Controllers
from assist_cli.operations.fleet import instances
from assist_cli.operations.server.background import Background
from assist_cli.web import security, templating

STREAMS = 20  # event streams of a session


@dataclass(frozen=True)
class Site:
    """The parts that all requests share. ``names`` are the host names of this server.

    ``ending`` is set when the server shuts down: event streams end then.
    """

    controllers: Controllers
    threads: Executor
    names: frozenset[str]
    background: Background
    timeouts: ApiTimeouts = DEFAULTS.api
    by_address: Rates = field(default_factory=lambda: Rates(0.2, 20))  # attempts to log in
    by_name: Rates = field(default_factory=lambda: Rates(0.1, 20))
    streams: Counter[str] = field(default_factory=Counter)
    ending: asyncio.Event = field(default_factory=asyncio.Event)


@dataclass(frozen=True)
class Visit:
    """One request. ``browser`` is the id in its cookie, or a new one; ``user`` is None before the login."""

    site: Site
    request: Request
    controller: Controller
    browser: str
    user: User | None
    form: FormData = field(default_factory=FormData)

    @property
    def me(self) -> User:
        """The user of a route that needs one."""
        assert self.user is not None
        return self.user

    @functools.cached_property
    def rights(self) -> Rights:
        return Rights(self.me, self.controller)

    @property
    def also(self) -> Also:
        """Check and note the user in the transaction of an operation that creates something."""
        return functools.partial(self.rights.enter, self.controller)

    def may(self, role: str) -> bool:
        """Return True if the user has this role: a template shows no button that would be refused."""
        return self.user is not None and self.user.role.may(Role(role))

    @property
    def origin(self) -> str:
        return origin_of(self.request)

    # the parts of a request

    def part(self, name: str) -> str:
        """Return a part of the path, as ``{id}``."""
        return str(self.request.path_params[name])

    def query(self, name: str) -> str:
        """Return a field of the query, or an empty text."""
        return self.request.query_params.get(name, "").strip()

    def given(self, name: str) -> str:
        """Return a text field of the form, or an empty text."""
        found = self.form.get(name, "")
        return "" if isinstance(found, UploadFile) else found

    def listed(self, name: str) -> list[str]:
        """Return all values of a field of the form, as of several checkboxes."""
        return [each for each in self.form.getlist(name) if isinstance(each, str)]

    def instance(self, text: str) -> Instance:
        """Return the instance of this name or id. Raises NotFound, also for one outside the scope of the user."""
        found = instances.get(self.controller, text)
        if found.id not in self.rights.known:
            raise NotFound(f"cannot find an instance '{text}'", hint="the instances page lists what there is")
        return found

    def chosen(self, target: str) -> list[Instance]:
        """Return the instances in the scope of the user that a target names, also by facts and groups.

        Without a scope, ``local`` is one of them; it has no id before its first start. Raises as ``instances.chosen``.
        """
        if not target:
            raise InvalidParameter(
                "cannot tell where to run: no target given",
                hint="give a name as web1, a pattern as web*, or a tag as @role=web",
                code=codes.INVALID_TARGET,
            )
        known, limited = list(self.rights.known.values()), bool(self.me.scope)
        if not limited and all(each.name != LOCAL for each in known):
            known.append(Instance("", LOCAL, LOCAL, self.controller.now()))
        database = self.controller.database
        return instances.chosen(database, known, Selection((target,)), limited=limited)

    # answers

    def page(self, template: str, *, status: int = 200, **values: Any) -> Response:
        """Return a page from a template and its values."""
        return self.with_cookie(HTMLResponse(templating.render(template, self._context(values)), status))

    def go_to(self, path: str) -> Response:
        """Return the answer to a form: the browser shows the page at ``path``."""
        return RedirectResponse(path, 303)

    def with_cookie(self, response: Response, browser: str = "") -> Response:
        """Set the cookie of the browser, to a new id after a login."""
        value = browser or self.browser
        name = cookie_name(self.request)
        if self.request.cookies.get(name) != value:
            response.set_cookie(name, value, path="/", httponly=True, samesite="lax", secure=is_secure(self.request))
        return response

    def _context(self, values: Mapping[str, Any]) -> dict[str, Any]:
        return {
            "visit": self,
            "user": self.user,
            "path": self.request.url.path,
            "token": security.form_token(self.browser),
            "now": self.controller.now(),
            "version": __version__,
            **values,
        }


Handler = Callable[[Visit], Response]


def is_secure(request: Request) -> bool:
    """Return True if the browser uses HTTPS: with this server, or with a proxy on this machine, which says so."""
    return request.url.scheme == "https"


def cookie_name(request: Request) -> str:
    server = request.scope.get("server")
    return security.cookie_name(is_secure=is_secure(request), port=server[1] if server else 0)


def origin_of(request: Request) -> str:
    """Return the origin of a request for the audit log."""
    return f"{request.client.host if request.client else 'unknown'} by the console"


def actor_of(user: User, request: Request) -> Actor:
    return Actor(user.name if user.is_owner else f"user {user.name}", None, origin_of(request))
