"""``assist invocation``: list, show, follow and stop invocations."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from assist_cli.cli import documents, invocation_view, launching, options, targets
from assist_cli.cli.history import app as history_app
from assist_cli.cli.output import STYLES, Encoding, Format, Printer
from assist_cli.errors import Conflict, ExitStatus, UsageError
from assist_cli.model.gathering import severity
from assist_cli.model.invocation import Filter, Invocation, InvocationInstance, RepeatMode
from assist_cli.model.output import Output, Stream
from assist_cli.model.status import InvocationStatus, InvokeStatus
from assist_cli.operations.controller import open_controller
from assist_cli.operations.history import history
from assist_cli.operations.runs import members, recording
from assist_cli.paths import home

if TYPE_CHECKING:
    from assist_cli.model.target import Selection
    from assist_cli.operations.controller import Controller
    from assist_cli.operations.runs.listener import Listener

LISTED_INSTANCES = 20

app = options.application(
    "History of runs: list, show, wait, search, diff, prune. Ids may be short (t-01k3); - is the newest."
)
stop_app = options.application()
app.add_typer(history_app)


class MemberOptions(targets.TargetOptions):
    """Options that select instances of an invocation."""

    instance: Annotated[
        list[str] | None,
        typer.Option("--instance", "-i", metavar="TARGET", help="Stop only these instances (default: all)."),
    ] = None
    everything: Annotated[bool, typer.Option("--all", help="Stop all of its instances (default).")] = False


@app.command(
    "list",
    epilog=options.examples("assist invocation list", "assist invocation list --unsuccessful -i web1 --since 2d"),
)
def list_(
    context: typer.Context,
    status: Annotated[
        list[InvokeStatus] | None,
        typer.Option(
            "--status",
            metavar="STATUS",
            case_sensitive=False,
            help="Only those with this status, as Running or Failed.",
        ),
    ] = None,
    command: Annotated[
        str | None, typer.Option("--command", metavar="NAME", help="Only those of this command, also a deleted one.")
    ] = None,
    instance: Annotated[
        list[str] | None,
        typer.Option("--instance", "-i", metavar="TARGET", help="Only those that ran on these instances."),
    ] = None,
    since: options.Since = None,
    periodic: Annotated[bool, typer.Option("--periodic", help="Only periodic ones.")] = False,
    unsuccessful: Annotated[
        bool, typer.Option("--unsuccessful", help="Only unsuccessful ones: assist rerun takes these.")
    ] = False,
    number: options.Number = None,
    output: options.Output = Format.TABLE,
    plain: options.Plain = False,
) -> None:
    """List the invocations, newest first."""
    printer = options.printer(context, output, plain=plain)
    number = options.list_length(number, printer)
    with open_controller(home()) as controller:
        wanted = history.filtered(
            controller,
            statuses=status or (),
            command=command,
            where=targets.TargetOptions(instance).selection(),
            since=since,
            periodic=periodic,
            unsuccessful=unsuccessful,
        )
        found = history.summaries(controller, limit=number + 1 if number else None, wanted=wanted)
        shown = found[:number] if number else found
        short = history.short_ids(controller, [each.invocation.id for each in shown])
        planned = history.planned(controller, [each.invocation for each in shown])
        now = controller.now()
    if printer.is_json:
        printer.documents(documents.summary(each) for each in shown)
    elif shown:
        invocation_view.print_list(printer, shown, short, planned, now)
    elif wanted != Filter():
        printer.talk("No invocations match.")
    else:
        printer.talk("No invocations yet. Try: assist run -- uname -a")
    if len(found) > len(shown):
        printer.talk("There are older invocations. To show all of them, add: -n 0")
    if status is not None and InvokeStatus.FAILED in status and not unsuccessful:
        printer.talk(
            "Failed means that no script finished. An exit code other than 0 is Finished, and a failure on some "
            "instances is PartialFailed. To list all of these: assist invocation list --unsuccessful"
        )


@app.command(epilog=options.examples("assist invocation show -", "assist invocation show t-01k3 -o json"))
def show(
    context: typer.Context,
    id: options.Id,
    all_: Annotated[bool, typer.Option("--all", help="Show a line for each instance, however many.")] = False,
    output: options.Output = Format.TABLE,
    plain: options.Plain = False,
    encoding: options.EncodingOption = Encoding.TEXT,
) -> None:
    """Show an invocation: script, settings, instances and output.

    The end of the output is shown. More than 20 instances are grouped by outcome.
    """
    printer = options.printer(context, output, plain=plain)
    with open_controller(home()) as controller:
        from assist_cli.operations.notify import wishes

        invocation_id = history.find(controller, id)
        is_one = len(recording.recall(controller, invocation_id, output=False).instances) == 1
        found = history.show(controller, invocation_id, output=printer.is_json or is_one)
        told = wishes.state(controller, found.id)
        former = history.former(controller, found)
        schedule = history.planned(controller, [found]).get(found.id)
        now = controller.now()
    if printer.is_json:
        printer.document(documents.invocation(found, encoding))
        return
    invocation_view.print_head(printer, found, schedule, now, told)
    for until, before in former:
        invocation_view.print_earlier_script(printer, before, until)
    printer.line()
    if all_ or len(found.instances) <= LISTED_INSTANCES:
        invocation_view.print_instances(printer, found.instances, now)
    else:
        invocation_view.print_endings(printer, found.instances)
        printer.talk(f"To show each instance: assist invocation show {found.id} --all")
    if is_one and not found.instances[0].is_scheduled:
        invocation_view.print_end_of_output(printer, found)


@app.command(
    epilog=options.examples("assist invocation results -", "assist invocation results t-01k3 -i 'web*' -o jsonl")
)
def results(
    context: typer.Context,
    id: options.Id,
    instance: Annotated[
        list[str] | None,
        typer.Option("--instance", "-i", metavar="TARGET", help="Only on these instances (default: all)."),
    ] = None,
    every: Annotated[
        bool, typer.Option("--history", help="List every record of a periodic one, newest first.")
    ] = False,
    output: options.Output = Format.TABLE,
    plain: options.Plain = False,
    encoding: options.EncodingOption = Encoding.TEXT,
) -> None:
    """List the result on each instance, with the last line of output."""
    printer = options.printer(context, output, plain=plain)
    with open_controller(home()) as controller:
        invocation_id = history.find(controller, id)
        found = history.results(controller, invocation_id, targets.TargetOptions(instance).selection(), every=every)
        if printer.is_json:
            printer.documents(documents.result(invocation_id, place, encoding) for place in found)
        else:
            rows = list(found)
            if not every:  # failures last
                rows.sort(key=lambda place: severity(place.record.status, place.record.exit_code))
            invocation_view.print_results(printer, rows, controller.now())


@app.command(epilog=options.examples("assist invocation wait -", "assist invocation wait t-01k3 --wait 10m"))
def wait(
    context: typer.Context,
    *,
    id: options.Id,
    patience: options.Patience = None,
    view: launching.ViewOptions,
    output: options.Output = Format.TABLE,
    encoding: options.EncodingOption = Encoding.TEXT,
) -> None:
    """Wait for the end of an invocation, and show its output.

    The output is shown from the start. The exit status is as of assist run. A periodic invocation ends when it is
    stopped; for it, --wait is required.
    """
    from assist_cli.cli import watching

    printer = options.printer(context, output)
    look = view.look()
    with open_controller(home()) as controller:
        found = recording.recall(controller, history.find(controller, id, files=True))
        if patience is None:
            _refuse_periodic(found)
        status = watching.watch(
            printer,
            controller,
            found,
            lambda listener: _follow(controller, found, listener, patience),
            encoding=encoding,
            look=look,
        )
    raise typer.Exit(status)


@app.command(epilog=options.examples("assist invocation watch -", "assist invocation watch t-01k3 --wait 10m"))
def watch(
    context: typer.Context,
    id: options.Id,
    patience: options.Patience = None,
    output: options.Output = Format.TABLE,
    plain: options.Plain = False,
    encoding: options.EncodingOption = Encoding.TEXT,
) -> None:
    """Watch the status of the instances until the invocation ends.

    On a terminal the view is redrawn in place. Elsewhere, and with --plain, each change is a line. A periodic
    invocation is watched until it is stopped. The exit status is as of invocation wait.
    """
    from assist_cli.cli import watching
    from assist_cli.cli.invocation_screen import InvocationScreen

    printer = options.printer(context, output, plain=plain)
    with open_controller(home()) as controller:
        found = recording.recall(controller, history.find(controller, id, files=True), output=False)
        with InvocationScreen(printer, controller, found) as screen:
            status = watching.watch(
                printer,
                controller,
                found,
                lambda listener: _follow(controller, found, listener, patience),
                encoding=encoding,
                look=watching.Look(),
                screen=screen,
            )
    raise typer.Exit(status)


@app.command(
    "output",
    epilog=options.examples("assist invocation output t-01k3 --stderr", "assist invocation output - --outdir logs"),
)
def output_(
    context: typer.Context,
    id: options.Id,
    instance: Annotated[
        list[str] | None, typer.Option("--instance", "-i", metavar="NAME", help="Output of this instance.")
    ] = None,
    stdout: Annotated[bool, typer.Option("--stdout", help="Print only its stdout.")] = False,
    stderr: Annotated[bool, typer.Option("--stderr", help="Print only its stderr, to stdout.")] = False,
    full: Annotated[bool, typer.Option("--full", help="Fetch output that the history lacks from the agent.")] = False,
    outdir: options.OutputFolder = None,
) -> None:
    """Print the exact output of an instance, or write outputs to files.

    Its stdout goes to stdout, its stderr to stderr. Of a long output the history has the first and the last 512 KiB.
    The instance keeps more of it for some time.
    """
    from assist_cli.cli.pass_through import PassThrough

    if stdout and stderr:
        raise UsageError("cannot use --stdout and --stderr together", hint="without them, both are printed")
    if outdir is not None:
        if stdout or stderr:
            raise UsageError("cannot use --outdir with --stdout or --stderr", hint="the files have both streams")
        _write_files(options.printer(context), id, targets.TargetOptions(instance).selection(), outdir, full=full)
        return
    printer = options.printer(context)
    with open_controller(home()) as controller:
        found = history.show(controller, history.find(controller, id), output=True)
        place = _only(history.places(controller, found, targets.TargetOptions(instance).selection()))
        only = Stream.STDOUT if stdout else Stream.STDERR if stderr else None
        kept = place.record.output or Output()
        there = f" -i {place.instance_name}" if len(found.instances) > 1 else ""
        again = f"assist invocation output {found.id}{there} --full"
        passed = PassThrough(printer, only=only, hint="" if full else f"the instance may have it: {again}")
        if full and kept.dropped:
            from assist_cli.operations.runs import dispatch

            dispatch.fetch_output(controller, place, passed)
        passed.replay(place)
        passed.close([])
        if not place.status.is_final:
            printer.talk(f"It is {place.status}. To follow the output: assist invocation wait {found.id}")


def _write_files(printer: Printer, id: str, where: Selection, outdir: Path, *, full: bool) -> None:
    """Write the output of instances of an invocation to files in a new or empty folder."""
    from assist_cli.cli.output_files import OutputFiles

    with launching.output_folder(outdir), open_controller(home()) as controller:
        found = history.show(controller, history.find(controller, id), output=False)
        places = history.places(controller, found, where)
        files = OutputFiles(printer, controller, outdir, found._replace(instances=tuple(places)))
        for place in places if full else ():
            known = recording.with_output(controller, place)
            if known.record.status.is_final and known.record.output and known.record.output.dropped:
                from assist_cli.operations.runs import dispatch

                dispatch.fetch_output(controller, known, files)
        files.close(places)
        if files.lacks_bytes and not full:
            again = f"assist invocation output {found.id} --outdir DIR --full"
            printer.talk(f"hint: the instances may have the rest: {again}")
    if status := files.status(ExitStatus.DONE):
        raise typer.Exit(status)


@app.command(epilog=options.examples("assist invocation stop -", "assist stop t-01k3"))
@stop_app.command(epilog=options.examples("assist stop -", "assist stop t-01k3 -i 'web*' -o json"))
def stop(
    context: typer.Context,
    *,
    id: options.Id,
    target: MemberOptions,
    output: options.Output = Format.TABLE,
) -> None:
    """Stop an invocation, or end a schedule.

    All processes get TERM, and KILL after 5 s. Records that have ended keep their outcome.
    """
    printer = options.printer(context, output)
    where = target.selection()
    with open_controller(home()) as controller:
        invocation_id = history.find(controller, id, files=True)
        if target.preview:
            targets.print_preview(printer, members.members(controller, invocation_id, where))
            return
        from assist_cli.operations.runs.stop import stop as stop_invocation

        has_ended = recording.recall(controller, invocation_id, output=False).status.is_final
        found = stop_invocation(controller, invocation_id, where)
    if printer.is_json:
        printer.document(documents.invocation(found))
    else:
        printer.line(f"{found.id}: {printer.paint(found.status.value, STYLES[found.status.value])}")
        if has_ended:
            printer.talk("It had ended before.")
    if any(place.status is InvocationStatus.STOPPING for place in found.instances):
        printer.talk("It has not ended yet. Agents that cannot be reached get the stop as soon as they answer.")
        raise typer.Exit(ExitStatus.GAVE_UP_WAITING)


def _follow(controller: Controller, invocation: Invocation, listener: Listener | None, patience: float | None) -> None:
    """Follow an invocation until it ends. Raises GaveUpWaiting."""
    if _is_scheduled(invocation):
        history.outlast(controller, invocation.id, listener=listener, patience=patience)
        return
    from assist_cli.operations.runs import dispatch

    dispatch.watch(controller, invocation, listener=listener, patience=patience)


def _refuse_periodic(invocation: Invocation) -> None:
    """Raise Conflict for a periodic invocation, or one that is not due yet."""
    if not _is_scheduled(invocation):
        return
    again = invocation.repeat_mode is RepeatMode.PERIOD
    what = "is periodic, and ends only when it is stopped" if again else "is not due yet"
    raise Conflict(
        f"cannot wait for {invocation.id}: it {what}",
        hint=f"give --wait TIME; for its due times: assist schedule show {invocation.id}",
    )


def _is_scheduled(invocation: Invocation) -> bool:
    """Return True if it is periodic or not due yet. The server creates its records then."""
    return not invocation.status.is_final and (
        invocation.repeat_mode is RepeatMode.PERIOD or not invocation.instances[0].repeats
    )


def _only(places: Sequence[InvocationInstance]) -> InvocationInstance:
    if len(places) > 1:
        raise UsageError(f"cannot print the output: it ran on {len(places)} instances", hint="give one with --instance")
    return places[0]
