"""``assist quota``: every limit and its use, and the one that can be set."""

from __future__ import annotations

from typing import Annotated

import typer

from assist_cli.cli import documents, options
from assist_cli.cli.output import Column, Format
from assist_cli.operations.commands import quotas
from assist_cli.operations.controller import open_controller
from assist_cli.paths import home

app = options.application()


@app.callback(
    invoke_without_command=True,
    help="Show every limit and its use: of commands their number, else the largest that is saved.",
    epilog=options.examples("assist quota", "assist quota set commands 1000"),
)
def quota(context: typer.Context, output: options.Output = Format.TABLE, plain: options.Plain = False) -> None:
    """``assist quota`` alone."""
    if context.invoked_subcommand is not None:
        return
    printer = options.printer(context, output, plain=plain)
    with open_controller(home()) as controller:
        found = quotas.usage(controller)
    if printer.is_json:
        printer.documents(map(documents.usage, found))
        return
    columns = [Column("QUOTA"), Column("LIMIT", right=True), Column("USED", right=True), Column("UNIT")]
    printer.table(
        columns,
        (
            [each.quota.name, f"{each.quota.limit:,}", "" if each.used is None else f"{each.used:,}", each.quota.unit]
            for each in found
        ),
    )


@app.command("set", epilog=options.examples("assist quota set commands 1000", "assist quota set commands 500"))
def set_(
    context: typer.Context,
    name: Annotated[str, typer.Argument(metavar="commands", help="The quota that can be set.")],
    value: Annotated[int, typer.Argument(metavar="N", help="How many commands may be saved; default: 500.")],
) -> None:
    """Set how many commands may be saved. Those that exist stay."""
    with open_controller(home()) as controller:
        quotas.set_limit(controller, name, value)
    options.printer(context).talk(f"{value:,} {name} may be saved now.")
