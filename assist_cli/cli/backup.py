"""``assist backup`` and ``assist restore``: a home as one file, and back."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from assist_cli.cli import options
from assist_cli.cli.formatting import clock
from assist_cli.operations.server import backup as operations
from assist_cli.paths import home

app = options.application()
restore_app = options.application()


@app.command(
    epilog=options.examples("assist backup /backup/assist.backup", 'assist backup "assist-$(date +%F).backup"')
)
def backup(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The file to write; a backup of that name is replaced.")],
) -> None:
    """Write a backup: one file with the database, the certificate authority and keys.

    Runs and schedules go on meanwhile. The file has the mode 0600; keep it as private as the home.
    """
    written = operations.write(home(), file)
    options.printer(context).talk(f"{file}: {written:,} bytes. To restore it: assist restore {file}")


@restore_app.command(epilog=options.examples("ASSIST_HOME=/srv/assist assist restore /backup/assist.backup"))
def restore(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A file that assist backup wrote.")],
) -> None:
    """Restore a backup into a home that is empty or absent.

    Nothing is sent by this. To let this machine fire the schedules: assist serve --take-over.
    """
    place = home()
    restored = operations.restore(place, file)
    printer = options.printer(context)
    origin = restored.origin
    printer.talk(f"{place.root}: restored as it was at {clock(origin.created)} on {origin.host}.")
    if not restored.keeps_local:
        printer.talk("The instance 'local' of then is not this machine: what was scheduled on it does not run here.")
    printer.talk("To fire the schedules here, and never there again: assist serve --take-over")
