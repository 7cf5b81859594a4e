"""``assist query``: a SELECT over the history."""

from __future__ import annotations

from typing import Annotated

import typer

from assist_cli.cli import options
from assist_cli.cli.output import Format
from assist_cli.cli.rows import print_rows
from assist_cli.operations.controller import open_controller
from assist_cli.operations.history import query as querying
from assist_cli.paths import home

app = options.application()


@app.command(
    epilog=options.examples(
        "assist query 'SELECT status, count(*) FROM records GROUP BY 1'",
        "assist query 'SELECT * FROM audit' -o csv > audit.csv",
    )
)
def query(
    context: typer.Context,
    sql: Annotated[str, typer.Argument(metavar="SQL", help="A SELECT, in quotes, as SQLite writes it.")],
    output: options.RowOutput = Format.TABLE,
    plain: options.Plain = False,
) -> None:
    """Query the history by SQL, read-only.

    The views are invocations, records, instances, schedules, slots and audit; docs/history.md has their columns. Times
    are in UTC. A query ends after 10 s.
    """
    printer = options.printer(context, output, plain=plain)
    with open_controller(home()) as controller, querying.run(controller, sql) as found:
        print_rows(printer, output, found.columns, found.rows())
