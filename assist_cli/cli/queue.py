"""``assist queue``: records that wait for an instance that is offline."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated

import typer

from assist_cli.cli import documents, options, targets
from assist_cli.cli.formatting import clock
from assist_cli.cli.output import Cell, Column, Format, Printer, Style
from assist_cli.cli.server_down import NO_DELIVERY, warning
from assist_cli.errors import ExitStatus, UsageError
from assist_cli.model import ids
from assist_cli.model.invocation import QueuedRecord
from assist_cli.model.status import InvocationStatus
from assist_cli.operations.controller import Controller, open_controller
from assist_cli.operations.history import queue as operations
from assist_cli.paths import home
from assist_cli.units import ago, count, due, escape

app = options.application(
    "Queue of records for offline instances: list, show, drop. An ID is that of a record or an invocation, or its "
    "beginning."
)

LISTED = (
    Column("RECORD"),
    Column("INVOCATION", drop=2),
    Column("INSTANCE", flexible=True, least=12),
    Column("QUEUED", drop=3),
    Column("EXPIRES"),
    Column("TRIED", drop=1),
    Column("REASON", flexible=True, least=12),
)

Id = Annotated[str, typer.Argument(metavar="ID", help="Id of a record or an invocation, its beginning, or -.")]


@app.command("list", epilog=options.examples("assist queue list", "assist queue list -i 'pos*' -o json"))
def list_(
    context: typer.Context,
    instance: Annotated[
        list[str] | None,
        typer.Option("--instance", "-i", metavar="TARGET", help="Only those for these instances (default: all)."),
    ] = None,
    number: options.Number = None,
    output: options.Output = Format.TABLE,
    plain: options.Plain = False,
) -> None:
    """List the queued records, in the order of their delivery."""
    printer = options.printer(context, output, plain=plain)
    number = options.list_length(number, printer)
    with open_controller(home()) as controller:
        found = operations.listing(controller, targets.TargetOptions(instance).selection())
        shown = found[:number] if number else found
        short = operations.short_ids(found)
        now = controller.now()
        if printer.is_json:
            printer.documents(map(documents.queued, shown))
        elif shown:
            printer.table(LISTED, (_row(each, short[each.record.id], now) for each in shown))
        else:
            printer.talk("Nothing is queued. Try: assist run -i TARGET --queue 2d -- uptime")
        if len(found) > len(shown):
            printer.talk(f"There are {len(found) - len(shown):,} more. To show all: assist queue list -n 0")
        _warn_if_down(printer, controller, found)


@app.command(epilog=options.examples("assist queue show r-01k3", "assist queue show - -o json"))
def show(context: typer.Context, id: Id, output: options.Output = Format.TABLE) -> None:
    """Show a queued record, or each queued record of an invocation."""
    printer = options.printer(context, output)
    with open_controller(home()) as controller:
        found = operations.find(controller, id)
        now = controller.now()
        if not printer.is_json:
            for position, each in enumerate(found):
                if position:
                    printer.line()
                _print(printer, each, now)
        elif ids.is_prefix(id.lower(), ids.Kind.RECORD):
            printer.document(documents.queued(found[0]))
        else:
            printer.documents(map(documents.queued, found))
        _warn_if_down(printer, controller, found)


@app.command(epilog=options.examples("assist queue drop r-01k3", "assist queue drop -i 'pos*' --yes"))
def drop(
    context: typer.Context,
    some: Annotated[
        list[str] | None, typer.Argument(metavar="[ID]...", help="Ids of records or invocations, or their beginnings.")
    ] = None,
    instance: Annotated[
        list[str] | None,
        typer.Option("--instance", "-i", metavar="TARGET", help="Drop all that is queued for these instances."),
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="With -i, drop without a question.")] = False,
    output: options.Output = Format.TABLE,
) -> None:
    """Drop queued records: they are Stopped, and never delivered.

    What was delivered meanwhile continues; to stop it: assist stop ID
    """
    if bool(some) == bool(instance):
        raise UsageError(
            "cannot drop: not exactly one of ID and --instance given", hint="assist queue drop -i web1, or an ID"
        )
    printer = options.printer(context, output)
    with open_controller(home()) as controller:
        if some:
            chosen = [each for id in dict.fromkeys(some) for each in operations.find(controller, id)]
        else:
            chosen = operations.listing(controller, targets.TargetOptions(instance).selection())
            if chosen and not yes:
                _ask(printer, len(chosen))
        dropped = operations.drop(controller, chosen)
    if printer.is_json:
        printer.documents(
            {"RecordId": each.id, "InstanceId": each.instance_id, "InvokeRecordStatus": each.status.value}
            for each in dropped
        )
    else:
        printer.talk(f"Dropped: {count(len(dropped), 'record')}.")
    unsure = sum(each.status is not InvocationStatus.STOPPED for each in dropped)
    if unsure:
        printer.talk(f"{count(unsure, 'record')} may have been sent before; the stop is sent when the agent answers.")
        raise typer.Exit(ExitStatus.GAVE_UP_WAITING)


def _ask(printer: Printer, number: int) -> None:
    what = count(number, "queued record")
    options.confirm(printer, f"Drop {what}?", f"cannot drop {what} without confirmation")


def _warn_if_down(printer: Printer, controller: Controller, found: Sequence[QueuedRecord]) -> None:
    if found and (down := warning(controller, NO_DELIVERY)):
        printer.talk(down)


def _row(each: QueuedRecord, short: str, now: datetime) -> list[Cell | str]:
    record, wait = each.record, each.record.wait
    assert wait is not None
    assert record.deliver_by is not None
    return [
        short,
        each.invocation_id[: ids.SHORT_LENGTH],
        each.instance_name,
        ago(wait.since, now),
        Cell(due(record.deliver_by, now), Style.ODD),
        ago(wait.tried, now),
        wait.why,
    ]


def _print(printer: Printer, each: QueuedRecord, now: datetime) -> None:
    record, wait = each.record, each.record.wait
    assert wait is not None
    assert record.deliver_by is not None
    printer.line(f"{printer.paint(record.id, Style.STRONG)}  {escape(each.instance_name)}")
    rows = [
        ("Invocation", each.invocation_id),
        ("Queued", f"{ago(wait.since, now)} ({clock(wait.since)})"),
        ("Expires", f"{due(record.deliver_by, now)} ({clock(record.deliver_by)})"),
        ("Tried", f"{ago(wait.tried, now)} ({clock(wait.tried)})"),
        ("Reason", wait.why),
        ("Sent", "never" if record.sent is None else f"{clock(record.sent)}, no answer; it is sent again"),
    ]
    printer.fields(rows, 10)
