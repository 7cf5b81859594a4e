"""The safety of the console: every route, with every role and without one; forms, cookies, headers, foreign text."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from assist_cli.http.rates import Rates
from assist_cli.model.access import Role
from assist_cli.model.instance import Instance
from assist_cli.model.secret import Secret
from assist_cli.operations.access import sessions, users
from assist_cli.operations.history import audit
from assist_cli.store import instances
from assist_cli.web import security
from assist_cli.web.routes import ROUTES, PageRoute, StreamRoute
from tests.support.console import DB, HOST, PASSWORD, WEB, Console
from tests.support.console import console as new_console

OPEN = {"/login", "/open/{token}", "/enroll/{token}"}
each_route = pytest.mark.parametrize("route", ROUTES, ids=lambda route: f"{route.method} {route.path}")


def path_of(route: PageRoute | StreamRoute) -> str:
    return route.path.replace("{id}", WEB).replace("{token}", "x")


def test_few_routes_need_no_session():
    assert {route.path for route in ROUTES if route.needs is None} == OPEN


@each_route
def test_a_route_without_a_session(console: Console, route: PageRoute | StreamRoute):
    browser = console.browser()
    if route.method == "GET":
        answer = browser.get(path_of(route))
        if route.needs is not None:
            assert answer.status_code == (401 if isinstance(route, StreamRoute) else 302)
            assert isinstance(route, StreamRoute) or answer.headers["location"].startswith("/login")
    else:
        answer = browser.post(path_of(route), browser.token())
        assert answer.status_code == (401 if route.needs is not None else 403)
    assert "web1" not in answer.text


@each_route
def test_a_route_with_a_lower_role(console: Console, route: PageRoute | StreamRoute):
    roles = [role for role in Role if route.needs is not None and not role.may(route.needs)]
    for role in roles:
        browser = console.logged_in(role)
        path = path_of(route)
        answer = browser.get(path) if route.method == "GET" else browser.post(path)
        assert answer.status_code == 403
        assert f"needs the role {route.needs}" in answer.text


FIRST_FORM = next(each for each in ROUTES if each.method == "POST")
FOREIGN: list[dict[str, str]] = [
    {},
    {"sec-fetch-site": "cross-site"},
    {"sec-fetch-site": "same-site", "origin": f"https://{HOST}"},
    {"sec-fetch-site": "none"},
    {"origin": "https://evil.example"},
    {"origin": f"https://{HOST}.evil.example"},
    {"origin": "null"},
]


@each_route
def test_a_form_of_another_site(console: Console, route: PageRoute | StreamRoute):
    """Each of both is needed: that the browser names this origin, and the token."""
    if route.method != "POST":
        return
    browser = console.owner() if route.needs else console.browser()
    token = browser.token("/instances" if route.needs else "/login")
    for headers in FOREIGN if route is FIRST_FORM else FOREIGN[:2]:
        assert browser.post(path_of(route), token, headers).status_code == 403, headers
    for wrong in ("", "x", security.form_token("another browser")):
        assert browser.post(path_of(route), wrong).status_code == 403
    assert browser.get("/instances" if route.needs else "/login").status_code == 200


def test_a_form_of_a_browser_that_sends_only_origin(console: Console):
    browser = console.owner()
    token = browser.token("/instances")
    fields = {"key": "colour", "value": "red"}
    path = f"/instances/{WEB}/tags"
    assert browser.post(path, token, {"origin": f"https://{HOST}"}, **fields).status_code == 303


@pytest.mark.parametrize(
    ("path", "status"), [("/login", 200), ("/", 302), ("/nothing", 404), ("/static/assist.css", 200), ("/logout", 405)]
)
def test_the_headers_of_every_answer(console: Console, path: str, status: int):
    answer = console.browser().get(path)
    assert answer.status_code == status
    for name, value in security.HEADERS.items():
        assert answer.headers[name] == value
    assert answer.headers["cache-control"] == "no-store"


def test_the_policy_allows_only_files_of_this_server(console: Console):
    policy = console.browser().get("/login").headers["content-security-policy"]
    assert policy == (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
        "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    )
    for path in ("/login", "/", "/instances", f"/instances/{WEB}"):
        text = console.owner().get(path).text
        assert not re.search(r"<style|\sstyle=|\son\w+=|<script(?! src=\"/static/)|https?://", text), path


def test_a_static_file_may_be_kept(console: Console):
    browser = console.browser()
    found = re.search(r'href="(/static/assist\.css\?v=[0-9a-f]+)"', browser.get("/login").text)
    assert found is not None
    assert "immutable" in browser.get(found[1]).headers["cache-control"]
    assert browser.get("/static/../app.py").status_code == 404
    assert browser.get("/static/%2e%2e/app.py").status_code == 404


@pytest.mark.parametrize("host", ["evil.example", "", "console.example.evil", "127.0.0.1.evil.example"])
def test_another_host(console: Console, host: str):
    answer = console.browser().get("/login", host=host)
    assert answer.status_code == 421
    assert "default-src 'none'" in answer.headers["content-security-policy"]


@pytest.mark.parametrize("host", [HOST, f"{HOST}:8321", HOST.upper(), "127.0.0.1:8321", "[::1]:8321"])
def test_our_hosts(console: Console, host: str):
    assert console.browser().get("/login", host=host).status_code == 200


def test_the_cookie_over_https(console: Console):
    header = console.browser().log_in(console.user(Role.VIEWER).name).headers["set-cookie"]
    assert header.startswith("__Host-assist=")
    assert {part.strip().lower() for part in header.split(";")[1:]} == {"httponly", "path=/", "samesite=lax", "secure"}


def test_the_cookie_over_http_has_the_port_in_its_name(console: Console):
    header = console.browser("http").get("/login").headers["set-cookie"]
    assert header.startswith("assist-80=")
    assert "secure" not in header.lower()
    assert "httponly" in header.lower()


def test_a_login_has_a_new_id(console: Console):
    """A cookie from before the login, which somebody may have set, does not become a session."""
    browser = console.browser()
    browser.get("/login")
    before = browser.cookie
    browser.log_in(console.user(Role.VIEWER).name)
    after = browser.cookie
    assert before != after
    assert browser.get("/").status_code == 200
    browser.client.cookies.clear()
    browser.client.cookies.set("__Host-assist", before, domain=HOST, path="/")
    assert browser.get("/").status_code == 302


def test_the_database_does_not_have_the_id_of_a_session(console: Console):
    browser = console.owner()
    files = [each for each in console.controller.home.root.iterdir() if each.name.startswith("assist.db")]
    assert files
    assert not any(browser.cookie.encode() in each.read_bytes() for each in files)


def test_a_logout_ends_the_session(console: Console):
    browser = console.owner()
    session = browser.cookie
    assert browser.post("/logout").headers["location"] == "/login"
    assert sessions.valid(console.controller, session) is None
    assert browser.get("/").status_code == 302


@pytest.mark.parametrize("change", ["disable", "remove", "password"])
def test_a_user_who_is_disabled_loses_all_sessions(console: Console, change: str):
    user = console.user(Role.ADMIN)
    one, two = console.browser(), console.browser()
    for browser in (one, two):
        browser.log_in(user.name)
        assert browser.get("/").status_code == 200
    if change == "disable":
        users.disable(console.controller, user.name)
    elif change == "remove":
        users.remove(console.controller, user.name)
    else:
        users.set_password(console.controller, user.name, Secret("another long password"))
    assert one.get("/").status_code == two.get("/").status_code == 302
    assert console.browser().log_in(user.name).status_code == 403


def test_a_one_time_link(console: Console):
    token = sessions.make_link(console.controller)
    first, second = console.browser(), console.browser()
    assert first.get(f"/open/{token}").status_code == 303
    assert first.get("/").status_code == 200
    assert second.get(f"/open/{token}").status_code == 403
    assert second.get("/").status_code == 302


def test_a_wrong_login_says_nothing_about_the_user(console: Console):
    name = console.user(Role.VIEWER).name
    disabled = console.user(Role.VIEWER).name
    users.disable(console.controller, disabled)
    texts = set()
    for given, password in ((name, "wrong password"), ("nobody", PASSWORD), (disabled, PASSWORD)):
        answer = console.browser().log_in(given, password)
        assert answer.status_code == 403
        found = re.search(r'role="alert">(.*?)</div>', answer.text, re.DOTALL)
        assert found is not None
        texts.add(found[1])
    assert len(texts) == 1
    assert "unknown user" in {entry.subject for entry in audit.entries(console.controller, since=None, limit=9)}


def test_the_rate_of_logins(tmp_path: Path):
    with new_console(tmp_path, Rates(0.001, 3)) as console:
        browser = console.browser()
        token = browser.token()
        answers = [browser.post("/login", token, name="a", password="b" * 12) for _ in range(4)]
        assert [each.status_code for each in answers].count(403) == 3
        assert answers[-1].status_code == 429
        assert answers[-1].headers["retry-after"]


@pytest.mark.parametrize("path", ["//evil.example", "https://evil.example", "/\\evil.example", "evil", "/\n//evil"])
def test_a_login_leads_only_to_this_server(console: Console, path: str):
    assert console.browser().log_in(console.user(Role.VIEWER).name, next=path).headers["location"] == "/"


def test_a_login_leads_to_the_wanted_page(console: Console):
    browser = console.browser()
    assert browser.get("/instances?on=web1").headers["location"] == "/login?next=/instances%3Fon%3Dweb1"
    assert browser.log_in(console.user(Role.VIEWER).name, next="/instances?on=web1").headers["location"] == (
        "/instances?on=web1"
    )


def test_a_scope_hides_all_other_instances(console: Console):
    browser = console.logged_in(Role.ADMIN, "@role=web")
    listed = re.findall(r'class="row" href="/instances/([^"]+)"', browser.get("/instances").text)
    assert listed == [WEB]
    assert browser.get(f"/instances/{WEB}").status_code == 200
    for path in (f"/instances/{DB}", f"/instances/{DB}/status", "/instances/db1"):
        answer = browser.get(path)
        assert answer.status_code == 404
        assert "tls:127" not in answer.text
    assert browser.post(f"/instances/{DB}/tags", key="a", value="b").status_code == 404
    answer = browser.get("/instances?on=db1")
    assert "cannot find an instance" in answer.text
    assert DB not in answer.text


HOSTILE = '"><script>alert(1)</script><img src=x onerror=alert(1)>\x1b[31m\u202e'


def test_foreign_text_is_no_markup(console: Console):
    made = Instance(
        f"i-{9:026}", f"evil{HOSTILE}", f"ssh:{HOSTILE}", console.controller.now(), HOSTILE, None, {HOSTILE: HOSTILE}
    )
    with console.controller.database.transaction() as transaction:
        instances.register(transaction, made)
    browser = console.owner()
    try:
        for path in (
            "/instances",
            f"/instances/{made.id}",
            f"/instances/{made.id}/status",
            "/instances?on=%3Cscript%3E",
        ):
            text = browser.get(path).text
            assert "<script>" not in text
            assert "<img src=x" not in text
            assert "\x1b" not in text
            assert "\u202e" not in text
    finally:
        with console.controller.database.transaction() as transaction:
            instances.remove(transaction, made.id, console.controller.now())
    error = browser.get("/instances/%3Cscript%3Ealert(1)%3C%2Fscript%3E")
    assert error.status_code == 404
    assert "<script>alert" not in error.text
    assert "<script>" not in browser.get("/%3Cscript%3E").text


def test_a_large_form_is_refused(console: Console):
    browser = console.owner()
    assert browser.post(f"/instances/{WEB}/tags", key="x" * (2 << 20)).status_code == 413
