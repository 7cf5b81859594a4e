"""``assist invocation``: what was run and how it went; to see it through, and to stop it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Annotated

import typer

from assist_cli.cli import documents, options, targets, watching
from assist_cli.cli.board import Board
from assist_cli.cli.documents import Encoding
from assist_cli.cli.output import STYLES, Cell, Column, Format, Printer, Style
from assist_cli.cli.watching import Look, Streams
from assist_cli.cli.wording import ago, clock, count, escape, one_line, took
from assist_cli.errors import ExitStatus, NotFound, UsageError
from assist_cli.model.invocation import Invocation, InvocationInstance, Summary
from assist_cli.model.output import Output, Stream
from assist_cli.model.status import InvocationStatus, InvokeStatus
from assist_cli.operations import history
from assist_cli.operations.controller import open_controller
from assist_cli.paths import home

LIST_LENGTH = 20
SHOWN_LINES = 10

app = options.application("What was run, and how it went. IDs may be short (t-01k3); - is the newest.")
stop_app = options.application()

Id = Annotated[str, typer.Argument(metavar="ID", help="An id, its beginning, or - for the newest.")]

COLUMNS = (
    Column("ID"),
    Column("STATUS"),
    Column("INSTANCE"),
    Column("CREATED"),
    Column("TOOK", right=True),
    Column("COMMAND", flexible=True),
)


@app.command("list", epilog=options.examples("assist invocation list", "assist invocation list -n 5 -o json"))
def list_(
    context: typer.Context,
    number: Annotated[
        int, typer.Option("--number", "-n", min=0, metavar="N", help="At most so many; 0: all.")
    ] = LIST_LENGTH,
    output: options.Output = Format.TABLE,
    plain: options.Plain = False,
) -> None:
    """List what was run, newest first."""
    printer = options.printer(context, output, plain=plain)
    with open_controller(home()) as controller:
        found = history.summaries(controller, limit=number + 1 if number else None)
        shown = found[:number] if number else found
        short = history.short_ids(controller, [each.invocation.id for each in shown])
        now = controller.now()
    if printer.is_json:
        printer.documents(documents.summary(each) for each in shown)
    elif shown:
        printer.table(COLUMNS, (_row(each, short[each.invocation.id], now) for each in shown))
    else:
        printer.talk("Nothing was run yet. Try: assist run -- uname -a")
    if len(found) > len(shown):
        printer.talk("There are older ones; all of them: assist invocation list -n 0")


@app.command(epilog=options.examples("assist invocation show -", "assist invocation show t-01k3 -o json"))
def show(
    context: typer.Context,
    id: Id,
    output: options.Output = Format.TABLE,
    plain: options.Plain = False,
    encoding: options.EncodingOption = Encoding.TEXT,
) -> None:
    """Show what ran and how it went.

    That is the script and its settings, each instance, and the end of what was printed.
    """
    printer = options.printer(context, output, plain=plain)
    with open_controller(home()) as controller:
        found = history.show(controller, history.find(controller, id), output=True)
        now = controller.now()
    if printer.is_json:
        printer.document(documents.invocation(found, encoding))
        return
    _print_head(printer, found, now)
    _print_instances(printer, found, now)
    if len(found.instances) == 1:
        _print_end_of_output(printer, found)


@app.command(epilog=options.examples("assist invocation wait -", "assist invocation wait t-01k3 --wait 10m"))
def wait(
    context: typer.Context,
    id: Id,
    patience: options.Patience = None,
    live: options.Live = False,
    gather: options.Gather = False,
    output: options.Output = Format.TABLE,
    encoding: options.EncodingOption = Encoding.TEXT,
) -> None:
    """Come back to what runs, or ran.

    Prints the whole output from the start, and ends with the same exit status, as assist run would.
    """
    printer = options.printer(context, output)
    with open_controller(home()) as controller:
        from assist_cli.operations import dispatch

        found = history.recall(controller, history.find(controller, id, files=True))
        status = watching.watch(
            printer,
            controller,
            found,
            lambda listener: dispatch.watch(controller, found, listener=listener, patience=patience),
            encoding=encoding,
            look=Look(live, gather),
        )
    raise typer.Exit(status)


@app.command(epilog=options.examples("assist invocation watch -", "assist invocation watch t-01k3 --wait 10m"))
def watch(
    context: typer.Context,
    id: Id,
    patience: options.Patience = None,
    output: options.Output = Format.TABLE,
    plain: options.Plain = False,
    encoding: options.EncodingOption = Encoding.TEXT,
) -> None:
    """Watch how it stands until it ends: who still runs and since when, who failed and why.

    The view is redrawn in place on a terminal; elsewhere, and with --plain, each change is a line. Ends with the exit
    status of invocation wait.
    """
    printer = options.printer(context, output)
    with open_controller(home()) as controller:
        from assist_cli.operations import dispatch

        found = history.recall(controller, history.find(controller, id, files=True), output=False)
        with Board(printer, controller, found, plain=plain or printer.is_json) as board:
            status = watching.watch(
                printer,
                controller,
                found,
                lambda listener: dispatch.watch(controller, found, listener=listener, patience=patience),
                encoding=encoding,
                look=Look(),
                board=board,
            )
    raise typer.Exit(status)


@app.command(
    "output", epilog=options.examples("assist invocation output -", "assist invocation output t-01k3 --stderr")
)
def output_(
    context: typer.Context,
    id: Id,
    instance: Annotated[str | None, typer.Option("--instance", "-i", metavar="NAME", help="Of this instance.")] = None,
    stdout: Annotated[bool, typer.Option("--stdout", help="Only what it wrote to stdout.")] = False,
    stderr: Annotated[bool, typer.Option("--stderr", help="Only what it wrote to stderr, on stdout.")] = False,
    full: Annotated[bool, typer.Option("--full", help="Ask the agent for what the history does not hold.")] = False,
) -> None:
    """Print the output, byte for byte.

    What went to stdout goes to stdout, what went to stderr to stderr. The history holds the first and the last 512 KiB
    of a long output; the instance keeps more of it for a while.
    """
    if stdout and stderr:
        raise UsageError("cannot print only stdout and only stderr", hint="leave both out to get both")
    printer = options.printer(context)
    with open_controller(home()) as controller:
        found = history.show(controller, history.find(controller, id), output=True)
        place = _place(found, instance)
        only = Stream.STDOUT if stdout else Stream.STDERR if stderr else None
        streams = Streams(printer, only=only)
        kept = place.record.output or Output()
        if full and kept.dropped:
            from assist_cli.operations import dispatch

            dispatch.watch(controller, replace(found, instances=(place,)), listener=streams)
        streams.replay(place)
        streams.close([])
        if not place.status.is_final:
            printer.talk(f"It is {place.status}; what it prints comes with: assist invocation wait {found.id}")


@app.command(epilog=options.examples("assist invocation stop -", "assist stop t-01k3"))
@stop_app.command(epilog=options.examples("assist stop -", "assist stop t-01k3 -i 'web*' -o json"))
def stop(
    context: typer.Context,
    id: Id,
    instance: Annotated[
        list[str] | None,
        typer.Option("--instance", "-i", metavar="TARGET", help="Only there; default: wherever it runs."),
    ] = None,
    pick: targets.Pick = None,
    seed: targets.Seed = None,
    output: options.Output = Format.TABLE,
) -> None:
    """Stop what runs.

    All of its processes get TERM, and KILL after 5 s. What has ended by itself stays as it ended.
    """
    printer = options.printer(context, output)
    with open_controller(home()) as controller:
        from assist_cli.operations.stop import stop as stop_invocation

        found = stop_invocation(
            controller, history.find(controller, id, files=True), targets.selection(instance, False, pick, seed)
        )
    if printer.is_json:
        printer.document(documents.invocation(found))
    else:
        printer.line(f"{found.id}: {printer.paint(found.status.value, STYLES[found.status.value])}")
    if any(place.status is InvocationStatus.STOPPING for place in found.instances):
        printer.talk("It has not ended yet; its agent was told, or will be when it can be reached.")
        raise typer.Exit(ExitStatus.GAVE_UP_WAITING)


def _place(invocation: Invocation, name: str | None) -> InvocationInstance:
    places = [each for each in invocation.instances if name in (None, each.instance_name, each.instance_id)]
    if not places:
        raise NotFound(
            f"cannot find the instance '{name}' in {invocation.id}", hint=f"assist invocation show {invocation.id}"
        )
    if len(places) > 1:
        raise UsageError(
            f"cannot tell which output: it ran on {len(places)} instances", hint="name one with --instance"
        )
    return places[0]


def _row(summary: Summary, short: str, now: datetime) -> list[Cell | str]:
    invocation = summary.invocation
    length = "" if invocation.finished is None else took(invocation.finished - invocation.created)
    text = invocation.command_name or one_line(invocation.content.decode("utf-8", "replace"))
    if invocation.command_name:
        text += f"@{invocation.command_version}"
    instances = summary.instance_name if summary.instance_count == 1 else f"{summary.instance_count} instances"
    status = _status(invocation.status, [summary.exit_code or 0] * summary.nonzero, summary.instance_count)
    return [short, status, instances, ago(invocation.created, now), length, text]


def _status(status: InvokeStatus, exit_codes: Sequence[int], instances: int) -> Cell:
    """The status, and what Finished hides: the exit codes that are not 0."""
    if not exit_codes or status not in (InvokeStatus.FINISHED, InvokeStatus.PARTIAL_FAILED):
        return Cell(status.value, STYLES[status.value])
    what = f"exit {exit_codes[0]}" if instances == 1 else f"{len(exit_codes)} not 0"
    return Cell(f"{status.value}, {what}", Style.ODD if status is InvokeStatus.FINISHED else STYLES[status.value])


def _print_head(printer: Printer, invocation: Invocation, now: datetime) -> None:
    exit_codes = [place.record.exit_code for place in invocation.instances if place.record.exit_code]
    status = _status(invocation.status, exit_codes, len(invocation.instances))
    printer.line(f"{printer.paint(invocation.id, Style.STRONG)}  {printer.paint(status.text, status.style)}")
    when = f"{ago(invocation.created, now)} ({clock(invocation.created)})"
    if invocation.finished is not None:
        when += f", took {took(invocation.finished - invocation.created)}"
    assert invocation.command_type is not None
    settings = [invocation.command_type.value, f"timeout {invocation.timeout} s"]
    if invocation.username:
        settings.append(f"user {invocation.username}")
    if invocation.working_dir:
        settings.append(f"in {invocation.working_dir}")
    rows = [("Created", when), ("Settings", ", ".join(settings))]
    if invocation.command_name is not None:
        rows.insert(0, ("Command", f"{invocation.command_name}@{invocation.command_version}"))
    if invocation.parameters:
        rows.append(("Parameters", ", ".join(f"{key}={value}" for key, value in invocation.parameters.items())))
    for title, text in rows:
        printer.line(f"  {printer.paint(title.ljust(10), Style.QUIET)} {escape(text)}")
    script = invocation.content.decode("utf-8", "replace").splitlines()
    for number, line in enumerate(script[:SHOWN_LINES]):
        title = "" if number else "Script"
        printer.line(f"  {printer.paint(title.ljust(10), Style.QUIET)} {escape(line, keep=chr(9))}")
    if len(script) > SHOWN_LINES:
        printer.line(" " * 13 + printer.paint(f"… {count(len(script) - SHOWN_LINES, 'more line')}", Style.QUIET))


def _print_instances(printer: Printer, invocation: Invocation, now: datetime) -> None:
    columns = [
        Column("INSTANCE"),
        Column("STATUS"),
        Column("EXIT", right=True),
        Column("STARTED"),
        Column("TOOK", right=True),
        Column("WHY", flexible=True),
    ]
    printer.line()
    printer.table(columns, (_instance_row(place, now) for place in invocation.instances))
    for place in invocation.instances:
        if place.record.error_info and place.status is not InvocationStatus.FINISHED:
            printer.line(f"{escape(place.instance_name)}: {escape(place.record.error_info)}")


def _instance_row(place: InvocationInstance, now: datetime) -> list[Cell | str]:
    record = place.record
    odd = place.status is InvocationStatus.FINISHED and record.exit_code != 0
    length = "" if record.started is None or record.finished is None else took(record.finished - record.started)
    return [
        place.instance_name,
        Cell(place.status.value, Style.ODD if odd else STYLES[place.status.value]),
        "" if record.exit_code is None else str(record.exit_code),
        "" if record.started is None else ago(record.started, now),
        length,
        record.error_code,
    ]


def _print_end_of_output(printer: Printer, invocation: Invocation) -> None:
    output = invocation.instances[0].record.output or Output()
    size = count(len(output.data) + output.dropped, "byte")
    all_of_it = f"assist invocation output {invocation.id}"
    printer.line()
    if b"\0" in output.data:
        printer.line(printer.paint(f"{size} of binary output: {all_of_it}", Style.QUIET))
        return
    lines = output.text_of(*Stream).splitlines()
    if not lines:
        printer.line(printer.paint("No output.", Style.QUIET))
    elif len(lines) > SHOWN_LINES:
        printer.line(printer.paint(f"The last {SHOWN_LINES} lines of {size}: {all_of_it}", Style.QUIET))
    for line in lines[-SHOWN_LINES:]:
        printer.line(escape(line, keep="\t"))
