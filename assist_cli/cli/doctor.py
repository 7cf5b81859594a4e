"""``assist doctor``: check a controller or the route to an instance, with a hint for each problem."""

from __future__ import annotations

from typing import Annotated

import typer

from assist_cli.cli import documents, options
from assist_cli.cli.output import Format, Style
from assist_cli.operations.observe import doctor as operations
from assist_cli.paths import home
from assist_cli.units import escape

app = options.application()


@app.command(epilog=options.examples("assist doctor", "assist doctor web1"))
def doctor(
    context: typer.Context,
    instance: Annotated[
        str | None, typer.Argument(metavar="[INSTANCE]", help="Name or id (default: this controller).")
    ] = None,
    output: options.Output = Format.TABLE,
) -> None:
    """Check this controller, or the route to an instance and its agent.

    Each problem has a hint. Nothing is started or changed. Exit status: 0 if all is ok, 69 if the instance cannot be
    reached, 77 or 74 if the home cannot be used, else 1.
    """
    printer = options.printer(context, output)
    examination = operations.examine(home(), instance)
    found = examination.checks
    if printer.is_json:
        printer.documents(map(documents.check, found))
    else:
        width = max(len(check.name) for check in found)
        for check in found:
            mark = printer.paint("ok  ", Style.GOOD) if check.ok else printer.paint("BAD ", Style.BAD)
            printer.line(f"{mark} {check.name.ljust(width)}  {escape(check.detail)}")
            if not check.ok and check.hint:
                printer.line(f"{' ' * (width + 7)}{printer.paint('do:', Style.BUSY)} {escape(check.hint)}")
    if examination.status:
        raise typer.Exit(examination.status)
