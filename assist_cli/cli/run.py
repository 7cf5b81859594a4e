"""``assist run``: run a script without saving it as a command."""

import itertools
from collections.abc import Iterator, Sequence
from typing import Annotated

import typer

from assist_cli.cli import launching, options, parameters, scripts, shell_words, targets
from assist_cli.cli.output import Encoding, Format, Printer
from assist_cli.cli.typer_classes import WordsCommand
from assist_cli.cli.watching import carry_out
from assist_cli.errors import UsageError
from assist_cli.model.command import DEFAULT_TIMEOUT, CommandType, type_from_word, type_of_script
from assist_cli.model.invocation import Invocation
from assist_cli.model.output import Output, Stream
from assist_cli.operations.controller import Controller, nothing_more, open_controller
from assist_cli.operations.runs.plans import RunRequest
from assist_cli.operations.runs.recording import recorded, schedule, with_output
from assist_cli.paths import home

MOST_READ = 5  # outputs of scripts that failed

app = options.application()


@app.command(
    cls=WordsCommand,
    epilog=options.examples("assist run -- uname -a", "assist run -i 'web*,!web03' -f backup.sh --timeout 10m"),
)
def run(
    context: typer.Context,
    *,
    words: Annotated[
        list[str] | None, typer.Argument(metavar="[-- WORD...]", help="A program and its arguments, each quoted.")
    ] = None,
    script: scripts.ScriptOptions,
    target: targets.TargetOptions,
    type: Annotated[
        str | None,
        typer.Option("--type", help="shell, bat or powershell (default: by -f, or shell).", metavar="TYPE"),
    ] = None,
    timeout: Annotated[
        int,
        typer.Option(
            "--timeout",
            metavar="TIME",
            parser=options.whole_seconds,
            help="Stop it after TIME, and exit with 124 (default 60 s).",
            show_default=False,
        ),
    ] = DEFAULT_TIMEOUT,
    working_dir: Annotated[
        str | None, typer.Option("--workdir", metavar="DIR", help="Working directory (default: home of the user).")
    ] = None,
    username: Annotated[
        str | None, typer.Option("--user", metavar="NAME", help="Run as this user (default: user of the agent).")
    ] = None,
    given: parameters.ParameterOptions,
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
    """Run a script on one instance or many, and show its output."""
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
    content, kind = _script(printer, words, script, type)
    also = notify.also() or nothing_more
    request = RunRequest(
        content=content,
        type=kind,
        timeout=timeout,
        working_dir=working_dir,
        username=username,
        keep_script=keep_script,
        parameters=given.values(),
        targets=where,
    )
    if timing is not None:
        with open_controller(home()) as controller:
            launching.print_scheduled(printer, controller, *schedule(controller, request, timing, also=also))
        return
    with (
        open_controller(home()) as controller,
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
        if words and kind is CommandType.SHELL and not watch.detach and not printer.is_json:
            about = shell_words.hint(words, lambda: _failures(controller, invocation))
            if about:
                printer.talk(f"hint: {about}")
    raise typer.Exit(status)


def _failures(controller: Controller, invocation: Invocation) -> Iterator[shell_words.Failure]:
    """Yield the exit code and the stderr of scripts that failed, of a few instances."""
    from assist_cli.operations.history import history

    found = history.show(controller, invocation.id, output=False)
    failed = (place for place in found.instances if place.record.exit_code)
    for place in itertools.islice(failed, MOST_READ):
        record = with_output(controller, place).record
        yield record.exit_code or 0, (record.output or Output()).text_of(Stream.STDERR)


def _script(
    printer: Printer, words: Sequence[str] | None, script: scripts.ScriptOptions, word: str | None
) -> tuple[bytes, CommandType]:
    """Return the one script given, and its type: the type given, else the one detected from the script."""
    ways = (("words after --", words or None), ("-c TEXT", script.text), ("-f FILE", script.file))
    scripts_given = [way for way, value in ways if value is not None]
    if len(scripts_given) > 1:
        raise UsageError(f"cannot run: several scripts given: {', '.join(scripts_given)}", hint="give one of them")
    if not scripts_given:
        raise UsageError(
            "cannot run: no script given, as words after --, -c TEXT or -f FILE", hint="assist run -- uname -a"
        )
    kind = type_from_word(word) if word else None
    if words:
        kind = kind or CommandType.SHELL
        return scripts.quote(words, kind), kind
    content = script.content() or b""
    kind = kind or type_of_script(content, script.file)
    return script.fixed(printer, content, kind), kind
