"""One request of a browser: its user, what the user may do, its form, and the answers that a page can give."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import hashlib
import ipaddress
import json
import logging
import secrets
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field
from typing import Any

from starlette.datastructures import FormData, UploadFile
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from assist_cli import __version__, bug_report, codes
from assist_cli.errors import (
    AgentError,
    AssistError,
    Conflict,
    InternalError,
    InvalidParameter,
    LocalFailure,
    NotFound,
    NotPermitted,
)
from assist_cli.http.rates import Rates
from assist_cli.model.access import Labels, Role, User
from assist_cli.model.audit import Actor
from assist_cli.model.instance import LOCAL, Instance
from assist_cli.model.invocation import Invocation, InvocationInstance
from assist_cli.model.target import Selection
from assist_cli.model.timeouts import DEFAULTS, ApiTimeouts
from assist_cli.operations.access.clients import Request as Creation
from assist_cli.operations.access.permissions import Rights
from assist_cli.operations.controller import Also, Controller, Controllers
from assist_cli.operations.fleet import instances
from assist_cli.operations.history import pages
from assist_cli.operations.runs import recording
from assist_cli.operations.server.background import Background
from assist_cli.web import security, templating
from assist_cli.web.changes import ChangeNotices

STREAMS = 20  # event streams of a session
ASKING = 4  # threads that wait for agents; the others are for pages of the database
ONCE = "once"  # the field of a form with a random text: the same form sent again takes effect one time
COUNT = "count"  # the field with the number of instances, which is typed
SECRET = "s."  # noqa: S105 - begins the names of fields with secrets
UNSAID = (security.TOKEN_FIELD, ONCE, COUNT)  # fields that say nothing of what is wanted

log = logging.getLogger(__name__)

# The HTTP status of each class of errors, the first match wins; 400 for all others.
STATUSES: tuple[tuple[type[AssistError], int], ...] = (
    (NotFound, 404),
    (NotPermitted, 403),
    (Conflict, 409),
    (AgentError, 502),
    (LocalFailure, 500),
    (InternalError, 500),
)


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
    tokens: Rates = field(default_factory=lambda: Rates(2, 200))  # uses of one-time links and of enrolments, by address
    streams: Counter[str] = field(default_factory=Counter)  # open event streams, by browser
    asking: threading.Semaphore = field(default_factory=lambda: threading.BoundedSemaphore(ASKING))
    changes: ChangeNotices = field(default_factory=ChangeNotices)
    ending: asyncio.Event = field(default_factory=asyncio.Event)

    def reported(self, error: Exception, what: str) -> AssistError:
        """Return an error of Assist. Any other exception is a bug: it is reported, with one line in the log."""
        if isinstance(error, AssistError):
            return error
        found = bug_report.reported(self.controllers.home, error, what)
        log.error("%s; %s", found, found.hint)
        return found


@dataclass(frozen=True)
class Bar:
    """The bar at the top for one user: its ``pages``, as name, path and key, and a field for a ``search``."""

    pages: Sequence[tuple[str, str, str]]
    search: bool


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

    @property
    def still(self) -> Also:
        """Check the user again in the transaction of an operation that changes something."""
        return self.rights.confirm

    @functools.cached_property
    def creation(self) -> Creation:
        """The form as a request that creates one thing, however often the browser sends it (see ``once``).

        Its fingerprint is stored, so it has no secrets.
        """
        said = [[name, value] for name, value in self.form.multi_items() if isinstance(value, str)]
        said = sorted(each for each in said if each[0] not in UNSAID and not each[0].startswith(SECRET))
        fingerprint = hashlib.sha256(json.dumps([self.request.url.path, said]).encode()).digest()
        once = self.given(ONCE)
        token = hashlib.sha256(once.encode()).hexdigest() if once else None
        return Creation(self.me, Labels(self.me.id), token, fingerprint)

    def once(self, *, labelled: bool = True) -> Also:
        """Check and note the form in the transaction of an operation, which then raises Repeated for the same form.

        If ``labelled``, the user is noted as the creator.
        """
        return functools.partial(self.creation.enter, self.controller, labelled=labelled and not self.me.is_owner)

    def may(self, role: str) -> bool:
        """Return True if the user has this role: a template shows no button that would be refused."""
        return self.user is not None and self.user.role.may(Role(role))

    def opens(self, path: str) -> bool:
        """Return True if there is a page at this path, and the role of the user may open it."""
        needs: Mapping[str, Role | None] = self.request.app.state.needs
        role = needs.get(path)
        return role is not None and self.user is not None and self.user.role.may(role)

    def may_all(self, role: str) -> bool:
        """Return True if the user has this role on all instances."""
        return self.may(role) and not self.me.scope

    @property
    def origin(self) -> str:
        return origin_of(self.request)

    @property
    def base_url(self) -> str:
        """The URL of this server, as the browser has written it."""
        return f"{self.request.url.scheme}://{self.request.headers['host']}"

    # the parts of a request

    def part(self, name: str) -> str:
        """Return a part of the path, as ``{id}``."""
        return str(self.request.path_params[name])

    def query(self, name: str) -> str:
        """Return a field of the query, or an empty text."""
        return self.request.query_params.get(name, "").strip()

    def number(self, name: str) -> int:
        """Return a field of the query as a number; 0 for anything else."""
        text = self.query(name)
        return int(text) if text.isascii() and text.isdecimal() and len(text) < 9 else 0

    def given(self, name: str) -> str:
        """Return a text field of the form, or an empty text."""
        found = self.form.get(name, "")
        return "" if isinstance(found, UploadFile) else found

    def listed(self, name: str) -> list[str]:
        """Return all values of a field of the form, as of several checkboxes."""
        return [each for each in self.form.getlist(name) if isinstance(each, str)]

    def instance(self, text: str) -> Instance:
        """Return the instance of this name or id. Raises NotFound, also for one outside the scope of the user.

        Hints have only names in the scope.
        """
        instance = self.rights.find(text)
        if instance is not None:
            return instance
        found = self.chosen(text)
        if len(found) > 1:
            raise NotFound(
                f"cannot find one instance '{text}': {len(found)} match", hint="the instances page lists them"
            )
        return found[0]

    def chosen(self, target: str) -> list[Instance]:
        """Return the instances in the scope of the user that a target names, also by facts and groups.

        Without a scope, ``local`` is one of them; it has no id before its first start. Raises as ``instances.chosen``;
        for a user with a scope, errors do not have the parts of a group.
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
        try:
            return instances.chosen(database, known, Selection((target,)), with_local=True, limited=limited)
        except (NotFound, InvalidParameter):
            if limited and "group:" in target:
                raise NotFound(
                    f"cannot use the target '{target}': it, or a part of its group, is not in your scope",
                    hint="the groups page lists those that are",
                ) from None
            raise

    def resolved(self, target: str) -> list[Instance]:
        """Return the instances of ``chosen``, to run there. The agent of this machine gets its id now."""
        found = self.chosen(target)
        if all(each.id for each in found):
            return found
        return [each for each in found if each.id] + instances.resolve(self.controller, Selection((LOCAL,)))

    def invocation(self, id: str = "") -> Invocation:
        """Return the invocation of the path, or of a whole id, with only its instances in the scope.

        Raises NotFound.
        """
        return pages.visible(self.controller, id or self.part("id"), self.rights.seen)

    # agents

    @contextlib.contextmanager
    def asking(self) -> Iterator[None]:
        """Query agents in the block, which may take seconds. Raises Conflict while too many pages wait for agents."""
        if not self.site.asking.acquire(blocking=False):
            raise Conflict("cannot query agents now: too many pages wait for agents", hint="repeat it in some seconds")
        try:
            yield
        finally:
            self.site.asking.release()

    def current(self, places: Sequence[InvocationInstance]) -> list[InvocationInstance]:
        """Return instances with the output of their records, of running ones as the agents have it now.

        While too many pages wait for agents, it is the output of the history.
        """
        try:
            with self.asking():
                return pages.current(self.controller, places)
        except Conflict:
            return [recording.with_output(self.controller, each) for each in places]

    # answers

    def page(self, template: str, *, status: int = 200, **values: Any) -> Response:
        """Return a page from a template and its values."""
        return self.with_cookie(HTMLResponse(self.text(template, **values), status))

    def text(self, template: str, **values: Any) -> str:
        """Return a template with its values as text."""
        return templating.render(template, self._context(values))

    def go_to(self, path: str) -> Response:
        """Return the answer to a form: the browser shows the page at ``path``."""
        return RedirectResponse(path, 303)

    def with_cookie(self, response: Response, browser: str = "") -> Response:
        """Set the cookie of the browser, to a new id after a login."""
        value = browser or self.browser
        name = cookie_name(self.request)
        if security.cookie(self.request.headers.getlist("cookie"), name) != value:
            response.set_cookie(name, value, path="/", httponly=True, samesite="lax", secure=is_secure(self.request))
        return response

    def _bar(self) -> Bar:
        """Return the bar at the top: the pages that the user may open."""
        return Bar([each for each in templating.NAVIGATION if self.opens(each[1])], search=self.opens("/search"))

    def _context(self, values: Mapping[str, Any]) -> dict[str, Any]:
        return {
            "visit": self,
            "user": self.user,
            "path": self.request.url.path,
            "token": security.form_token(self.browser),
            "once_token": secrets.token_urlsafe(24),
            "now": self.controller.now(),
            "version": __version__,
            "bar": self._bar(),
            **values,
        }


