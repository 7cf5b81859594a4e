"""``assist serve``: the server, in the foreground, with its log on stderr."""

from __future__ import annotations

import functools
import logging
import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from assist_cli import codes
from assist_cli.cli import options
from assist_cli.cli.formatting import escape
from assist_cli.cli.log import LogHandler
from assist_cli.cli.output import Printer
from assist_cli.errors import InvalidParameter, LocalFailure, UsageError
from assist_cli.model import endpoint
from assist_cli.operations.controller import open_controller
from assist_cli.paths import home

if TYPE_CHECKING:
    from assist_cli.operations.server.server import Service

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
    metrics: Annotated[
        str | None, typer.Option("--metrics", metavar="ADDRESS:PORT", help="Figures for Prometheus, at /metrics.")
    ] = None,
) -> None:
    """Fire what is due, and see through what is open.

    Runs until SIGTERM or Ctrl-C. One serves for one home; when it was down, the next takes up what it left. To have it
    started with the machine: assist service install.
    """
    printer = options.printer(context)
    if insecure and api is None and metrics is None:
        raise UsageError("cannot use --insecure without --api or --metrics", hint="--metrics 0.0.0.0:9464 --insecure")
    services = [
        *_api(api, certificate, key, insecure=insecure, once=once),
        *_metrics(metrics, insecure=insecure, once=once),
    ]
    _keep_log(printer)
    with open_controller(home()) as controller:
        from assist_cli.operations.server import server

        server.serve(controller, once=once, services=services)


def _api(
    address: str | None, certificate: Path | None, key: Path | None, *, insecure: bool, once: bool
) -> list[Service]:
    """The HTTP API as a service of the server, where it is asked for."""
    if address is None:
        if certificate or key:
            raise UsageError("cannot use --api-cert and --api-key without --api", hint="--api 127.0.0.1:8320")
        return []
    if once:
        raise UsageError("cannot serve an API once", hint="leave out --once, or --api")
    try:
        from assist_cli.api import server
    except ModuleNotFoundError as error:
        raise _not_installed("the API", error, "api") from error
    place = server.place(address, certificate, key, insecure=insecure)
    if key is not None:
        options.warn_if_exposed(key)
    return [functools.partial(server.service, place)]


def _metrics(address: str | None, *, insecure: bool, once: bool) -> list[Service]:
    """The figures as a service of the server, where they are asked for."""
    if address is None:
        return []
    if once:
        raise UsageError("cannot serve metrics once", hint="leave out --once, or --metrics")
    host, port = endpoint.parse(address, "--metrics 127.0.0.1:9464")
    if not insecure and not endpoint.is_loopback(host):
        raise InvalidParameter(
            f"cannot serve metrics at {address!r}: whoever reaches it could read names of instances",
            hint="127.0.0.1 and a proxy in front of it; or --insecure, where the network is trusted",
            code=codes.PLAIN_HTTP_REFUSED,
        )
    try:
        from assist_cli.operations.observe import metrics
    except ModuleNotFoundError as error:
        raise _not_installed("metrics", error, "metrics") from error
    return [functools.partial(metrics.service, host, port)]


def _not_installed(what: str, error: ModuleNotFoundError, extra: str) -> LocalFailure:
    return LocalFailure(
        f"cannot serve {what}: the package {error.name} is not installed",
        hint=f"pip install 'assist-cli[{extra}]'",
        code=codes.EXTRA_NOT_INSTALLED,
    )


class _Line(logging.Formatter):
    """``2026-11-22 08:00:00 text``; where the journal of the system adds the time, only the text."""

    def __init__(self, printer: Printer) -> None:
        bare = "JOURNAL_STREAM" in os.environ and not printer.stderr_is_terminal
        super().__init__("%(message)s" if bare else "%(asctime)s %(message)s", "%Y-%m-%d %H:%M:%S")

    def format(self, record: logging.LogRecord) -> str:
        return escape(super().format(record), keep="\n" if record.exc_info else "")


def _keep_log(printer: Printer) -> None:
    """What is worth a line: what begins and ends, what did not run as it should; each firing with ``-v``."""
    handler = LogHandler(printer)
    handler.setFormatter(_Line(printer))
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    level = logging.DEBUG if printer.verbose else logging.WARNING if printer.quiet else logging.INFO
    for name in ("assist_cli.operations.server", "assist_cli.operations.observe.metrics", "assist_cli.api"):
        logging.getLogger(name).setLevel(level)
