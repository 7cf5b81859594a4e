"""The console as an ASGI application: from a request to the function of its route, with all checks in between.

The order of the checks: host, session, origin and token of a form, role. Only then a function of ``pages`` runs, in a
thread with a controller of its own, whose changes the audit log attributes to the user.
"""

from __future__ import annotations

import asyncio
import functools
import logging
from collections.abc import Awaitable, Callable
from dataclasses import replace
from urllib.parse import quote

from starlette.applications import Starlette
from starlette.datastructures import FormData, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from assist_cli import bug_report
from assist_cli.errors import AssistError, NotPermitted
from assist_cli.http import endpoint
from assist_cli.operations.access import sessions
from assist_cli.operations.controller import Controller
from assist_cli.web import security, templating
from assist_cli.web.routes import ROUTES, PageRoute, StreamRoute
from assist_cli.web.visit import Site, Visit, actor_of, cookie_name, status_of

FOR_EVER = "public, max-age=31536000, immutable"

log = logging.getLogger(__name__)


def application(site: Site) -> ASGIApp:
    """Return the application of a site."""
    routes: list[Route | Mount] = [
        Route(each.path, _endpoint(site, each), methods=[each.method], name=f"{each.method} {each.path}")
        for each in ROUTES
    ]
    routes.append(Mount("/static", StaticFiles(directory=templating.STATIC), name="static"))
    handlers = {HTTPException: _refuse_http, AssistError: _refuse, Exception: _refuse}
    app = Starlette(routes=routes, exception_handlers=handlers)
    app.state.needs = {each.path: each.needs for each in ROUTES if each.method == "GET"}
    return Shield(app, site)


def _endpoint(site: Site, route: PageRoute | StreamRoute) -> Callable[[Request], Awaitable[Response]]:
    async def endpoint(request: Request) -> Response:
        loop = asyncio.get_running_loop()
        form = FormData()
        if isinstance(route, PageRoute) and route.method == "POST":
            form = await _form(site, request, route.most)
        try:
            return await loop.run_in_executor(site.threads, functools.partial(_answer, site, route, request, form))
        finally:
            await form.close()

    return endpoint


def _answer(site: Site, route: PageRoute | StreamRoute, request: Request, form: FormData) -> Response:
    """Return the answer of a page, or of an error as a page."""
    with site.controllers.one() as controller:
        visit = _visit(site, request, controller, form)
        try:
            refusal = _without_session(visit, route)
            if refusal is not None:
                return refusal
            if route.method == "POST":
                _check_form(visit)
            if route.needs is not None:
                visit.rights.need(route.needs, f"do this in the console ({route.method} {route.path})")
            if isinstance(route, PageRoute) and route.whole:
                visit.rights.need_whole_fleet(f"do this in the console ({route.method} {route.path})")
            return route.answer(visit)
        except Exception as error:
            return _error_page(visit, error)


def _visit(site: Site, request: Request, controller: Controller, form: FormData) -> Visit:
    browser = request.cookies.get(cookie_name(request), "")
    session = sessions.find(controller, browser) if browser else None
    if session is None:
        return Visit(site, request, controller, browser or sessions.new_id(), None, form)
    controller = replace(controller, actor=actor_of(session.user, request))
    return Visit(site, request, controller, browser, session.user, form)


def _without_session(visit: Visit, route: PageRoute | StreamRoute) -> Response | None:
    """Return the answer to a visitor who must log in; None for all others."""
    if visit.user is not None or route.needs is None:
        return None
    if isinstance(route, StreamRoute) or route.method == "POST":
        return visit.page(
            "error.html",
            status=401,
            message="cannot do this without a login",
            hint="your session has ended: log in again, and repeat it",
            code="LoginNeeded",
        )
    path = visit.request.url.path + (f"?{visit.request.url.query}" if visit.request.url.query else "")
    return RedirectResponse("/login" if path == "/" else f"/login?next={quote(path, safe='/')}", 302)


def _check_form(visit: Visit) -> None:
    """Raise NotPermitted unless a page of this server sent the form to this browser."""
    if not security.is_ours(visit.request.headers) or not security.fits(
        visit.given(security.TOKEN_FIELD), visit.browser
    ):
        raise NotPermitted(
            "cannot accept this form: it does not come from a page of this console",
            hint="load the page again, and repeat it",
        )


async def _form(site: Site, request: Request, most: int) -> FormData:
    """Read a form of at most ``most`` bytes, in limited time. Raises HTTPException."""
    received = 0

    async def limited() -> Message:
        nonlocal received
        message = await request.receive()
        received += len(message.get("body", b""))
        if received > most:
            raise HTTPException(413, f"cannot read the form: it has more than {most:,} bytes")
        return message

    try:
        return await asyncio.wait_for(Request(request.scope, limited).form(max_part_size=most), site.timeouts.body)
    except asyncio.TimeoutError:
        raise HTTPException(408, "cannot read the form: it did not arrive in time") from None


def _error_page(visit: Visit, error: Exception) -> Response:
    """Return an error as a page: an expected one as the command line shows it, a bug with its report."""
    if not isinstance(error, AssistError):
        log.exception("%s %s failed by a bug", visit.request.method, visit.request.url.path)
        reported = bug_report.reported(visit.controller.home, error, f"answer {visit.request.url.path}")
        assert isinstance(reported, AssistError)
        error = reported
    return visit.page("error.html", status=status_of(error), message=error.message, hint=error.hint, code=error.code)


async def _refuse_http(request: Request, error: Exception) -> Response:
    """Return the answer to a request that matches no route, or is not valid."""
    assert isinstance(error, HTTPException)
    texts = {
        404: (f"cannot find a page at {request.url.path!r}", "the links at the top lead to every page"),
        405: (f"cannot use {request.method} here", "load the page again"),
    }
    message, hint = texts.get(error.status_code, (error.detail, "load the page again"))
    text = templating.render("refusal.html", {"message": message, "hint": hint, "code": error.status_code})
    return HTMLResponse(text, error.status_code, error.headers)


async def _refuse(request: Request, error: Exception) -> Response:
    """Return the answer to a request that failed outside of a page, such as for a locked database."""
    message = error.message if isinstance(error, AssistError) else "a bug in Assist; the log of the server has it"
    hint = error.hint if isinstance(error, AssistError) else "assist doctor"
    return HTMLResponse(templating.render("refusal.html", {"message": message, "hint": hint, "code": 500}), 500)


class Shield:
    """Middleware: refuses a Host header that names another server, and sets the headers of every answer."""

    def __init__(self, app: ASGIApp, site: Site) -> None:
        self._app = app
        self._site = site

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def sending(message: Message) -> None:
            if message["type"] == "http.response.start":
                _set_headers(scope, MutableHeaders(scope=message))
            await send(message)

        if scope["type"] != "http":
            return
        if not endpoint.is_ours(Request(scope).headers.get("host", ""), self._site.names):
            text = "cannot answer: the header Host names another server\nhint: assist serve --web-name NAME\n"
            await PlainTextResponse(text, 421)(scope, receive, sending)
            return
        await self._app(scope, receive, sending)


def _set_headers(scope: Scope, headers: MutableHeaders) -> None:
    for name, value in security.HEADERS.items():
        headers.setdefault(name, value)
    if "cache-control" not in headers:
        is_static = scope["path"].startswith("/static/") and scope["query_string"].startswith(b"v=")
        headers["cache-control"] = FOR_EVER if is_static else "no-store"
