"""The web console in the process of the test, and browsers of its users. Nothing is sent to agents."""

from __future__ import annotations

import contextlib
import itertools
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import httpx2
from starlette.testclient import TestClient
from starlette.types import ASGIApp

from assist_cli.http.rates import Rates
from assist_cli.model.access import Role, User
from assist_cli.model.instance import Instance
from assist_cli.model.secret import Secret
from assist_cli.model.timeouts import DEFAULTS, Timeouts
from assist_cli.operations.access import sessions, users
from assist_cli.operations.controller import Controller, Controllers, open_controller
from assist_cli.paths import Home
from assist_cli.store import instances
from assist_cli.web import security
from assist_cli.web.app import application
from assist_cli.web.visit import Site
from tests.support.calls import NoSender

HOST = "console.example"
PASSWORD = "correct horse battery"
_NUMBERS = itertools.count()  # of users
WEB, DB = f"i-{1:026}", f"i-{2:026}"


class Browser:
    """A browser: it has cookies, follows no redirect by itself, and sends forms as a page of the console does."""

    def __init__(self, console: Console, scheme: str = "https") -> None:
        self.client = TestClient(console.app, base_url=f"{scheme}://{HOST}", follow_redirects=False)

    def get(self, path: str, **headers: str) -> httpx2.Response:
        return self.client.get(path, headers=_dashed(headers))

    def token(self, path: str = "/login") -> str:
        """Return the token of the forms on a page."""
        found = re.search(r'name="token" value="([0-9a-f]+)"', self.get(path).text)
        assert found is not None
        return found[1]

    def post(self, path: str, token: str | None = None, headers: dict[str, str] | None = None, **fields: str):
        """Send a form; the token is the one of the page's forms, unless another one is given."""
        given = {"sec-fetch-site": "same-origin"} if headers is None else headers
        found = security.form_token(self.cookie) if token is None else token
        return self.client.post(path, data={"token": found, **fields}, headers=given)

    def log_in(self, name: str, password: str = PASSWORD, **fields: str) -> httpx2.Response:
        return self.post("/login", self.token(), name=name, password=password, **fields)

    @property
    def cookie(self) -> str:
        """The id of this browser."""
        (value,) = {each.value for each in self.client.cookies.jar}
        return str(value)


@dataclass(frozen=True)
class Console:
    """A console with the instances ``web1`` (role=web) and ``db1``, which nobody answers for."""

    app: ASGIApp
    site: Site
    controller: Controller
    _browsers: dict[tuple[str, ...], Browser] = field(default_factory=dict)

    def browser(self, scheme: str = "https") -> Browser:
        return Browser(self, scheme)

    def user(self, role: Role, *scope: str) -> User:
        """A new user, with ``PASSWORD``."""
        name = f"{role.value}-{next(_NUMBERS)}"
        return users.add(self.controller, name, Secret(PASSWORD), role, scope)

    def owner(self) -> Browser:
        """The browser of the user of the home, who has logged in by a one-time link."""
        browser = self.browser()
        assert browser.get(f"/open/{sessions.make_link(self.controller)}").headers["location"] == "/"
        return browser

    def logged_in(self, role: Role, *scope: str) -> Browser:
        """The browser of a user with this role and scope, the same for all tests: a hash takes time."""
        key = (role.value, *scope)
        if key not in self._browsers:
            browser = self.browser()
            assert browser.log_in(self.user(role, *scope).name).status_code == 303
            self._browsers[key] = browser
        return self._browsers[key]


@contextlib.contextmanager
def console(folder: Path, rates: Rates | None = None, timeouts: Timeouts = DEFAULTS) -> Iterator[Console]:
    """A console of a home in a folder, which limits the logins of an address by these ``rates``."""
    home = Home(folder / "assist")
    with (
        contextlib.closing(Controllers(home, timeouts)) as controllers,
        ThreadPoolExecutor(1, thread_name_prefix="console") as threads,
        open_controller(home) as controller,
    ):
        with controller.database.transaction() as transaction:
            for name, each, tags in (("web1", WEB, {"role": "web"}), ("db1", DB, {})):
                made = Instance(each, name, "tls:127.0.0.1:1", controller.now(), "linux", tags=tags)
                instances.register(transaction, made)
        with controllers.one(), controllers.one():  # of a thread, and of event streams
            pass  # its files are open from here on, and its thread runs
        threads.submit(int).result()
        unlimited = Rates(1e9)
        site = Site(
            controllers,
            threads,
            frozenset({HOST}),
            NoSender(),
            by_address=rates or unlimited,  # type: ignore[arg-type]
        )
        yield Console(application(site), site, controller)


def names(text: str, name: str) -> bool:
    """Return True if a page has a name as a word; a token in it may have the same letters at random."""
    return re.search(rf"\b{re.escape(name)}\b", text) is not None


def _dashed(headers: dict[str, str]) -> dict[str, str]:
    return {name.replace("_", "-"): value for name, value in headers.items()}
