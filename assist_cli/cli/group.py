"""``assist group``: saved targets, used as group:NAME."""

from __future__ import annotations

from typing import Annotated

import typer

from assist_cli.cli import documents, options
from assist_cli.cli.output import Column, Format, Style
from assist_cli.model.folding import fold
from assist_cli.model.names import quoted
from assist_cli.operations.controller import open_controller
from assist_cli.operations.fleet import groups
from assist_cli.paths import home
from assist_cli.units import escape

app = options.application("Groups: saved targets, used as -i group:NAME. Forms of TARGET: assist help targets")

LISTED = (
    Column("NAME", flexible=True, least=16),
    Column("TARGET", flexible=True, least=24),
    Column("INSTANCES", right=True),
)

Name = Annotated[str, typer.Argument(metavar="NAME", help="Name of the group.")]


@app.command(
    epilog=options.examples("assist group add shops '@role=pos&@os=debian'", "assist run -i group:shops -- uptime")
)
def add(
    context: typer.Context,
    name: Name,
    target: Annotated[str, typer.Argument(metavar="TARGET", help="A target, as with -i.")],
) -> None:
    """Save a target as a group.

    The target is resolved at each use, so the group has the instances that match then.
    """
    printer = options.printer(context)
    with open_controller(home()) as controller:
        groups.add(controller, name, target)
        group, members, problem = groups.show(controller, name)
    printer.talk(f"Added: {group.name}: {fold(each.name for each in members) or 'no instances yet'}")
    if problem is not None:
        printer.talk(f"{problem.message}; {problem.hint}")


@app.command("list", epilog=options.examples("assist group list", "assist group list -o json"))
def list_(context: typer.Context, output: options.Output = Format.TABLE, plain: options.Plain = False) -> None:
    """List the groups, with the number of their instances now."""
    printer = options.printer(context, output, plain=plain)
    with open_controller(home()) as controller:
        found = groups.listing(controller)
    if printer.is_json:
        printer.documents(documents.group(group, members) for group, members in found)
        return
    if not found:
        printer.talk("There are no groups. Try: assist group add web '@role=web'")
        return
    printer.table(LISTED, ([group.name, group.target, str(len(members))] for group, members in found))


@app.command(epilog=options.examples("assist group show shops", "assist group show shops -o json"))
def show(context: typer.Context, name: Name, output: options.Output = Format.TABLE) -> None:
    """Show the target of a group, and its instances now."""
    printer = options.printer(context, output)
    with open_controller(home()) as controller:
        group, members, problem = groups.show(controller, name)
    if printer.is_json:
        printer.document({**documents.group(group, members), "Instances": [each.name for each in members]})
    else:
        printer.line(printer.paint(group.name, Style.STRONG))
        rows = [("Target", group.target), ("Instances", fold(each.name for each in members) or "none")]
        printer.fields(rows, 10)
    if problem is not None:
        printer.talk(f"{problem.message}; {problem.hint}")


@app.command(epilog=options.examples("assist group list", "assist group remove shops"))
def remove(context: typer.Context, name: Name) -> None:
    """Remove a group. Its instances stay."""
    with open_controller(home()) as controller:
        removed = groups.remove(controller, name)
    options.printer(context).talk(f"Removed: {escape(removed.name)}; it was {escape(quoted(removed.target))}")
