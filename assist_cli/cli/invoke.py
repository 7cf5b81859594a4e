"""``assist invoke``: a saved command, with its parameters."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated

import typer

from assist_cli.cli import options, parameters, targets, timing
from assist_cli.cli.output import Encoding, Format
from assist_cli.cli.watching import Look, carry_out
from assist_cli.operations.controller import open_controller
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
    command: Annotated[str, typer.Argument(metavar="NAME[@VERSION]", help="The command, by default the newest.")],
    instance: targets.Targets = None,
    everything: targets.All = False,
    pick: targets.Pick = None,
    seed: targets.Seed = None,
    preview: targets.Preview = False,
    pairs: parameters.Pairs = None,
    document: parameters.Document = None,
    secrets: parameters.Secrets = None,
    timeout: Annotated[
        int | None,
        typer.Option("--timeout", metavar="TIME", parser=options.whole_seconds, help="Default: the command's."),
    ] = None,
    working_dir: Annotated[
        str | None, typer.Option("--workdir", metavar="DIR", help="Where to run; default: the command's.")
    ] = None,
    username: Annotated[
        str | None, typer.Option("--user", metavar="NAME", help="Run as this user; default: the agent's own.")
    ] = None,
    keep_script: options.KeepScript = False,
    every: timing.Every = None,
    cron: timing.Cron = None,
    timezone: timing.Timezone = None,
    at: timing.At = None,
    in_: timing.In = None,
    jitter: timing.Jitter = None,
    missed: timing.MissedOption = None,
    keep: timing.Keep = None,
    detach: options.Detach = False,
    patience: options.Patience = None,
    canary: options.Canary = None,
    batch: options.Batch = None,
    max_errors: options.MaxErrors = None,
    concurrency: options.Concurrency = None,
    live: options.Live = False,
    gather: options.Gather = False,
    notify: options.Notify = None,
    notify_on: options.NotifyOn = None,
    output: options.Output = Format.TABLE,
    encoding: options.EncodingOption = Encoding.TEXT,
) -> None:
    """Run a saved command, and show what it prints as it comes.

    What it needs and is not given is asked for on a terminal, and refused elsewhere. Ends as assist run does.
    """
    printer = options.printer(context, output)
    rollout = options.rollout(canary, batch, max_errors, concurrency)
    when = timing.timing(every, cron, timezone, at, in_, jitter, missed, keep, rollout=rollout)
    where = targets.selection(instance, everything, pick, seed)
    if preview:
        targets.preview(printer, where)
        return
    also = options.notification(notify, notify_on)
    request = InvokeRequest(
        command=command,
        parameters=parameters.given(pairs, document, secrets) or {},
        timeout=timeout,
        working_dir=working_dir,
        username=username,
        keep_script=keep_script,
        targets=where,
    )
    with open_controller(home()) as controller:
        if printer.can_ask:
            # what runs later has its secrets by reference, and not as somebody types them now
            asked = [each for each in missing(controller, request) if when is None or not each.secret]
            answers = parameters.ask(printer, asked)
            request = replace(request, parameters={**request.parameters, **answers})
        if when is not None:
            timing.tell(printer, controller, *schedule(controller, request, when, also=also))
            return
        with recorded(controller, request, also=also) as invocation:
            status = carry_out(
                printer,
                controller,
                invocation,
                detach=detach,
                patience=patience,
                encoding=encoding,
                look=Look(live, gather),
                rollout=rollout,
            )
    raise typer.Exit(status)
