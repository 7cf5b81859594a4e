"""Login and logout."""

from __future__ import annotations

from starlette.responses import Response

from assist_cli.errors import NotPermitted
from assist_cli.model.secret import Secret
from assist_cli.operations.access import sessions
from assist_cli.web import security
from assist_cli.web.visit import Visit, network_of


def login_form(visit: Visit) -> Response:
    path = security.local_path(visit.query("next"))
    if visit.user is not None:
        return visit.go_to(path)
    return visit.page("login.html", next=path, name="", error=None)


def log_in(visit: Visit) -> Response:
    name, path = visit.given("name").strip(), security.local_path(visit.given("next"))
    refused = _too_many(visit, name)
    if refused is not None:
        return refused
    try:
        browser = sessions.log_in(visit.controller, name, Secret(visit.given("password")), visit.origin)
    except NotPermitted as error:
        return visit.page("login.html", status=403, next=path, name=name, error=error)
    return visit.with_cookie(visit.go_to(path), browser)


def open_link(visit: Visit) -> Response:
    """Log in by a one-time link, of ``assist console open``."""
    if not visit.site.tokens.admit(network_of(visit.request)):
        return _refused(visit, "")
    browser = sessions.redeem(visit.controller, visit.part("token"), visit.origin)
    return visit.with_cookie(visit.go_to("/"), browser)


def log_out(visit: Visit) -> Response:
    sessions.log_out(visit.controller, visit.browser, visit.me, visit.origin)
    response = visit.with_cookie(visit.go_to("/login"), sessions.new_id())
    response.headers["clear-site-data"] = '"cache"'  # "Back" shows no form of this user
    return response


def _too_many(visit: Visit, name: str) -> Response | None:
    """Return the refusal of an attempt to log in that follows many others; None if it is admitted."""
    if visit.site.by_address.admit(network_of(visit.request)) and (not name or visit.site.by_name.admit(name)):
        return None
    return _refused(visit, name)


def _refused(visit: Visit, name: str) -> Response:
    error = NotPermitted("cannot log in now: there were too many attempts", hint="wait a minute, and repeat it")
    response = visit.page("login.html", status=429, next="/", name=name, error=error)
    response.headers["retry-after"] = "60"
    return response
