"""``assist schedule``: what runs again or later, what became of its due times; to pause it and to resume it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Annotated

import typer

from assist_cli.cli import documents, options
from assist_cli.cli.formatting import ago, clock, count, due, escape, one_line, took
from assist_cli.cli.output import Cell, Column, Format, Printer, Style
from assist_cli.errors import UsageError
from assist_cli.model import frequency
from assist_cli.model.frequency import Firing
from assist_cli.model.frequency.zone import zone_of
from assist_cli.model.schedule import Missed, Slot, SlotOutcome
from assist_cli.operations.controller import open_controller, utc_now
from assist_cli.operations.history import history
from assist_cli.operations.local_zone import local_zone
from assist_cli.paths import home

if TYPE_CHECKING:
    from assist_cli.operations.server.schedules import Planned

PREVIEW_LENGTH = 20
MOST = 10_000

app = options.application("What runs again and again, or later. To end it: assist stop ID.")

Id = Annotated[str, typer.Argument(metavar="ID", help="An id of an invocation, its beginning, or - for the newest.")]

COLUMNS = (
    Column("ID"),
    Column("STATUS"),
    Column("FREQUENCY", flexible=True),
    Column("NEXT"),
    Column("LAST"),
    Column("ON", flexible=True),
    Column("COMMAND", flexible=True),
)
SLOT_COLUMNS = (Column("DUE"), Column("INSTANCE"), Column("OUTCOME"), Column("LATE", right=True), Column("RECORD"))

STYLES = {
    SlotOutcome.RAN: Style.GOOD,
    SlotOutcome.LATE: Style.ODD,
    SlotOutcome.MADE_UP: Style.ODD,
    SlotOutcome.SKIPPED_OVERLAP: Style.ODD,
    SlotOutcome.MISSED_DOWN: Style.BAD,
    SlotOutcome.NOT_DELIVERED: Style.BAD,
    SlotOutcome.PENDING: Style.BUSY,
}


@app.command("list", epilog=options.examples("assist schedule list", "assist schedule list --ended -o json"))
def list_(
    context: typer.Context,
    ended: Annotated[bool, typer.Option("--ended", help="Those that are over too.")] = False,
    output: options.Output = Format.TABLE,
    plain: options.Plain = False,
) -> None:
    """List what runs again, or later: the newest first."""
    from assist_cli.operations.server import schedules

    printer = options.printer(context, output, plain=plain)
    with open_controller(home()) as controller:
        found = schedules.listing(controller, ended=ended)
        short = history.short_ids(controller, [each.invocation.id for each in found])
        now = controller.now()
        served = schedules.is_served(controller)
    if printer.is_json:
        printer.documents(map(documents.schedule, found))
    elif found:
        printer.table(COLUMNS, (_row(each, short[each.invocation.id], now) for each in found))
    else:
        printer.talk("Nothing runs again, or later. Try: assist run --every 30s -- uptime")
    for each in found:
        if each.schedule.error is not None:
            printer.talk(f"{short[each.invocation.id]} cannot be fired: {each.schedule.error}")
    if not served and any(each.is_waiting for each in found):
        printer.talk("Nobody serves, so nothing runs. To serve: assist serve, or for good: assist service install")


@app.command(epilog=options.examples("assist schedule show -", "assist schedule show t-01k3 -o json"))
def show(context: typer.Context, id: Id, output: options.Output = Format.TABLE) -> None:
    """Show one schedule: when it runs next, and how it is kept."""
    from assist_cli.operations.server import schedules

    printer = options.printer(context, output)
    with open_controller(home()) as controller:
        found = schedules.show(controller, history.find(controller, id))
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
        typer.Option("--number", "-n", min=0, metavar="N", help="At most so many; 0: all. Default: 20, in JSON all."),
    ] = None,
    output: options.Output = Format.TABLE,
    plain: options.Plain = False,
) -> None:
    """List what became of each due time, the newest first.

    Ran, Late (by more than 1 s) and MadeUp: its agent took it; how it went is in the record. SkippedOverlap: the run
    before was not over. MissedDown: nobody served. NotDelivered: its agent could not be reached.
    """
    from assist_cli.operations.server import schedules

    printer = options.printer(context, output, plain=plain)
    with open_controller(home()) as controller:
        invocation_id = history.find(controller, id)
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
        printer.talk("It was not due yet.")
    if len(found) > len(shown):
        printer.talk("There are older ones; all of them with -n 0")


@app.command(epilog=options.examples("assist schedule pause -", "assist schedule pause t-01k3"))
def pause(context: typer.Context, id: Id, output: options.Output = Format.TABLE) -> None:
    """Let it run no more until it is resumed.

    What runs of it now goes on. Due times of a pause are left out, and not made up.
    """
    _change(context, id, output, "pause")


@app.command(epilog=options.examples("assist schedule resume -", "assist schedule resume t-01k3"))
def resume(context: typer.Context, id: Id, output: options.Output = Format.TABLE) -> None:
    """Let it run again, from its next due time on."""
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
        int, typer.Option("--number", "-n", min=1, max=MOST, metavar="N", help="So many; default: 20.")
    ] = PREVIEW_LENGTH,
    timezone: Annotated[
        str | None,
        typer.Option("--timezone", metavar="ZONE", help="Asia/Shanghai, UTC, GMT+8:00; default: this machine's."),
    ] = None,
    output: options.Output = Format.TABLE,
    plain: options.Plain = False,
) -> None:
    """Show the next firings of a frequency.

    Those on days on which clocks are changed are marked. Nothing is made. What runs follows from the same rules; they
    stand in assist help frequency.
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
    for remark in asked.remarks:
        printer.talk(remark)
    if printer.is_json:
        printer.documents(map(documents.firing, firings))
        return
    columns = [Column("LOCAL TIME"), Column("UTC"), Column("WHEN"), Column("NOTE")]
    printer.table(columns, (_firing_row(firing, now) for firing in firings))
    printer.talk(f"Local times are those of {asked.timezone or zone}.")
    if any(firing.note for firing in firings):
        printer.talk("gap: clocks leave out these times on that day; overlap: they show them twice.")
    if len(firings) < number:
        printer.talk("It does not fire again, up to the year 2099.")


