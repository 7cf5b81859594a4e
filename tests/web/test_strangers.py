"""Requests that no browser sends: a stranger costs the server little, and its log has no traceback."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import replace

import pytest
from starlette.requests import Request
from starlette.responses import Response
from starlette.testclient import TestClient
from starlette.types import Message

from assist_cli.errors import NotPermitted
from assist_cli.http import endpoint
from assist_cli.http.rates import KEY_LENGTH, Rates
from assist_cli.model.access import Role
from assist_cli.model.command import CommandVersion
from assist_cli.model.secret import Secret
from assist_cli.operations.access import passwords, sessions, users
from assist_cli.operations.access.permissions import Rights
from assist_cli.operations.commands import commands
from assist_cli.web import app, security
from assist_cli.web.visit import Visit, network_of
from tests.support.console import HOST, PASSWORD, Browser, Console

FORM = "application/x-www-form-urlencoded"
MULTIPART = "multipart/form-data; boundary=X"
PART = b'--X\r\nContent-Disposition: form-data; name="name"\r\n\r\n%s\r\n--X--\r\n'


@pytest.mark.parametrize(
    ("kind", "body", "status"),
    [
        (FORM, b"&" * 1001, 400),
        (FORM, b"a=b&" * 1001, 400),
        (FORM, b"a" * 65_537, 413),
        (MULTIPART, b"no boundary", 400),
        (MULTIPART, b"--X\r\n\x00\xff: x\r\n\r\nabc\r\n--X--\r\n", 400),
        (MULTIPART, PART.replace(b"; name", b"; other") % b"a", 400),
        (f"{MULTIPART}; charset=idna", PART % (b"xn--" + b"a" * 75), 400),
        (f"{MULTIPART}; charset=undefined", PART % b"a", 400),
        (f"{MULTIPART}; charset=unicode_escape", PART % rb"\ud800", 400),
        ("multipart/form-data", b"a", 400),
        ("text/plain", b"a", 403),
    ],
)
def test_a_form_that_no_browser_sends(
    console: Console, caplog: pytest.LogCaptureFixture, kind: str, body: bytes, status: int
):
    headers = {"content-type": kind, "sec-fetch-site": "same-origin"}
    answer = console.browser().client.post("/login", content=body, headers=headers)
    assert answer.status_code == status
    assert not [each for each in caplog.records if each.levelno >= logging.WARNING and each.name != "httpx2"]


@pytest.mark.parametrize("path", ["/files/send", "/run", "/logout"])
def test_a_form_of_a_stranger_is_not_read(console: Console, path: str):
    def body():
        raise AssertionError("the form was read")
        yield b""

    headers = {"content-type": FORM, "sec-fetch-site": "same-origin"}
    assert console.browser().client.post(path, content=body(), headers=headers).status_code == 401
    viewer = console.logged_in(Role.VIEWER)
    assert path == "/logout" or viewer.client.post(path, content=body(), headers=headers).status_code == 403
    headers["sec-fetch-site"] = "cross-site"
    assert console.owner().client.post(path, content=body(), headers=headers).status_code == 403


def test_a_connection_that_is_closed_within_a_form(console: Console, caplog: pytest.LogCaptureFixture):
    headers = {"content-type": FORM, "content-length": "9", "host": HOST, "sec-fetch-site": "same-origin"}
    scope = {
        "type": "http",
        "method": "POST",
        "path": "/login",
        "raw_path": b"/login",
        "query_string": b"",
        "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
        "scheme": "https",
        "server": (HOST, 443),
        "client": ("127.0.0.1", 1),
        "http_version": "1.1",
    }
    sent = []

    async def receive() -> Message:
        return {"type": "http.disconnect"}

    async def send(message: Message) -> None:
        sent.append(message)

    asyncio.run(console.app(scope, receive, send))
    assert sent[0]["status"] == 400
    assert not [each for each in caplog.records if each.levelno >= logging.WARNING]


def test_a_bug_is_one_line_in_the_log(console: Console, caplog: pytest.LogCaptureFixture):
    def fail(visit: Visit) -> Response:
        raise ZeroDivisionError

    route = replace(app.ROUTES[0], answer=fail)
    path = app._route(console.site, "/broken/{token}", {"GET": route})
    made = app.Shield(app.Starlette(routes=[path]), console.site)
    made._app.state.needs = {}
    answer = TestClient(made, base_url=f"https://{HOST}").get("/broken/secret-token")
    assert answer.status_code == 500
    assert "there is a bug in Assist (ZeroDivisionError)" in answer.text
    (line,) = [each for each in caplog.records if each.levelno >= logging.WARNING]
    assert line.exc_info is None
    assert line.getMessage().startswith("cannot answer GET /login: there is a bug in Assist (ZeroDivisionError); ")
    assert "secret-token" not in caplog.text


def test_a_cookie_that_this_server_did_not_make(console: Console):
    mine = sessions.new_id()
    assert security.cookie(['a=b; c="' + "\\" * 50_000 + '"', f"x={mine}"], "x") == mine
    for wrong in ("", '"', f'"{mine}"', f"{mine}=", "é" * 43, "\\1" * 30_000):
        assert security.cookie([f"x={wrong}"], "x") == ""


def test_each_path_names_its_methods(console: Console):
    client = console.browser().client
    for path, methods in (
        ("/login", {"GET", "HEAD", "POST"}),
        ("/open/x", {"GET"}),
        ("/logout", {"POST"}),
        ("/invocations/x/stream", {"GET"}),
        ("/static/assist.css", {"GET", "HEAD"}),
    ):
        answer = client.request("OPTIONS", path)
        assert answer.status_code == 405
        assert {each.strip() for each in answer.headers["allow"].split(",")} == methods


def test_a_preview_of_a_one_time_link_does_not_use_it(console: Console):
    token = sessions.make_link(console.controller)
    browser = console.browser()
    assert browser.client.head(f"/open/{token}").status_code == 405
    assert browser.get(f"/open/{token}").status_code == 303


def test_attempts_to_log_in_do_not_stop_a_one_time_link(console: Console):
    site = replace(console.site, by_address=Rates(0.001, 0))
    browser = Browser(replace(console, app=app.application(site)))
    assert browser.log_in("ana").status_code == 429
    assert browser.get(f"/open/{sessions.make_link(console.controller)}").status_code == 303


@pytest.mark.parametrize(
    ("client", "network"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("2001:db8:1:2:3::4", "2001:db8:1:2::/64"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("<script>", "None"),
        ("", "None"),
    ],
)
def test_the_network_of_a_client(client: str, network: str):
    assert network_of(Request({"type": "http", "client": (client, 1), "headers": []})) == network


def test_a_long_key_of_a_rate_takes_little_memory():
    rates = Rates(0.001, 1)
    assert rates.admit("a" * 1_000_000)
    assert not rates.admit("a" * 1_000_000 + "b")
    assert max(map(len, rates._left)) == KEY_LENGTH


@pytest.mark.parametrize("host", [f"{HOST}:80@evil.example", f"{HOST}:80:80", f"{HOST}/", f"{HOST}:x", "[::1", "::1"])
def test_a_host_with_more_than_a_name_and_a_port(host: str):
    assert not endpoint.is_ours(host, frozenset({HOST}))


def test_a_password_of_many_combining_marks_takes_little_time(console: Console):
    password = Secret("a" + "\u0315\u0300" * 400_000)  # composing all of it would take an hour
    assert not passwords.fits(password, None)
    assert passwords.fits(Secret("e\u0301" * 12), passwords.hashed(Secret("\u00e9" * 12)))


def test_a_login_ends_if_the_password_has_changed_meanwhile(console: Console):
    name = console.user(Role.VIEWER).name

    class Slow(Secret):
        def reveal(self) -> str:
            users.set_password(console.controller, name, Secret("another long password"))
            return super().reveal()

    with pytest.raises(NotPermitted, match="cannot log in"):
        sessions.log_in(console.controller, name, Slow(PASSWORD), "a test")


def test_a_user_who_is_disabled_meanwhile_changes_no_command(console: Console):
    user = console.user(Role.ADMIN)
    made = commands.create(console.controller, "meanwhile", CommandVersion(b"true"))
    also = Rights(user, console.controller).confirm_command
    users.disable(console.controller, user.name)
    for change in (
        lambda: commands.modify(console.controller, made.id, description="x", also=also),
        lambda: commands.rollback(console.controller, made.id, 1, also=also),
        lambda: commands.delete(console.controller, [made.id], also=also),
    ):
        with pytest.raises(NotPermitted, match="it is disabled"):
            change()
    found = commands.get(console.controller, made.id)
    assert (found.latest, found.description) == (1, "")


def test_a_file_that_is_not_base64(console: Console):
    fields = {"on": "web1", "directory": "/etc", "name": "a", "has_content": "1", "content": "\u00e9"}
    answer = console.owner().post("/files/send", **fields)
    assert answer.status_code == 400
    assert "cannot read the file of the form" in answer.text


def test_a_logout_clears_pages_that_back_would_show(console: Console):
    assert console.owner().post("/logout").headers["clear-site-data"] == '"cache"'
