"""``assist invoke``: run a saved command, with its parameters."""

from __future__ import annotations

from typing import Annotated

import typer

from assist_cli.cli import launching, options, parameters, targets
from assist_cli.cli.output import Encoding, Format
from assist_cli.cli.watching import carry_out
from assist_cli.operations.commands import commands
from assist_cli.operations.controller import nothing_more, open_controller
from assist_cli.operations.runs.plans import InvokeRequest, missing
from assist_cli.operations.runs.recording import recorded, schedule
from assist_cli.paths import home

app = options.application()


@app.command(
    epilog=options.examples(
        "assist invoke restart-service -p service=nginx", "assist invoke backup@3 --secret token=env:TOKEN"
    )
)
def invoke(
    context: typer.Context,
    *,
    command: Annotated[
        str, typer.Argument(metavar="NAME[@VERSION]", help="The command; without @VERSION its newest version.")
    ],
    target: targets.TargetOptions,
    given: parameters.ParameterOptions,
    timeout: Annotated[
        int | None,
        typer.Option(
            "--timeout",
            metavar="TIME",
            parser=options.whole_seconds,
            help="Stop the script after TIME (default: as saved).",
        ),
    ] = None,
    working_dir: Annotated[
        str | None, typer.Option("--workdir", metavar="DIR", help="Working directory (default: as saved).")
    ] = None,
    username: Annotated[
        str | None, typer.Option("--user", metavar="NAME", help="Run as this user (default: user of the agent).")
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
    """Run a saved command on one instance or many, and show its output.

    On a terminal, missing parameters are asked for. The exit status is that of the script, 124 on a timeout.
    """
    printer = options.printer(context, output)
    rollout, look = waves.rollout(), view.look()
    timing = when.timing(rollout)
    wait = queue.wait(timing)
    watch.check(timing)
    outdir = files.path(timing, detach=watch.detach)
    where = target.selection()
    if target.preview:
        targets.preview(printer, where)
        return
    also = notify.also() or nothing_more
    values = given.values() or {}
    with open_controller(home()) as controller:
        request = InvokeRequest(
            command=commands.get(controller, command),
            parameters=values,
            timeout=timeout,
            working_dir=working_dir,
            username=username,
            keep_script=keep_script,
            targets=where,
        )
        if printer.can_ask:
            # a schedule and the queue have secrets by reference, never as typed
            later = timing is not None or wait is not None
            asked = [each for each in missing(request) if not (later and each.secret)]
            answers = parameters.ask(printer, asked)
            request = request.replace(parameters={**request.parameters, **answers})
        if timing is not None:
            launching.print_scheduled(printer, controller, *schedule(controller, request, timing, also=also))
            return
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
