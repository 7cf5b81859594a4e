"""``assist backup`` and ``assist restore``: a home as one file, and a home from one."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from assist_cli.cli import options
from assist_cli.cli.formatting import clock
from assist_cli.errors import UsageError
from assist_cli.operations.server import backup as backups
from assist_cli.operations.server import restore as restores
from assist_cli.paths import home
from assist_cli.units import escape

app = options.application()
restore_app = options.application()

_STREAM = Path("-")


@app.command(
    epilog=options.examples("assist backup /backup/assist.backup", 'assist backup "/backup/assist-$(date +%F).backup"')
)
def backup(
    context: typer.Context,
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="The file to write. An older backup of that name is replaced.")
    ],
) -> None:
    """Write a backup: one file with the database and the keys.

    Runs and schedules continue meanwhile. The file has mode 0600. It is as secret as the home.
    """
    if file == _STREAM:
        raise UsageError("cannot write a backup to standard output", hint="give the name of a file")
    size = backups.write(home(), file)
    options.printer(context).talk(f"{escape(str(file))}: {size:,} bytes. To restore it: assist restore FILE")


@restore_app.command(
    epilog=options.examples(
        "assist restore /backup/assist.backup", "ASSIST_HOME=/srv/assist assist restore assist.backup"
    )
)
def restore(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A file that assist backup wrote.")],
) -> None:
    """Restore a home from a backup, into an empty or absent ASSIST_HOME.

    This contacts no agent. The server refuses a restored home, as the original may still be in use. To make this home
    the controller, one time: assist serve --once --take-over
    """
    if file == _STREAM:
        raise UsageError("cannot read a backup from standard input", hint="give the name of a file")
    target = home()
    restored = restores.restore(target, file)
    printer = options.printer(context)
    origin, host = restored.origin, escape(restored.origin.host)
    printer.talk(f"{target.root}: restored, as it was on {host} at {clock(origin.created)}.")
    if restored.loses_local:
        printer.talk(f"The instance 'local' in it is the agent of {host}, so its schedules do not run on this machine.")
    printer.talk("To make this home the controller in place of the original: assist serve --once --take-over")
