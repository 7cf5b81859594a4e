"""``assist enrolment``: the permissions by which machines enrol. ``assist instance enroll`` creates them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated

import typer

from assist_cli.cli import documents, options
from assist_cli.cli.output import Cell, Column, Format, Style
from assist_cli.model.enrolment import OPEN, Enrolment
from assist_cli.operations.controller import open_controller
from assist_cli.operations.fleet import enrolments
from assist_cli.paths import home
from assist_cli.units import ago, span

app = options.application("Enrolments, by which machines join the fleet: list, disable, delete.")

Id = Annotated[str, typer.Argument(metavar="ID", help="An id, or the beginning of one.")]


@app.command("list", epilog=options.examples("assist enrolment list", "assist enrolment list -o json"))
def list_(context: typer.Context, output: options.Output = Format.TABLE, plain: options.Plain = False) -> None:
    """List the enrolments, the newest first. USED counts machines; repetitions on one machine count as one."""
    printer = options.printer(context, output, plain=plain)
    with open_controller(home()) as controller:
        found = enrolments.listing(controller)
        now = controller.now()
    if printer.is_json:
        printer.documents(documents.enrolment(each, now) for each in found)
        return
    columns = [
        Column("ID"),
        Column("STATE"),
        Column("USED", right=True),
        Column("EXPIRES", drop=3),
        Column("NAMES", flexible=True, drop=2),
        Column("TAGS", flexible=True, drop=1),
        Column("CREATED", drop=4),
    ]
    printer.table(columns, (_row(each, now) for each in found))
    if not found:
        printer.talk("No enrolments yet. Try: assist instance enroll --out FILE")


@app.command(epilog=options.examples("assist enrolment disable e-01kbdk5g8w", "assist enrolment disable e-01k"))
def disable(context: typer.Context, id: Id) -> None:
    """Disable an enrolment: its file is refused from now on. Its instances stay."""
    with open_controller(home()) as controller:
        found = enrolments.disable(controller, id)
    options.printer(context).talk(f"{found.id} is disabled.")


@app.command(epilog=options.examples("assist enrolment delete e-01kbdk5g8w", "assist enrolment delete e-01k"))
def delete(context: typer.Context, id: Id) -> None:
    """Delete an enrolment: its file is refused from now on. Its instances stay."""
    with open_controller(home()) as controller:
        found = enrolments.delete(controller, id)
    options.printer(context).talk(f"{found.id} is deleted.")


def _row(enrolment: Enrolment, now: datetime) -> Sequence[Cell | str]:
    state = enrolment.state(now)
    left = (enrolment.expires - now).total_seconds()
    return [
        enrolment.id,
        Cell(state, Style.GOOD if state == OPEN else Style.BAD),
        f"{enrolment.used:,} of {enrolment.uses:,}",
        f"in {span(left)}" if left > 0 else ago(enrolment.expires, now),
        f"{enrolment.name}-N" if enrolment.name else "host names",
        " ".join(f"{key}={value}" if value else key for key, value in enrolment.tags.items()),
        ago(enrolment.created, now),
    ]
