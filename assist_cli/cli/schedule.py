"""``assist schedule``: what runs again and again, or later."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated

import typer

from assist_cli.cli import documents, options
from assist_cli.cli.output import Cell, Column, Format, Style
from assist_cli.cli.wording import ago
from assist_cli.errors import UsageError
from assist_cli.model import frequency
from assist_cli.model.frequency import Firing
from assist_cli.model.frequency.zone import zone_of
from assist_cli.operations.clock import local_zone
from assist_cli.operations.controller import utc_now

PREVIEW_LENGTH = 20
MOST = 10_000

app = options.application("What runs again and again, or later.")


@app.command(
    epilog=options.examples(
        "assist schedule preview '0 30 2 * * MON-FRI'",
        "assist schedule preview '0 */10 * * * *' --timezone Asia/Shanghai -n 5",
    )
)
def preview(
    context: typer.Context,
    text: Annotated[str, typer.Argument(metavar="FREQUENCY", help="rate(5m), a cron expression, or at(TIME).")],
    number: Annotated[
        int, typer.Option("--number", "-n", min=1, max=MOST, metavar="N", help="So many; default: 20.")
    ] = PREVIEW_LENGTH,
    timezone: Annotated[
        str | None,
        typer.Option("--timezone", metavar="ZONE", help="Asia/Shanghai, UTC, GMT+8:00; default: this machine's."),
    ] = None,
    output: options.Output = Format.TABLE,
    plain: options.Plain = False,
) -> None:
    """Show the next firings of a frequency, and the days on which clocks are changed.

    Nothing is made. What runs follows from the same rules; they stand in assist help frequency.
    """
    printer = options.printer(context, output, plain=plain)
    now = utc_now()
    zone = zone_of(timezone or local_zone()).name
    asked = frequency.parse(text, zone=zone, now=now)
    if timezone is not None and asked.timezone not in (None, zone):
        raise UsageError(
            f"cannot use two time zones: '{asked.timezone}' stands in the frequency, and --timezone is '{zone}'",
            hint="leave one of them out",
        )
    firings = asked.upcoming(now, now, number, zone=zone)
    if printer.is_json:
        printer.documents(map(documents.firing, firings))
        return
    columns = [Column("LOCAL TIME"), Column("UTC"), Column("WHEN"), Column("NOTE")]
    printer.table(columns, (_row(firing, now) for firing in firings))
    printer.talk(f"Local times are those of {asked.timezone or zone}.")
    if any(firing.note for firing in firings):
        printer.talk("gap: clocks leave out these times on that day; overlap: they show them twice.")
    if len(firings) < number:
        printer.talk("It does not fire again.")


def _row(firing: Firing, now: datetime) -> Sequence[Cell | str]:
    return [
        f"{firing.local:%a %Y-%m-%d %H:%M:%S}",
        f"{firing.time:%Y-%m-%d %H:%M:%S}",
        ago(firing.time, now),
        Cell(f"{firing.note} {firing.hours}" if firing.note else "", Style.ODD),
    ]
