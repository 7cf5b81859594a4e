"""``assist audit``: who did what, when and from where."""

from __future__ import annotations

from typing import Annotated

import typer

from assist_cli.cli import documents, options
from assist_cli.cli.output import Cell, Column, Format, Style
from assist_cli.cli.wording import clock
from assist_cli.model.audit import DONE
from assist_cli.operations import trail
from assist_cli.operations.controller import open_controller
from assist_cli.paths import home

LIST_LENGTH = 20

app = options.application("Who did what. A line is written with the change that it tells of, and never changed.")


@app.command("list", epilog=options.examples("assist audit list", "assist audit list --since 30d -o jsonl"))
def list_(
    context: typer.Context,
    since: options.Since = None,
    number: Annotated[
        int | None,
        typer.Option("--number", "-n", min=0, metavar="N", help="At most so many; 0: all. Default: 20, or all since."),
    ] = None,
    output: options.Output = Format.TABLE,
    plain: options.Plain = False,
) -> None:
    """List who did what, newest first."""
    printer = options.printer(context, output, plain=plain)
    if number is None:
        number = LIST_LENGTH if since is None else 0
    with open_controller(home()) as controller:
        found = trail.entries(controller, since=since, limit=number + 1 if number else None)
    shown = found[:number] if number else found
    if printer.is_json:
        printer.documents(map(documents.audit_entry, shown))
        return
    columns = [
        Column("TIME"),
        Column("ACTION"),
        Column("SUBJECT", flexible=True),
        Column("DETAIL", flexible=True),
        Column("OUTCOME"),
        Column("ACTOR", flexible=True),
    ]
    printer.table(
        columns,
        (
            [
                clock(entry.time),
                entry.action,
                entry.subject,
                entry.detail,
                Cell(entry.outcome, Style.GOOD if entry.outcome == DONE else Style.BAD),
                str(entry.actor),
            ]
            for entry in shown
        ),
    )
    if len(found) > len(shown):
        printer.talk("There are older ones; all of them: assist audit list -n 0")
