"""Invocations as text: a table, all details, and for many instances groups by outcome."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from assist_cli.cli import queued
from assist_cli.cli.formatting import clock, width
from assist_cli.cli.output import STYLES, Cell, Column, Printer, Style
from assist_cli.model.folding import fold
from assist_cli.model.gaps import gap, marked
from assist_cli.model.gathering import EndingGroup, endings, severity
from assist_cli.model.invocation import Invocation, InvocationInstance, RepeatMode
from assist_cli.model.output import Output
from assist_cli.model.status import NOT_STARTED, QUEUED, SCHEDULED, WAITING, InvocationStatus, InvokeStatus
from assist_cli.model.summary import InstanceCounts, Summary, instance_counts, state_of
from assist_cli.units import ago, count, due, escape, one_line, took

if TYPE_CHECKING:
    from assist_cli.model.schedule import Schedule
    from assist_cli.operations.notify.wishes import Told

SHOWN_LINES = 10
TITLE_COLUMNS = 10

COLUMNS = (
    Column("ID"),
    Column("STATUS"),
    Column("INSTANCE", flexible=True, least=16, drop=3),
    Column("CREATED", drop=2),
    Column("TOOK", right=True, drop=1),
    Column("COMMAND", flexible=True, least=12),
)


def print_list(
    printer: Printer,
    found: Iterable[Summary],
    short: Mapping[str, str],
    planned: Mapping[str, Schedule],
    now: datetime,
) -> None:
    """Print invocations as a table. ``short`` has the ids to show, ``planned`` the schedules by id."""
    rows = (_row(each, short[each.invocation.id], planned.get(each.invocation.id), now) for each in found)
    printer.table(COLUMNS, rows)


def _row(summary: Summary, short: str, schedule: Schedule | None, now: datetime) -> list[Cell | str]:
    invocation = summary.invocation
    text = invocation.command_name or one_line(invocation.content.decode("utf-8", "replace"))
    if invocation.command_name:
        text += f"@{invocation.command_version}"
    instances = summary.instance_name if summary.instance_count == 1 else f"{summary.instance_count} instances"
    status = status_cell(invocation.status, summary.kinds, summary.exit_code)
    if schedule is not None:
        status = _planned(invocation, schedule, now)
    length = _length(summary.began, invocation.finished)
    return [short, status, instances, ago(invocation.created, now), length, text]


def _length(began: datetime | None, finished: datetime | None) -> str:
    """Format the duration. Return an empty text before the end, and if nothing ran."""
    return "" if began is None or finished is None else took(finished - began)


def _planned(invocation: Invocation, schedule: Schedule, now: datetime) -> Cell:
    """Return the status of an invocation with a schedule: its next due time."""
    if schedule.paused is not None:
        return Cell("Paused", Style.ODD)
    if schedule.upcoming is None:
        return Cell("Error", Style.BAD)
    when = due(schedule.upcoming, now)
    again = invocation.repeat_mode is RepeatMode.PERIOD
    return Cell(f"{SCHEDULED}, next {when}" if again else f"{SCHEDULED}, {when}", Style.BUSY)


def status_cell(status: InvokeStatus, kinds: InstanceCounts, exit_code: int | None) -> Cell:
    """Return the status with details, see ``state_of``."""
    text, verdict = state_of(status, kinds, exit_code)
    return Cell(text, Style[verdict.name])


def status_of(invocation: Invocation) -> Cell:
    """Return the status with details, counted from the instances of an invocation."""
    once = invocation.repeat_mode is RepeatMode.ONCE
    kinds = instance_counts(invocation.instances) if once else InstanceCounts()
    exit_code = invocation.instances[0].record.exit_code
    return status_cell(invocation.status, kinds, exit_code)


def print_head(
    printer: Printer, invocation: Invocation, schedule: Schedule | None, now: datetime, told: Told | None
) -> None:
    status = status_of(invocation) if schedule is None else _planned(invocation, schedule, now)
    printer.line(f"{printer.paint(invocation.id, Style.STRONG)}  {printer.paint(status.text, status.style)}")
    assert invocation.command_type is not None
    settings = [invocation.command_type.value, f"timeout {invocation.timeout} s"]
    if invocation.username:
        settings.append(f"user {invocation.username}")
    if invocation.working_dir:
        settings.append(f"in {invocation.working_dir}")
    if invocation.launcher:
        settings.append(f"by {invocation.launcher}")
    rows = [("Created", created(invocation, now)), ("Settings", ", ".join(settings))]
    if invocation.expression is not None:
        rows.append(("Frequency", invocation.expression))
    if schedule is not None and schedule.fault is not None:
        rows.append(("Error", f"cannot fire: {schedule.fault}"))
    if schedule is not None and (upcoming := schedule.upcoming) is not None:
        rows.append(("Next", f"{due(upcoming, now)} ({clock(upcoming, schedule.timezone)})"))
    if invocation.command_name is not None:
        rows.insert(0, ("Command", f"{invocation.command_name}@{invocation.command_version}"))
    if invocation.parameters:
        rows.append(("Parameters", ", ".join(f"{key}={value}" for key, value in invocation.parameters.items())))
    if told is not None:
        rows.append(("Notify", _notification(told)))
    print_rows(printer, rows)
    _print_script(printer, invocation)


def print_earlier_script(printer: Printer, before: Invocation, until: datetime) -> None:
    """Print the command and script of a periodic invocation before a change."""
    printer.line()
    rows = [("Until", clock(until)), ("Command", before.command_id)]
    if before.parameters:
        rows.append(("Parameters", ", ".join(f"{key}={value}" for key, value in before.parameters.items())))
    print_rows(printer, rows)
    _print_script(printer, before)


def _print_script(printer: Printer, invocation: Invocation) -> None:
    script = invocation.content.decode("utf-8", "replace").splitlines()
    for number, line in enumerate(script[:SHOWN_LINES]):
        title = "" if number else "Script"
        printer.line(f"  {printer.paint(title.ljust(TITLE_COLUMNS), Style.QUIET)} {escape(line, keep=chr(9))}")
    if len(script) > SHOWN_LINES:
        printer.line(" " * 13 + printer.paint(f"… {count(len(script) - SHOWN_LINES, 'more line')}", Style.QUIET))


def created(invocation: Invocation, now: datetime) -> str:
    """Format the time of creation, and the duration if it has ended."""
    when = f"{ago(invocation.created, now)} ({clock(invocation.created)})"
    length = _length(invocation.began, invocation.finished)
    return f"{when}, took {length}" if length else when


def print_rows(printer: Printer, rows: Iterable[tuple[str, str]]) -> None:
    """Print details, each after its title."""
    printer.fields(rows, TITLE_COLUMNS)


def _notification(told: Told) -> str:
    """Format a notification: target, occasion and outcome."""
    to = f"{told.where} on {told.occasion}"
    if told.notice is None:
        return to
    attempts = count(told.notice.attempts, "attempt")
    if told.notice.is_delivered:
        return f"{to}: delivered ({told.notice.answer})"
    if told.notice.is_over:
        return f"{to}: failed after {attempts}: {told.notice.answer}"
    return f"{to}: {attempts} so far" + (f": {told.notice.answer}" if told.notice.answer else "")


def print_instances(printer: Printer, places: Sequence[InvocationInstance], now: datetime) -> None:
    """Print a line for each instance, failures last, and why each failed."""
    columns = [
        Column("INSTANCE", flexible=True, least=16),
        Column("STATUS"),
        Column("EXIT", right=True),
        Column("STARTED", drop=2),
        Column("TOOK", right=True, drop=1),
        Column("REASON", flexible=True),
    ]
    places = sorted(places, key=lambda place: severity(place.status, place.record.exit_code))
    printer.table(columns, ([*_instance_row(place, place.status, now), _why_there(place)] for place in places))
    reasons: dict[str, list[str]] = {}
    for place in places:
        if place.record.error_info and place.status is not InvocationStatus.FINISHED:
            reasons.setdefault(place.record.error_info, []).append(place.instance_name)
        elif place.record.is_queued:
            reasons.setdefault(queued.in_words(place.record, since=True), []).append(place.instance_name)
    for why, names in reasons.items():
        printer.line(printer.wrapped(f"{escape(fold(names))}: {escape(why)}"))


def _why_there(place: InvocationInstance) -> str:
    """Return the reason of the status on an instance, in a word or two."""
    record = place.record
    if record.is_queued:
        return QUEUED
    if record.is_unsent and record.id:
        return WAITING
    return NOT_STARTED if record.is_unstarted else record.error_code


def print_endings(printer: Printer, places: Sequence[InvocationInstance]) -> None:
    """Print the number of instances by outcome, then the names and reasons of unsuccessful ones."""
    found = endings(places)
    columns = [Column("COUNT", right=True), Column("STATUS"), Column("REASON"), Column("INSTANCES", flexible=True)]
    printer.table(columns, (_ending_row(each) for each in found))
    for ending in found:
        if ending.is_queued or (not ending.is_success and ending.status.is_final):
            printer.line()
            title = printer.paint(_why(ending) or ending.status.value, _style(ending))
            names = escape(fold(ending.names))
            printer.line(f"{title}: {printer.wrapped(names, width(_why(ending) or ending.status.value) + 2)}")
            if ending.error_info and ending.status is not InvocationStatus.FINISHED:
                whose = "" if ending.is_same_info else f"{ending.names[0]}: "
                printer.line("  " + printer.wrapped(escape(whose + ending.error_info), 2))


def print_results(printer: Printer, places: Sequence[InvocationInstance], now: datetime) -> None:
    """Print a line for each record, with its last line of output."""
    columns = [
        Column("INSTANCE", flexible=True, least=16),
        Column("STATUS"),
        Column("EXIT", right=True),
        Column("STARTED", drop=2),
        Column("TOOK", right=True, drop=1),
        Column("LAST LINE", flexible=True),
    ]
    printer.table(columns, ([*_instance_row(place, place.record.status, now), _last_line(place)] for place in places))


def _last_line(place: InvocationInstance) -> str:
    """Return the last line of output, or the reason of the failure."""
    record = place.record
    if record.is_queued:
        return queued.in_words(record)
    if record.error_info and record.status is not InvocationStatus.FINISHED:
        return f"{record.error_code}: {record.error_info}"
    output = record.output or Output()
    if output.dropped and output.cut == len(output.data):
        return gap(output.dropped)
    if b"\0" in output.data[-200:]:
        return "(binary output)"
    return output.data.rstrip().rpartition(b"\n")[2].decode("utf-8", "replace")


def _ending_row(ending: EndingGroup) -> list[Cell | str]:
    status = Cell(SCHEDULED if ending.is_scheduled else ending.status.value, _style(ending))
    return [f"{len(ending.names):,}", status, _why(ending), fold(ending.names)]


def _why(ending: EndingGroup) -> str:
    if ending.is_queued:
        return QUEUED
    if ending.is_unstarted:
        return NOT_STARTED
    if ending.status is InvocationStatus.FINISHED:
        return f"exit {ending.exit_code}" if ending.exit_code else ""
    return ending.error_code


def _style(ending: EndingGroup) -> Style:
    odd = ending.is_queued or (ending.status is InvocationStatus.FINISHED and not ending.is_success)
    return Style.ODD if odd else STYLES[ending.status.value]


def _instance_row(place: InvocationInstance, status: InvocationStatus, now: datetime) -> list[Cell | str]:
    record = place.record
    odd = record.is_queued or (status is InvocationStatus.FINISHED and record.exit_code != 0)
    length = "" if record.started is None or record.finished is None else took(record.finished - record.started)
    word = SCHEDULED if place.is_scheduled else status.value
    return [
        place.instance_name,
        Cell(word, Style.ODD if odd else STYLES[status.value]),
        "" if record.exit_code is None else str(record.exit_code),
        "" if record.started is None else ago(record.started, now),
        length,
    ]


def print_end_of_output(printer: Printer, invocation: Invocation) -> None:
    output = invocation.instances[0].record.output or Output()
    size = count(len(output.data) + output.dropped, "byte")
    all_of_it = f"assist invocation output {invocation.id}"
    printer.line()
    if b"\0" in output.data:
        printer.line(printer.paint(f"{size} of binary output. To print it: {all_of_it}", Style.QUIET))
        return
    lines = marked(output).splitlines()
    if not lines:
        printer.line(printer.paint("No output.", Style.QUIET))
    elif len(lines) > SHOWN_LINES:
        printer.line(printer.paint(f"The last {SHOWN_LINES} lines of {size}. To print all: {all_of_it}", Style.QUIET))
    for line in lines[-SHOWN_LINES:]:
        printer.line(escape(line, keep="\t"))
