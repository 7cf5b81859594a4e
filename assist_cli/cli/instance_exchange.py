"""The verbs of ``assist instance`` that copy the inventory to a file, and from one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer
from typer._types import TyperChoice

from assist_cli.cli import documents, options
from assist_cli.cli.output import Format
from assist_cli.cli.typer_classes import SHOWN
from assist_cli.operations.controller import open_controller
from assist_cli.paths import home
from assist_cli.units import count

if TYPE_CHECKING:
    from assist_cli.model.instance import Instance

app = options.application()

_Output = Annotated[
    Format,
    typer.Option(
        "--output",
        "-o",
        metavar="FORMAT",
        click_type=TyperChoice([Format.JSON.value, Format.JSONL.value, Format.CSV.value]),
        help="json, jsonl or csv (default json).",
        show_default=False,
        rich_help_panel=SHOWN,
    ),
]


@app.command(
    epilog=options.examples("assist instance export > inventory.json", "assist instance export -o csv > inventory.csv")
)
def export(context: typer.Context, output: _Output = Format.JSON) -> None:
    """Write the inventory as JSON or CSV, without local.

    Keys are not in it. Agents that listen for TLS trust only a home with the same pki folder.
    """
    from assist_cli.cli.rows import cells, print_csv
    from assist_cli.operations.fleet import exchange

    printer = options.printer(context, output)
    with open_controller(home()) as controller:
        found = [_exported(each) for each in exchange.exported(controller)]
    if printer.is_csv:
        print_csv(printer, exchange.COLUMNS)
        for each in found:
            print_csv(printer, cells(each))
    else:
        printer.documents(found)


@app.command(
    "import",
    epilog=options.examples("assist instance import inventory.csv", "assist instance import - < inventory.json"),
)
def import_(
    context: typer.Context,
    file: Annotated[str, typer.Argument(metavar="FILE|-", help="JSON or CSV from export; - is standard input.")],
    output: options.Output = Format.TABLE,
) -> None:
    """Register the instances of an exported inventory, all or none. No agent is contacted.

    An instance that is registered and equal is skipped; if its address or its tags differ, the import is refused.
    """
    from assist_cli.cli import scripts
    from assist_cli.operations.fleet import exchange

    printer = options.printer(context, output)
    data = scripts.read(file, "file")
    with open_controller(home()) as controller:
        done = exchange.import_data(controller, data, file)
    if printer.is_json:
        printer.documents(map(documents.instance, done.added))
        return
    for each in done.added:
        printer.talk(f"Imported: {each.name}  {each.id}")
    printer.talk(f"{count(len(done.added), 'instance')} imported, {len(done.unchanged)} were there already")


def _exported(instance: Instance) -> documents.Document:
    from assist_cli.operations.fleet.exchange import COLUMNS

    found = documents.instance(instance)
    return {column: found[column] for column in COLUMNS}