def _change(context: typer.Context, id: str, output: Format, what: str) -> None:
    from assist_cli.operations.server import schedules

    printer = options.printer(context, output)
    with open_controller(home()) as controller:
        change = schedules.pause if what == "pause" else schedules.resume
        found = change(controller, history.find(controller, id))
        now = controller.now()
    if printer.is_json:
        printer.document(documents.schedule(found))
        return
    printer.line(f"{found.invocation.id}: {_state(found).text}, next {_next(found, now)}")


def _print(printer: Printer, found: Planned, now: datetime) -> None:
    schedule, invocation = found.schedule, found.invocation
    state = _state(found)
    printer.line(f"{printer.paint(invocation.id, Style.STRONG)}  {printer.paint(state.text, state.style)}")
    zone = schedule.timezone
    upcoming = f" ({clock(schedule.upcoming, zone)})" if schedule.upcoming else ""
    rows = [
        *([("Error", f"cannot be fired: {schedule.error}")] if schedule.error is not None else []),
        ("Frequency", schedule.expression),
        ("Next", _next(found, now) + upcoming),
        ("Last", f"{ago(schedule.last, now)} ({clock(schedule.last, zone)})" if schedule.last else "-"),
        ("On", ", ".join(place.instance_name for place in invocation.instances)),
        ("Command", _command(found)),
        ("Missed", "left out" if schedule.missed is Missed.SKIP else "run once, when somebody serves again"),
        ("Keeps", f"{count(schedule.keep, 'record')} of each instance"),
    ]
    if schedule.jitter:
        rows.append(("Jitter", f"the instances spread over {took(schedule.jitter)}"))
    if schedule.secrets:
        rows.append(("Secrets", ", ".join(f"{key} from {reference}" for key, reference in schedule.secrets.items())))
    for title, text in rows:
        printer.line(f"  {printer.paint(title.ljust(10), Style.QUIET)} {escape(text)}")


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
    if found.schedule.paused is not None and not found.invocation.status.is_final:
        return Cell("Paused", Style.ODD)
    if found.schedule.error is not None and found.is_waiting:
        return Cell("Error", Style.BAD)
    status = found.invocation.status
    return Cell(
        status.value,
        {"Running": Style.BUSY, "Stopping": Style.BUSY, "Finished": Style.GOOD}.get(status.value, Style.ODD),
    )


def _next(found: Planned, now: datetime) -> str:
    return due(found.schedule.upcoming, now) if found.schedule.upcoming else "-"


def _command(found: Planned) -> str:
    invocation = found.invocation
    if invocation.command_name is not None:
        return f"{invocation.command_name}@{invocation.command_version}"
    return one_line(invocation.content.decode("utf-8", "replace"))


def _slot_row(slot: Slot, names: Mapping[str, str]) -> list[Cell | str]:
    late = "" if slot.lateness is None else took(slot.lateness)
    name = names[slot.instance_id]
    return [clock(slot.due), name, Cell(slot.outcome.value, STYLES[slot.outcome]), late, slot.record_id or ""]


def _firing_row(firing: Firing, now: datetime) -> Sequence[Cell | str]:
    return [
        f"{firing.local:%a %Y-%m-%d %H:%M:%S%z}".removesuffix("00"),  # of the offset: +02, and +0530 whole
        f"{firing.time:%Y-%m-%d %H:%M:%S}",
        ago(firing.time, now),
        Cell(f"{firing.note} {firing.hours}" if firing.note else "", Style.ODD),
    ]
