"""``assist query``: a SELECT over the history."""

from __future__ import annotations

from typing import Annotated

import typer

from assist_cli.cli import options
from assist_cli.cli.output import Format
from assist_cli.cli.rows import print_rows
from assist_cli.errors import InvalidParameter, UsageError
from assist_cli.operations.controller import open_controller
from assist_cli.operations.history import query as querying
from assist_cli.paths import home

app = options.application()


@app.command(
    epilog=options.examples(
        "assist query 'SELECT status, count(*) FROM records GROUP BY 1'",
        "assist query 'SELECT * FROM audit' -o csv > audit.csv",
        "assist query -f weekly.sql",
    )
)
def query(
    context: typer.Context,
    sql: Annotated[
        str | None, typer.Argument(metavar="[SQL]", help="A SELECT, in quotes, as SQLite writes it.")
    ] = None,
    file: Annotated[
        str | None, typer.Option("--file", "-f", metavar="FILE", help="Read the SQL from FILE; - is stdin.")
    ] = None,
    output: options.RowOutput = Format.TABLE,
    plain: options.Plain = False,
) -> None:
    """Query the history by SQL, read-only.

    The views are invocations, records, instances, schedules, slots and audit; docs/history.md has their columns. Times
    are in UTC. A query ends after 10 s of work in the database.
    """
    printer = options.printer(context, output, plain=plain)
    if sql is None or file is not None:
        sql = _read(sql, file)
    with open_controller(home()) as controller, querying.run(controller, sql) as found:
        print_rows(printer, output, found.columns, found.rows())


def _read(sql: str | None, file: str | None) -> str:
    """Return the SQL in a file. Raises UsageError, FileFailure and InvalidParameter."""
    if sql is not None or file is None:
        raise UsageError(
            "cannot query: no SQL given" if sql is None else "cannot use SQL together with -f",
            hint="assist query 'SELECT * FROM records LIMIT 5', or -f FILE",
        )
    from assist_cli.cli import scripts

    try:
        return scripts.read(file, "query").decode("utf-8-sig")
    except UnicodeDecodeError:
        raise InvalidParameter(f"cannot use the query in '{file}': it is not UTF-8", hint="save it as UTF-8") from None
