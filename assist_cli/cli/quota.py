"""``assist quota``: show all limits and their use, and set one."""

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
    help="Show all limits and their use, and set one. USED is the number of commands, else the largest saved value.",
    epilog=options.examples("assist quota", "assist quota set commands 1000"),
)
def quota(context: typer.Context, output: options.Output = Format.TABLE, plain: options.Plain = False) -> None:
    """Show the quotas, if there is no subcommand."""
    if context.invoked_subcommand is not None:
        return
    printer = options.printer(context, output, plain=plain)
    with open_controller(home()) as controller:
        found = quotas.usage(controller)
    if printer.is_json:
        printer.documents(map(documents.usage, found))
        return
    columns = [Column("QUOTA"), Column("LIMIT", right=True), Column("USED", right=True), Column("UNIT", drop=1)]
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
    name: Annotated[str, typer.Argument(metavar="commands", help="The only quota that can be changed.")],
    value: Annotated[int, typer.Argument(metavar="N", help="Largest number of saved commands (default 500).")],
) -> None:
    """Set the largest number of saved commands. Existing ones stay."""
    with open_controller(home()) as controller:
        quotas.set_limit(controller, name, value)
    options.printer(context).talk(f"The limit of {name} is {value:,} now.")
