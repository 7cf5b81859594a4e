"""``assist console``: the web console of the running server."""

from __future__ import annotations

import typer

from assist_cli.cli import options
from assist_cli.operations.controller import open_controller
from assist_cli.operations.server import console as operations
from assist_cli.paths import home

app = options.application("Web console of the running server: open.")


@app.command("open", epilog=options.examples("assist console open", "assist console open | xargs xdg-open"))
def open_(context: typer.Context) -> None:
    """Print a link that logs you in to the web console.

    It works one time, in the next 10 minutes, with the role admin. The console is served by: assist serve --web
    """
    printer = options.printer(context)
    with open_controller(home()) as controller:
        printer.line(operations.open_link(controller))
