"""``assist serve``: run the server in the foreground, with its log on stderr."""

from __future__ import annotations

import logging
import os
from typing import Annotated

import typer

from assist_cli.cli import options
from assist_cli.cli.listening import Listening
from assist_cli.cli.log import LogHandler
from assist_cli.cli.output import Printer
from assist_cli.errors import UsageError
from assist_cli.operations.controller import open_controller
from assist_cli.paths import home
from assist_cli.units import escape

app = options.application()


@app.command(
    epilog=options.examples("assist serve", "assist serve --web 127.0.0.1:8321", "assist serve --api 127.0.0.1:8320")
)
def serve(
    context: typer.Context,
    once: Annotated[
        bool, typer.Option("--once", help="Fire due schedules, try the queue, reconcile records, and exit.")
    ] = False,
    *,
    take_over: Annotated[
        bool, typer.Option("--take-over", help="Make agents refuse every other copy of this home.")
    ] = False,
    listening: Listening,
) -> None:
    """Run the server, which fires schedules and recovers records.

    With --web it also serves the web console, with --api the HTTP API. Runs until SIGTERM or Ctrl-C. One server per
    home; a new one recovers the records of its predecessor. To start it at boot: assist service install

    After a restore, take over one time: assist serve --once --take-over. Later starts need no option.
    """
    printer = options.printer(context)
    for option, given in (("web", listening.web), ("api", listening.api), ("metrics", listening.metrics)):
        if once and given is not None:
            raise UsageError(f"cannot use --{option} with --once", hint=f"remove --once, or --{option}")
    services = listening.services()
    _set_up_log(printer)
    with open_controller(home()) as controller:
        from assist_cli.operations.server import server

        server.serve(controller, once=once, services=services, take_over=take_over)


class _Line(logging.Formatter):
    """Formats a line as ``2026-11-22 08:00:00 text``, without the time if the journal of systemd adds it."""

    def __init__(self, printer: Printer) -> None:
        bare = "JOURNAL_STREAM" in os.environ and not printer.stderr_is_terminal
        super().__init__("%(message)s" if bare else "%(asctime)s %(message)s", "%Y-%m-%d %H:%M:%S")

    def format(self, record: logging.LogRecord) -> str:
        return escape(super().format(record), keep="\n" if record.exc_info else "")


def _set_up_log(printer: Printer) -> None:
    """Set up the log: start, end and failures; with ``-v`` also each firing."""
    handler = LogHandler(printer)
    handler.setFormatter(_Line(printer))
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    level = logging.DEBUG if printer.verbose else logging.WARNING if printer.quiet else logging.INFO
    for name in ("operations.server", "operations.observe.metrics", "api", "web"):
        logging.getLogger(f"assist_cli.{name}").setLevel(level)
