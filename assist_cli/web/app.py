"""The console as an ASGI application: from a request to the function of its route, with all checks in between.

The order of the checks: host, session, role, origin of a form; then the form is read, and its token checked. Only then
a function of ``pages`` runs, in a thread with a controller of its own, whose changes the audit log attributes to the
user.
"""

from __future__ import annotations

import asyncio
import functools
import logging
from collections.abc import Awaitable, Callable
from urllib.parse import quote

from python_multipart.exceptions import FormParserError
from starlette.applications import Starlette
from starlette.datastructures import FormData, MutableHeaders, UploadFile
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import HTMLResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from assist_cli.errors import AssistError, NotPermitted
from assist_cli.http import endpoint
from assist_cli.operations.access import sessions
from assist_cli.operations.controller import Controller
from assist_cli.web import security, templating
from assist_cli.web.routes import ROUTES, PageRoute, StreamRoute
from assist_cli.web.visit import Site, Visit, actor_of, cookie_name, status_of

FIELDS = 1000  # of a form, at most
FOR_EVER = "public, max-age=31536000, immutable"


def application(site: Site) -> ASGIApp:
    """Return the application of a site."""
    logging.getLogger("python_multipart").setLevel(logging.CRITICAL)  # invalid forms of strangers are not logged
    by_path: dict[str, dict[str, PageRoute | StreamRoute]] = {}
    for each in ROUTES:
        by_path.setdefault(each.path, {})[each.method] = each
    routes = [*(_route(site, path, by_method) for path, by_method in by_path.items()), _static()]
    handlers = {HTTPException: _refuse_http, AssistError: _refuse, Exception: _refuse}
    app = Starlette(routes=routes, exception_handlers=handlers)
    app.state.needs = {each.path: each.needs for each in ROUTES if each.method == "GET"}
    return Shield(app, site)


def _static() -> Mount:
    return Mount("/static", StaticFiles(directory=templating.STATIC), name="static")


def _route(site: Site, path: str, by_method: dict[str, PageRoute | StreamRoute]) -> Route:
    """Return the route of a path, with all of its methods. HEAD is answered like GET if that changes nothing."""
    route = Route(path, _endpoint(site, by_method), methods=list(by_method))
    if route.methods is not None and not all(each.has_head for each in by_method.values()):
        route.methods.discard("HEAD")
    return route


def _endpoint(site: Site, by_method: dict[str, PageRoute | StreamRoute]) -> Callable[[Request], Awaitable[Response]]:
    async def endpoint(request: Request) -> Response:
        route = by_method["GET" if request.method == "HEAD" else request.method]
        loop = asyncio.get_running_loop()

        async def answer(form: FormData | None) -> Response | None:
            return await loop.run_in_executor(site.threads, functools.partial(_answer, site, route, request, form))

        answered = await answer(None)
        if answered is None:
            assert isinstance(route, PageRoute)
            form = await _form(site, request, route.most)
            try:
                answered = await answer(form)
            finally:
                await form.close()
        assert answered is not None
        return answered

    return endpoint


def _answer(site: Site, route: PageRoute | StreamRoute, request: Request, form: FormData | None) -> Response | None:
    """Return the answer of a page, or of an error as a page; None if the form is to be read first.

    The form of a user who may not send it is never read.
    """
    with site.controllers.one() as controller:
        visit = _visit(site, request, controller, form or FormData())
        try:
            refusal = _without_session(visit, route)
            if refusal is not None:
                return refusal
            what = f"do this in the console ({route.method} {route.path})"
            if route.needs is not None:
                visit.rights.need(route.needs, what)
            if isinstance(route, PageRoute) and route.whole:
                visit.rights.need_whole_fleet(what)
            if route.method == "POST":
                if form is None and security.is_ours(request.headers):
                    return None
                _check_form(visit)
            return route.answer(visit)
        except Exception as error:
            return _error_page(visit, f"{route.method} {route.path}", error)


def _visit(site: Site, request: Request, controller: Controller, form: FormData) -> Visit:
    browser = security.cookie(request.headers.getlist("cookie"), cookie_name(request))
    session = sessions.find(controller, browser) if browser else None
    if session is None:
        return Visit(site, request, controller, browser or sessions.new_id(), None, form)
    controller = controller.replace(actor=actor_of(session.user, request))
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
    received = separators = 0
    is_plain = request.headers.get("content-type", "").lower().startswith("application/x-www-form-urlencoded")

    async def limited() -> Message:
        nonlocal received, separators
        message = await request.receive()
        received += len(message.get("body", b""))
        separators += message.get("body", b"").count(b"&")
        if received > most:
            raise HTTPException(413, f"cannot read the form: it has more than {most:,} bytes")
        if is_plain and separators > FIELDS:
            raise HTTPException(400, f"cannot read the form: it has more than {FIELDS:,} fields")
        return message

    try:
        form = await asyncio.wait_for(Request(request.scope, limited).form(max_part_size=most), site.timeouts.body)
    except asyncio.TimeoutError:
        raise HTTPException(408, "cannot read the form: it did not arrive in time") from None
    except ClientDisconnect:
        raise HTTPException(400, "cannot read the form: the connection was closed") from None
    except (FormParserError, UnicodeError):
        raise HTTPException(400, "cannot read the form: it is not valid") from None
    try:
        "".join(part for name, text in form.multi_items() for part in (name, _text(text))).encode()
    except UnicodeEncodeError:  # of another character set, which browsers do not use for our pages
        await form.close()
        raise HTTPException(400, "cannot read the form: it is not UTF-8") from None
    return form


def _text(value: str | UploadFile) -> str:
    """Return the text of a field; of a file its name."""
    return (value.filename or "") if isinstance(value, UploadFile) else value


def _error_page(visit: Visit, route: str, error: Exception) -> Response:
    """Return an error as a page: an expected one as the command line shows it, a bug with its report."""
    found = visit.site.reported(error, f"answer {route}")
    return visit.page("error.html", status=status_of(found), message=found.message, hint=found.hint, code=found.code)


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
        try:
            await self._app(scope, receive, sending)
        except Exception as error:  # it was answered, as far as that was possible
            self._site.reported(error, "answer a request")


def _set_headers(scope: Scope, headers: MutableHeaders) -> None:
    for name, value in security.HEADERS.items():
        headers.setdefault(name, value)
    if "cache-control" not in headers:
        is_static = scope["path"].startswith("/static/") and scope["query_string"].startswith(b"v=")
        headers["cache-control"] = FOR_EVER if is_static else "no-store"
