"""``assist schedule``: list schedules and their slots, pause and resume them, preview a frequency."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Annotated

import typer

from assist_cli.cli import documents, options
from assist_cli.cli.formatting import clock
from assist_cli.cli.output import Cell, Column, Format, Printer, Style
from assist_cli.cli.server_down import NO_SCHEDULE, warning
from assist_cli.errors import UsageError
from assist_cli.model import frequency
from assist_cli.model.frequency import Firing
from assist_cli.model.frequency.zone import zone_of
from assist_cli.model.schedule import Missed, Slot
from assist_cli.operations.controller import open_controller, utc_now
from assist_cli.operations.history import history
from assist_cli.operations.local_zone import local_zone
from assist_cli.paths import home
from assist_cli.units import ago, count, due, one_line, took

if TYPE_CHECKING:
    from assist_cli.operations.server.schedules import Planned

PREVIEW_LENGTH = 20
MOST = 10_000

app = options.application("Schedules of periodic runs: list, slots, pause, resume, preview. To end one: assist stop ID")

Id = Annotated[str, typer.Argument(metavar="ID", help="Id of a schedule, the beginning of one, or - for the newest.")]

COLUMNS = (
    Column("ID"),
    Column("STATUS"),
    Column("FREQUENCY", flexible=True),
    Column("NEXT"),
    Column("LAST", drop=1),
    Column("ON", flexible=True, drop=2),
    Column("COMMAND", flexible=True, drop=3),
)
SLOT_COLUMNS = (
    Column("DUE"),
    Column("INSTANCE", flexible=True),
    Column("OUTCOME"),
    Column("LATE", right=True, drop=2),
    Column("RECORD", drop=1),
)


@app.command("list", epilog=options.examples("assist schedule list", "assist schedule list --ended -o json"))
def list_(
    context: typer.Context,
    ended: Annotated[bool, typer.Option("--ended", help="Also list schedules that have ended.")] = False,
    output: options.Output = Format.TABLE,
    plain: options.Plain = False,
) -> None:
    """List the schedules, newest first."""
    from assist_cli.operations.server import schedules

    printer = options.printer(context, output, plain=plain)
    with open_controller(home()) as controller:
        found = schedules.listing(controller, ended=ended)
        short = history.short_ids(controller, [each.invocation.id for each in found])
        now = controller.now()
        down = warning(controller, NO_SCHEDULE)
    if printer.is_json:
        printer.documents(map(documents.schedule, found))
    elif found:
        printer.table(COLUMNS, (_row(each, short[each.invocation.id], now) for each in found))
    else:
        printer.talk("No schedules. Try: assist run --every 30s -- uptime")
    for each in found:
        if each.schedule.error is not None:
            printer.talk(f"{short[each.invocation.id]} cannot fire: {each.schedule.error}")
    if down and any(each.is_waiting for each in found):
        printer.talk(down)


@app.command(epilog=options.examples("assist schedule show -", "assist schedule show t-01k3 -o json"))
def show(context: typer.Context, id: Id, output: options.Output = Format.TABLE) -> None:
    """Show a schedule: next due time, targets and settings."""
    from assist_cli.operations.server import schedules

    printer = options.printer(context, output)
    with open_controller(home()) as controller:
        found = schedules.show(controller, schedules.find(controller, id))
        now = controller.now()
    if printer.is_json:
        printer.document(documents.schedule(found))
        return
    _print(printer, found, now)


@app.command(epilog=options.examples("assist schedule slots -", "assist schedule slots t-01k3 -n 0 -o jsonl"))
def slots(
    context: typer.Context,
    id: Id,
    number: Annotated[
        int | None,
        typer.Option("--number", "-n", min=0, metavar="N", help="Show at most N, 0 for all (default 20, JSON all)."),
    ] = None,
    output: options.Output = Format.TABLE,
    plain: options.Plain = False,
) -> None:
    """List the slots of a schedule: due times and outcomes, newest first.

    Ran, Late (by more than 1 s), MadeUp: started; the record has the result. SkippedOverlap: previous run still in
    progress. MissedDown: the server was down. NotDelivered: the agent could not be reached.
    """
    from assist_cli.operations.server import schedules

    printer = options.printer(context, output, plain=plain)
    with open_controller(home()) as controller:
        invocation_id = schedules.find(controller, id)
        if printer.is_json:
            printer.documents(
                map(documents.slot, schedules.list_slots(controller, invocation_id, limit=number or None))
            )
            return
        number = options.list_length(number, printer)
        found = list(schedules.list_slots(controller, invocation_id, limit=number + 1 if number else None))
        names = schedules.instance_names(controller, invocation_id)
    shown = found[:number] if number else found
    if shown:
        printer.table(SLOT_COLUMNS, (_slot_row(each, names) for each in shown))
    else:
        printer.talk("No due time has passed yet.")
    if len(found) > len(shown):
        printer.talk("There are older slots. To show all: -n 0")


@app.command(epilog=options.examples("assist schedule pause -", "assist schedule pause t-01k3"))
def pause(context: typer.Context, id: Id, output: options.Output = Format.TABLE) -> None:
    """Pause a schedule until it is resumed.

    A run in progress continues. Due times during the pause are skipped.
    """
    _change(context, id, output, "pause")


@app.command(epilog=options.examples("assist schedule resume -", "assist schedule resume t-01k3"))
def resume(context: typer.Context, id: Id, output: options.Output = Format.TABLE) -> None:
    """Resume a schedule, from its next due time."""
    _change(context, id, output, "resume")


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
        int,
        typer.Option(
            "--number",
            "-n",
            min=1,
            max=MOST,
            metavar="N",
            help=f"Number of due times (default {PREVIEW_LENGTH}, at most {MOST:,}).",
            show_default=False,
        ),
    ] = PREVIEW_LENGTH,
    timezone: Annotated[
        str | None,
        typer.Option(
            "--timezone", metavar="ZONE", help="Time zone, as Asia/Shanghai, UTC or GMT+8:00 (default: this machine's)."
        ),
    ] = None,
    output: options.Output = Format.TABLE,
    plain: options.Plain = False,
) -> None:
    """Show the next due times of a frequency.

    Due times affected by daylight saving are marked. Nothing is created. For the rules: assist help frequency
    """
    printer = options.printer(context, output, plain=plain)
    now = utc_now()
    zone = zone_of(timezone or local_zone()).name
    asked = frequency.parse(text, zone=zone, now=now)
    if timezone is not None and asked.timezone not in (None, zone):
        raise UsageError(
            f"cannot use two time zones: '{asked.timezone}' in the frequency, '{zone}' in --timezone",
            hint="remove one of them",
        )
    firings = asked.upcoming(now, now, number, zone=zone)
    for remark in asked.remarks:
        printer.talk(remark)
    if printer.is_json:
        printer.documents(map(documents.firing, firings))
        return
    columns = [Column("LOCAL TIME"), Column("UTC", drop=2), Column("WHEN", drop=1), Column("NOTE")]
    printer.table(columns, (_firing_row(firing, now) for firing in firings))
    printer.talk(f"Local times are in {asked.timezone or zone}.")
    if any(firing.note for firing in firings):
        printer.talk("gap: this local time does not exist; overlap: it exists twice.")
    if len(firings) < number:
        printer.talk("There are no more due times up to the year 2099.")


def _change(context: typer.Context, id: str, output: Format, what: str) -> None:
    from assist_cli.operations.server import schedules

    printer = options.printer(context, output)
    with open_controller(home()) as controller:
        change = schedules.pause if what == "pause" else schedules.resume
        found = change(controller, schedules.find(controller, id))
        now = controller.now()
    if printer.is_json:
        printer.document(documents.schedule(found))
        return
    upcoming = f", next {_next(found, now)}" if found.schedule.upcoming else ""
    printer.line(f"{found.invocation.id}: {_state(found).text}{upcoming}")


def _print(printer: Printer, found: Planned, now: datetime) -> None:
    schedule, invocation = found.schedule, found.invocation
    state = _state(found)
    printer.line(f"{printer.paint(invocation.id, Style.STRONG)}  {printer.paint(state.text, state.style)}")
    zone = schedule.timezone
    upcoming = f" ({clock(schedule.upcoming, zone)})" if schedule.upcoming else ""
    rows = [
        *([("Error", f"cannot fire: {schedule.error}")] if schedule.error is not None else []),
        ("Frequency", schedule.expression),
        ("Next", _next(found, now) + upcoming),
        ("Last", f"{ago(schedule.last, now)} ({clock(schedule.last, zone)})" if schedule.last else "-"),
        ("On", ", ".join(place.instance_name for place in invocation.instances)),
        ("Command", _command(found)),
        ("Missed", "skip" if schedule.missed is Missed.SKIP else "run-once: one run when the server is back"),
        ("Keep", f"{count(schedule.keep, 'record')} of each instance"),
    ]
    if schedule.jitter:
        rows.append(("Jitter", f"up to {took(schedule.jitter)} for each instance"))
    if schedule.secrets:
        rows.append(("Secrets", ", ".join(f"{key} from {reference}" for key, reference in schedule.secrets.items())))
    printer.fields(rows, 10)


def _row(found: Planned, short: str, now: datetime) -> list[Cell | str]:
    schedule, places = found.schedule, found.invocation.instances
    return [
        short,
        _state(found),
        schedule.expression,
        _next(found, now),
        ago(schedule.last, now) if schedule.last else "",
        places[0].instance_name if len(places) == 1 else f"{len(places)} instances",
        _command(found),
    ]


def _state(found: Planned) -> Cell:
    text, verdict = found.state
    return Cell(text, Style[verdict.name])


def _next(found: Planned, now: datetime) -> str:
    return due(found.schedule.upcoming, now) if found.schedule.upcoming else "-"


def _command(found: Planned) -> str:
    invocation = found.invocation
    if invocation.command_name is not None:
        return f"{invocation.command_name}@{invocation.command_version}"
    return one_line(invocation.content.decode("utf-8", "replace"))


def _slot_row(slot: Slot, names: Mapping[str, str]) -> list[Cell | str]:
    from assist_cli.operations.server.schedules import SLOT_VERDICTS

    style = Style[SLOT_VERDICTS[slot.outcome].name]
    late = "" if slot.lateness is None else took(slot.lateness)
    name = names[slot.instance_id]
    return [clock(slot.due), name, Cell(slot.outcome.value, style), late, slot.record_id or ""]


def _firing_row(firing: Firing, now: datetime) -> Sequence[Cell | str]:
    return [
        f"{firing.local:%a %Y-%m-%d %H:%M:%S%z}".removesuffix("00"),  # of the offset: +02, but +0530
        f"{firing.time:%Y-%m-%d %H:%M:%S}",
        ago(firing.time, now),
        Cell(f"{firing.note} {firing.hours}" if firing.note else "", Style.ODD),
    ]
