"""``assist rerun``: run an invocation again on the instances where it did not succeed."""

from __future__ import annotations

from typing import Annotated

import typer

from assist_cli.cli import launching, options, parameters, targets
from assist_cli.cli.output import Encoding, Format
from assist_cli.cli.typer_classes import WHERE
from assist_cli.cli.watching import carry_out
from assist_cli.errors import UsageError
from assist_cli.operations.controller import nothing_more, open_controller
from assist_cli.operations.fleet.instances import resolve
from assist_cli.operations.history import history
from assist_cli.operations.runs.plans import RerunRequest, chosen, missing
from assist_cli.operations.runs.recording import recorded, schedule
from assist_cli.paths import home

app = options.application()


@app.command(epilog=options.examples("assist rerun - --preview", "assist rerun t-01k3 --all --every 1h"))
def rerun(
    context: typer.Context,
    *,
    id: Annotated[str, typer.Argument(metavar="INVOCATION", help="An id, the beginning of one, or - for the newest.")],
    failed: Annotated[bool, typer.Option("--failed", help="Run on its unsuccessful instances (default).")] = False,
    everywhere: Annotated[
        bool, typer.Option("--all", help="Run on all of its instances.", rich_help_panel=WHERE)
    ] = False,
    preview: targets.Preview = False,
    secrets: parameters.Secrets = None,
    timeout: Annotated[
        int | None,
        typer.Option(
            "--timeout",
            metavar="TIME",
            parser=options.whole_seconds,
            help="Stop the script after TIME (default: as before).",
        ),
    ] = None,
    working_dir: Annotated[
        str | None, typer.Option("--workdir", metavar="DIR", help="Working directory (default: as before).")
    ] = None,
    username: Annotated[
        str | None, typer.Option("--user", metavar="NAME", help="Run as this user (default: as before).")
    ] = None,
    keep_script: options.KeepScript = False,
    queue: launching.QueueOptions,
    when: launching.ScheduleOptions,
    watch: launching.WatchOptions,
    waves: launching.WaveOptions,
    view: launching.ViewOptions,
    files: launching.FileOptions,
    notify: launching.NotifyOptions,
    output: options.RowOutput = Format.TABLE,
    encoding: options.EncodingOption = Encoding.TEXT,
) -> None:
    """Run an invocation again, where it did not succeed.

    The version and the parameters are the same. Secrets are not stored, so give them again.
    """
    if failed and everywhere:
        raise UsageError("cannot use --failed and --all together", hint="give one of them")
    printer = options.printer(context, output)
    rollout, look = waves.rollout(), view.look()
    timing = when.timing(rollout)
    wait = queue.wait(timing)
    watch.check(timing)
    outdir = files.path(timing, detach=watch.detach)
    also = notify.also() or nothing_more
    given = parameters.ParameterOptions(secrets=secrets).values() or {}
    with open_controller(home()) as controller:
        request = RerunRequest(
            invocation=history.show(controller, history.find(controller, id), output=False),
            everywhere=everywhere,
            secrets=given,
            timeout=timeout,
            working_dir=working_dir,
            username=username,
            keep_script=keep_script,
        )
        if preview:
            targets.print_preview(printer, resolve(controller, chosen(request)))
            return
        if timing is not None:
            launching.print_scheduled(printer, controller, *schedule(controller, request, timing, also=also))
            return
        if printer.can_ask and wait is None:  # the queue has secrets by reference, never as typed
            request = request.replace(secrets={**given, **parameters.ask(printer, missing(request))})
        with (
            launching.output_folder(outdir),
            recorded(controller, request, also=also, wait=wait) as invocation,
        ):
            status = carry_out(
                printer,
                controller,
                invocation,
                detach=watch.detach,
                patience=watch.patience,
                encoding=encoding,
                look=look,
                rollout=rollout,
                outdir=outdir,
            )
    raise typer.Exit(status)
