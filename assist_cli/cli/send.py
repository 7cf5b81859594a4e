"""``assist send``: send a small file to one instance or many."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Annotated

import typer

from assist_cli.cli import launching, options, targets
from assist_cli.cli.output import Encoding, Format
from assist_cli.cli.streams import Streams
from assist_cli.cli.watching import Look, carry_out
from assist_cli.errors import FileFailure, UsageError
from assist_cli.model import quotas
from assist_cli.model.names import quoted
from assist_cli.model.transfer import DEFAULT_MODE, DEFAULT_TIMEOUT
from assist_cli.operations.controller import nothing_more, open_controller
from assist_cli.operations.runs.files import SendRequest, recorded
from assist_cli.paths import home

READ_AT_MOST = 1 << 20  # bytes of a pipe, which has no size; far more than the limit

app = options.application()


@app.command(
    epilog=options.examples(
        "assist send app.conf -i 'web*' --to /etc/app --owner app --mode 0640",
        "make-key | assist send - --name app.key --to /etc/app --overwrite",
    ),
)
def send(
    context: typer.Context,
    *,
    file: Annotated[str, typer.Argument(metavar="FILE|-", help="The file to send; - is stdin.")],
    directory: Annotated[
        str, typer.Option("--to", metavar="DIR", help="Absolute folder (required); created if missing.")
    ],
    target: targets.TargetOptions,
    queue: launching.QueueOptions,
    name: Annotated[
        str | None, typer.Option("--name", metavar="NAME", help="Name of the file there (default: as here).")
    ] = None,
    mode: Annotated[
        str,
        typer.Option(
            "--mode", metavar="MODE", help=f"Mode in octal, as for chmod (default {DEFAULT_MODE}).", show_default=False
        ),
    ] = DEFAULT_MODE,
    owner: Annotated[
        str | None, typer.Option("--owner", metavar="USER", help="Owner of the file (default: user of the agent).")
    ] = None,
    group: Annotated[
        str | None, typer.Option("--group", metavar="GROUP", help="Group of the file (default: group of the agent).")
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an existing file.")] = False,
    timeout: Annotated[
        int,
        typer.Option(
            "--timeout",
            metavar="TIME",
            parser=options.whole_seconds,
            help=f"Fail without an answer after TIME (default {DEFAULT_TIMEOUT} s).",
            show_default=False,
        ),
    ] = DEFAULT_TIMEOUT,
    watch: launching.WatchOptions,
    waves: launching.WaveOptions,
    notify: launching.NotifyOptions,
    output: options.Output = Format.TABLE,
) -> None:
    """Send a file of up to 24,576 bytes.

    The file is written atomically, with its mode and owner. An existing file is replaced only with --overwrite. The
    history keeps the size and the SHA-256 of the file, never its content.
    """
    printer = options.printer(context, output)
    rollout, wait = waves.rollout(), queue.wait()
    watch.check()
    where = target.selection()
    if target.preview:
        targets.preview(printer, where)
        return
    if file == "-" and name is None:
        raise UsageError("cannot send standard input without a name for the file", hint="give a name: --name app.conf")
    also = notify.also() or nothing_more
    content = _read(file)
    as_name = Path(file).name if name is None else name
    if Path(directory).name == as_name and not printer.is_json:
        parent = quoted(str(Path(directory).parent))
        printer.talk(
            f"warning: --to is the folder: this writes '{directory}/{as_name}'; for '{directory}': --to {parent}"
        )
    request = SendRequest(
        content=content,
        name=as_name,
        directory=directory,
        mode=mode,
        owner=owner,
        group=group,
        overwrite=overwrite,
        timeout=timeout,
        targets=where,
    )
    with (
        open_controller(home()) as controller,
        recorded(controller, request, also=also, wait=wait) as invocation,
    ):
        status = carry_out(
            printer,
            controller,
            invocation,
            detach=watch.detach,
            patience=watch.patience,
            encoding=Encoding.TEXT,
            look=Look(),
            rollout=rollout,
        )
    raise typer.Exit(status)


def _read(file: str) -> bytes:
    """Read a file, or stdin for ``-``. Raises FileFailure, and QuotaExceeded with the size of the file."""
    if file == "-":
        content = Streams().stdin.read(READ_AT_MOST)
    else:
        try:
            with Path(file).open("rb") as source:
                status = os.fstat(source.fileno())
                if stat.S_ISREG(status.st_mode):
                    quotas.check_file(status.st_size)
                content = source.read(READ_AT_MOST)
        except OSError as error:
            raise FileFailure(f"cannot read the file '{file}': {error.strerror}") from error
    quotas.check_file(len(content))
    return content
