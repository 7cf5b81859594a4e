"""``assist serve``: the server, in the foreground, with its log on stderr."""

from __future__ import annotations

import functools
import logging
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from assist_cli.cli import options
from assist_cli.cli.wording import escape
from assist_cli.errors import LocalFailure, UsageError
from assist_cli.operations.controller import open_controller
from assist_cli.paths import home

if TYPE_CHECKING:
    from assist_cli.operations.serve.server import Service

app = options.application()


@app.command(epilog=options.examples("assist serve", "assist serve --api 127.0.0.1:8320"))
def serve(
    context: typer.Context,
    once: Annotated[bool, typer.Option("--once", help="Do what is due now, and end.")] = False,
    api: Annotated[
        str | None, typer.Option("--api", metavar="ADDRESS:PORT", help="Serve the HTTP API there, too.")
    ] = None,
    certificate: Annotated[
        Path | None, typer.Option("--api-cert", metavar="FILE", help="By HTTPS, with this certificate (PEM) …")
    ] = None,
    key: Annotated[Path | None, typer.Option("--api-key", metavar="FILE", help="… and its key.")] = None,
    insecure: Annotated[
        bool, typer.Option("--insecure", help="By plain HTTP on a network too, where anybody may read along.")
    ] = False,
) -> None:
    """Fire what is due, and see through what is open.

    Runs until SIGTERM or Ctrl-C. One serves for one home; when it was down, the next takes up what it left. To have it
    started with the machine: assist service install.
    """
    printer = options.printer(context)
    services = _api(api, certificate, key, insecure=insecure, once=once)
    _keep_log(quiet=printer.quiet, verbose=printer.verbose)
    with open_controller(home()) as controller:
        from assist_cli.operations.serve import server

        server.serve(controller, once=once, services=services)


def _api(
    address: str | None, certificate: Path | None, key: Path | None, *, insecure: bool, once: bool
) -> list[Service]:
    """The HTTP API as a service of the server, where it is asked for."""
    if address is None:
        if certificate or key or insecure:
            raise UsageError(
                "cannot use --api-cert, --api-key and --insecure without --api", hint="--api 127.0.0.1:8320"
            )
        return []
    if once:
        raise UsageError("cannot serve an API once", hint="leave out --once, or --api")
    try:
        from assist_cli.api import server
    except ModuleNotFoundError as error:
        raise LocalFailure(
            f"cannot serve the API: the package {error.name} is not installed",
            hint="pip install 'assist-cli[api]'",
            code="ExtraNotInstalled",
        ) from error
    return [functools.partial(server.service, server.place(address, certificate, key, insecure=insecure))]


class _Line(logging.Formatter):
    """``2026-11-22 08:00:00 text``; where the journal of the system adds the time, only the text."""

    def __init__(self) -> None:
        bare = "JOURNAL_STREAM" in os.environ and not sys.stderr.isatty()
        super().__init__("%(message)s" if bare else "%(asctime)s %(message)s", "%Y-%m-%d %H:%M:%S")

    def format(self, record: logging.LogRecord) -> str:
        return escape(super().format(record), keep="\n" if record.exc_info else "")


def _keep_log(*, quiet: bool, verbose: bool) -> None:
    """What is worth a line: what begins and ends, what did not run as it should; each firing with ``-v``."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Line())
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    level = logging.DEBUG if verbose else logging.WARNING if quiet else logging.INFO
    for name in ("assist_cli.operations.serve", "assist_cli.api"):
        logging.getLogger(name).setLevel(level)