Handler = Callable[[Visit], Response]


def status_of(error: AssistError) -> int:
    """Return the HTTP status of an error."""
    return next((status for kind, status in STATUSES if isinstance(error, kind)), 400)


def is_secure(request: Request) -> bool:
    """Return True if the browser uses HTTPS: with this server, or with a proxy on this machine, which says so."""
    return request.url.scheme == "https"


def cookie_name(request: Request) -> str:
    server = request.scope.get("server")
    return security.cookie_name(is_secure=is_secure(request), port=server[1] if server else 0)


def origin_of(request: Request) -> str:
    """Return the origin of a request for the audit log."""
    return f"{_client(request) or 'unknown'} by the console"


def network_of(request: Request) -> str:
    """Return the address of the client, for limits: of IPv6 its network of 64 bits, of which one client has all."""
    client = _client(request)
    if client is None or client.version == 4:
        return str(client)
    return str(client.ipv4_mapped or ipaddress.ip_network((client, 64), strict=False))


def _client(request: Request) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """Return the address of the client; None if a proxy sent something else."""
    try:
        return ipaddress.ip_address(request.client.host if request.client else "")
    except ValueError:
        return None


def actor_of(user: User, request: Request) -> Actor:
    return Actor(user.name if user.is_owner else f"user {user.name}", None, origin_of(request))
