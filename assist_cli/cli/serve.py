"""``assist serve``: the server, in the foreground, with its log on stderr."""

from __future__ import annotations

import logging
import os
import sys
from typing import Annotated

import typer

from assist_cli.cli import options
from assist_cli.cli.wording import escape
from assist_cli.operations.controller import open_controller
from assist_cli.paths import home

app = options.application()


@app.command(epilog=options.examples("assist serve", "assist serve --once"))
def serve(
    context: typer.Context,
    once: Annotated[bool, typer.Option("--once", help="Do what is due now, and end.")] = False,
) -> None:
    """Fire what is due, and see through what is open.

    Runs until SIGTERM or Ctrl-C. One serves for one home; when it was down, the next takes up what it left. To have it
    started with the machine: assist service install.
    """
    printer = options.printer(context)
    _keep_log(quiet=printer.quiet, verbose=printer.verbose)
    with open_controller(home()) as controller:
        from assist_cli.operations.serve import server

        server.serve(controller, once=once)


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
    logging.getLogger("assist_cli.operations.serve").setLevel(level)
