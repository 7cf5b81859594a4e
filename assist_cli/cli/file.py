"""``assist file``: files that were sent, and their outcomes."""

from __future__ import annotations

from datetime import datetime

import typer

from assist_cli.cli import documents, options
from assist_cli.cli.invocation_view import created, print_endings, print_rows, status_of
from assist_cli.cli.output import Cell, Column, Format, Printer, Style
from assist_cli.cli.watching import file_in_words
from assist_cli.model.invocation import Invocation
from assist_cli.model.status import InvocationStatus
from assist_cli.model.transfer import Transfer
from assist_cli.operations.controller import open_controller
from assist_cli.operations.history import history
from assist_cli.operations.runs import files
from assist_cli.paths import home
from assist_cli.units import ago

app = options.application(
    "Files that were sent, and the outcome on each instance. Ids may be short (f-01k3); - is the newest."
)

COLUMNS = (
    Column("ID"),
    Column("STATUS"),
    Column("INSTANCE", flexible=True, least=16, drop=2),
    Column("CREATED", drop=1),
    Column("FILE", flexible=True, least=16),
)


@app.command("list", epilog=options.examples("assist file list", "assist file list -n 5 -o json"))
def list_(
    context: typer.Context,
    number: options.Number = None,
    output: options.Output = Format.TABLE,
    plain: options.Plain = False,
) -> None:
    """List the files that were sent, newest first."""
    printer = options.printer(context, output, plain=plain)
    number = options.list_length(number, printer)
    with open_controller(home()) as controller:
        found = files.listing(controller, limit=number + 1 if number else None)
        shown = found[:number] if number else found
        short = history.short_ids(controller, [each.id for each in shown])
        now = controller.now()
    if printer.is_json:
        printer.documents(documents.invocation(each) for each in shown)
    elif shown:
        printer.table(COLUMNS, (_row(each, short[each.id], now) for each in shown))
    else:
        printer.talk("No files were sent yet. Try: assist send FILE --to DIR")
    if len(found) > len(shown):
        printer.talk("There are older files. To show all of them, add: -n 0")


@app.command(epilog=options.examples("assist file show -", "assist file show f-01k3 -o json"))
def show(
    context: typer.Context,
    id: options.Id,
    output: options.Output = Format.TABLE,
    plain: options.Plain = False,
) -> None:
    """Show a file that was sent, and its outcome on each instance.

    Instances with the same outcome are grouped.
    """
    printer = options.printer(context, output, plain=plain)
    with open_controller(home()) as controller:
        found = history.show(controller, files.find(controller, id), output=False)
        now = controller.now()
    if printer.is_json:
        printer.document(documents.invocation(found))
        return
    _print_head(printer, found, _transfer(found), now)
    printer.line()
    print_endings(printer, found.instances)


def _transfer(invocation: Invocation) -> Transfer:
    assert invocation.transfer is not None
    return invocation.transfer


def _row(invocation: Invocation, short: str, now: datetime) -> list[Cell | str]:
    places, transfer = invocation.instances, _transfer(invocation)
    status = status_of(invocation)
    if len(places) == 1 and places[0].status is InvocationStatus.FAILED:
        status = Cell(f"{status.text} ({places[0].record.error_code})", status.style)
    return [
        short,
        status,
        places[0].instance_name if len(places) == 1 else f"{len(places)} instances",
        ago(invocation.created, now),
        f"{transfer.name} → {transfer.directory}",
    ]


def _print_head(printer: Printer, invocation: Invocation, transfer: Transfer, now: datetime) -> None:
    status = status_of(invocation)
    printer.line(f"{printer.paint(invocation.id, Style.STRONG)}  {printer.paint(status.text, status.style)}")
    settings = [f"mode {transfer.mode}"]
    if transfer.owner:
        settings.append(f"owner {transfer.owner}")
    if transfer.group:
        settings.append(f"group {transfer.group}")
    if transfer.overwrite:
        settings.append("overwrite")
    settings.append(f"timeout {invocation.timeout} s")
    rows = (
        ("File", file_in_words(transfer)),
        ("SHA-256", transfer.sha256),
        ("Settings", ", ".join(settings)),
        ("Created", created(invocation, now)),
    )
    print_rows(printer, rows)
