"""``assist audit``: the audit log."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated

import typer

from assist_cli.cli import documents, options
from assist_cli.cli.output import Cell, Column, Format, Style
from assist_cli.model import ids
from assist_cli.model.audit import DONE, AuditEntry, AuditFilter
from assist_cli.operations.controller import open_controller
from assist_cli.operations.history import audit
from assist_cli.paths import home
from assist_cli.units import ago

app = options.application("The audit log: who did what, when and from where.")


@app.command(
    "list",
    epilog=options.examples("assist audit list --action user --actor ana", "assist audit list --since 30d -o jsonl"),
)
def list_(
    context: typer.Context,
    since: options.Since = None,
    actor: Annotated[
        str,
        typer.Option(
            "--actor", metavar="TEXT", help="Only entries of actors with TEXT in the name.", show_default=False
        ),
    ] = "",
    action: Annotated[
        str,
        typer.Option(
            "--action",
            metavar="ACTION",
            help="Only this action (user.add), or all of a noun (user).",
            show_default=False,
        ),
    ] = "",
    number: options.Number = None,
    output: options.Output = Format.TABLE,
    plain: options.Plain = False,
) -> None:
    """List the entries of the audit log, newest first. With --since, all of them."""
    printer = options.printer(context, output, plain=plain)
    if number is None and since is not None:
        number = 0
    number = options.list_length(number, printer)
    with open_controller(home()) as controller:
        wanted = AuditFilter(since, actor, action=action)
        found = audit.entries(controller, limit=number + 1 if number else None, wanted=wanted)
        now = controller.now()
    shown = found[:number] if number else found
    if printer.is_json:
        printer.documents(map(documents.audit_entry, shown))
    else:
        columns = [
            Column("WHEN"),
            Column("ACTION"),
            Column("SUBJECT", flexible=True, least=12),
            Column("DETAIL", flexible=True, least=12, drop=1),
            Column("ACTOR", flexible=True, least=16, drop=2),
        ]
        printer.table(columns, (_row(entry, now) for entry in shown))
    if len(found) > len(shown):
        printer.talk("There are older entries. To show all of them, add: -n 0")


def _row(entry: AuditEntry, now: datetime) -> Sequence[Cell | str]:
    """Return the cells of an entry: a refused action with its outcome, ids as short as in other lists."""
    return [
        ago(entry.time, now),
        entry.action if entry.outcome == DONE else Cell(f"{entry.action}: {entry.outcome}", Style.BAD),
        ids.shortened(entry.subject),
        entry.detail,
        str(entry.actor),
    ]
