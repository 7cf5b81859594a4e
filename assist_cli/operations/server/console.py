"""The addresses of the web console that the running server serves, and links to it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from assist_cli import codes
from assist_cli.errors import Conflict
from assist_cli.operations.access import sessions
from assist_cli.operations.controller import Controller
from assist_cli.operations.server import lease

# Settings: the addresses of the console of the last server, for a browser on this machine and for other machines.
URL, PUBLIC_URL = "console", "console-public"


@contextlib.contextmanager
def served_at(controller: Controller, url: str, public_url: str) -> Iterator[None]:
    """Note the addresses of the console until the end of the block."""
    _set(controller, url, public_url)
    try:
        yield
    finally:
        _set(controller, None, None)


def open_link(controller: Controller) -> str:
    """Return a one-time link to the console, for the user of this home. Raises Conflict if none is served."""
    url = _served(controller, URL)
    if url is None:
        raise Conflict(
            "cannot open the console: no server with a console is running",
            hint="start one: assist serve --web 127.0.0.1:8321",
            code=codes.CONSOLE_NOT_SERVED,
        )
    return f"{url}/open/{sessions.make_link(controller)}"


def enrolment_url(controller: Controller, enrolment_id: str) -> str | None:
    """Return the URL of the file of an enrolment, which is a secret; None if no console is served."""
    url = _served(controller, PUBLIC_URL)
    return None if url is None else f"{url}{enrolment_path(controller, enrolment_id)}"


def enrolment_path(controller: Controller, enrolment_id: str) -> str:
    """Return the path of the file of an enrolment in the console. It has the token."""
    from assist_cli.operations.fleet import enrolments  # imports cryptography, which a link does not need

    return f"/enroll/{enrolments.code(controller, enrolment_id).reveal()}"


def _served(controller: Controller, name: str) -> str | None:
    """Return an address of the console; None if no server with a console is running."""
    url = controller.database.setting(name)
    return None if url is None or lease.holder(controller) is None else url


def _set(controller: Controller, url: str | None, public_url: str | None) -> None:
    with controller.database.transaction() as transaction:
        transaction.set(URL, url)
        transaction.set(PUBLIC_URL, public_url)
