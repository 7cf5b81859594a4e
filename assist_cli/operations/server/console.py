"""The address of the web console that the running server serves, and one-time links to it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from assist_cli import codes
from assist_cli.errors import Conflict
from assist_cli.operations.access import sessions
from assist_cli.operations.controller import Controller
from assist_cli.operations.server import lease

URL = "console"  # a setting: the address of the console of the last server


@contextlib.contextmanager
def served_at(controller: Controller, url: str) -> Iterator[None]:
    """Note the address of the console until the end of the block."""
    _set(controller, url)
    try:
        yield
    finally:
        _set(controller, None)


def open_link(controller: Controller) -> str:
    """Return a one-time link to the console, for the user of this home. Raises Conflict if none is served."""
    url = controller.database.setting(URL)
    if url is None or lease.holder(controller) is None:
        raise Conflict(
            "cannot open the console: no server with a console is running",
            hint="start one: assist serve --web 127.0.0.1:8321",
            code=codes.CONSOLE_NOT_SERVED,
        )
    return f"{url}/open/{sessions.make_link(controller)}"


def _set(controller: Controller, url: str | None) -> None:
    with controller.database.transaction() as transaction:
        transaction.set(URL, url)
