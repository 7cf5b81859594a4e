"""``assist catalog``: ready commands for common work, saved on request."""

from __future__ import annotations

from typing import Annotated

import typer

from assist_cli.cli import command_view, documents, options
from assist_cli.cli.output import Column, Encoding, Format
from assist_cli.model.command import Command
from assist_cli.model.names import quoted
from assist_cli.operations.commands import catalog
from assist_cli.operations.commands.catalog import EntryState
from assist_cli.operations.controller import open_controller
from assist_cli.paths import home
from assist_cli.units import escape

app = options.application("Catalog: ready commands for packages, services, users, archives, logs and checks.")

LISTED = (
    Column("NAME", flexible=True, least=16),
    Column("VERSION", right=True, drop=1),
    Column("ADDED"),
    Column("DESCRIPTION", flexible=True, least=24),
)
WORDS = {
    EntryState.ABSENT: "no",
    EntryState.CURRENT: "yes",
    EntryState.OUTDATED: "yes, older",
    EntryState.CHANGED: "changed here",
}

Name = Annotated[str, typer.Argument(metavar="NAME", help="Name of a command of the catalog.")]


@app.command("list", epilog=options.examples("assist catalog list", "assist catalog list -o json"))
def list_(context: typer.Context, output: options.Output = Format.TABLE, plain: options.Plain = False) -> None:
    """List the commands of the catalog, and which of them are saved."""
    printer = options.printer(context, output, plain=plain)
    with open_controller(home()) as controller:
        found = catalog.listing(controller)
    if printer.is_json:
        printer.documents(map(documents.catalog_entry, found))
        return
    rows = [[each.name, str(each.version), WORDS[each.state], each.description] for each in found]
    printer.table(LISTED, rows)
    if any(each.state is EntryState.OUTDATED for each in found):
        printer.talk("There are newer versions. To add one: assist catalog add NAME")
    else:
        printer.talk("To save one: assist catalog add NAME")


@app.command(epilog=options.examples("assist catalog show packages", "assist catalog show packages -o json"))
def show(
    context: typer.Context,
    name: Name,
    output: options.Output = Format.TABLE,
    encoding: options.EncodingOption = Encoding.TEXT,
) -> None:
    """Show a command of the catalog: settings, parameters and script."""
    printer = options.printer(context, output)
    entry = catalog.versions(name)[-1]
    if printer.is_json:
        printer.document(documents.catalog_command(entry, encoding))
    else:
        command_view.print_draft(printer, entry)


@app.command(epilog=options.examples("assist catalog add packages", "assist catalog add service --as restart-service"))
def add(
    context: typer.Context,
    name: Name,
    new_name: Annotated[
        str | None, typer.Option("--as", metavar="NEW", help="Save it under this name (default: NAME).")
    ] = None,
    output: options.Output = Format.TABLE,
) -> None:
    """Save a command of the catalog, to run it with assist invoke.

    After an upgrade of Assist, the same line adds the new version. A command that you have changed is never replaced.
    """
    printer = options.printer(context, output)
    with open_controller(home()) as controller:
        made, before = catalog.add(controller, name, new_name)
    if printer.is_json:
        printer.document(documents.saved(made))
    else:
        printer.line(command_view.line(made))
        if before is EntryState.CURRENT:
            printer.talk("It was saved before, at this version.")
        elif before is EntryState.ABSENT:
            printer.talk(f"To run it: {escape(_call(made))}")


def _call(command: Command) -> str:
    """Return the command line that invokes a command with its required parameters."""
    required = [each for each in command.version.definitions if each.required]
    given = [f"--secret {each.key}=env:VARIABLE" if each.secret else f"-p {each.key}=VALUE" for each in required]
    return " ".join(["assist invoke", quoted(command.name), *given])
