"""``assist service``: the server as a systemd service."""

from __future__ import annotations

import typer

from assist_cli.cli import documents, options
from assist_cli.cli.listening import Listening
from assist_cli.cli.output import Format, Printer, Style
from assist_cli.errors import ExitStatus
from assist_cli.operations.controller import open_controller
from assist_cli.operations.server import service as operations
from assist_cli.operations.server.service import ServiceState, Systemd
from assist_cli.paths import home
from assist_cli.units import escape

app = options.application("Server as a systemd service, started at boot: install, status.")


@app.command(epilog=options.examples("assist service install", "sudo assist service install --api 127.0.0.1:8320"))
def install(
    context: typer.Context,
    output: options.Output = Format.TABLE,
    *,
    listening: Listening,
) -> None:
    """Install the server as a service, started now and at boot.

    The options are those of assist serve, without --once and --take-over. This writes a user unit, for root a system
    unit. Environment variables, such as secrets, are read from the file environment in ASSIST_HOME. Without systemd, a
    message says what to do.
    """
    printer = options.printer(context, output)
    listening.services()
    with open_controller(home()) as controller:
        _show(printer, operations.install(controller, Systemd(), listening.words()))


@app.command(epilog=options.examples("assist service status", "assist service status -o json"))
def status(context: typer.Context, output: options.Output = Format.TABLE) -> None:
    """Show the service and the running server. Exit status: 1 without a running service."""
    printer = options.printer(context, output)
    with open_controller(home()) as controller:
        state = operations.state(controller, Systemd())
    _show(printer, state)
    if not state.is_active:
        raise typer.Exit(ExitStatus.FAILED)


@app.command(epilog=options.examples("assist service uninstall", "sudo assist service uninstall"))
def uninstall(context: typer.Context) -> None:
    """Stop the service, and remove its unit. Schedules stay, and fire when a server runs again."""
    printer = options.printer(context)
    if not operations.uninstall(Systemd()):
        printer.talk("No service is installed.")


def _show(printer: Printer, state: ServiceState) -> None:
    if printer.is_json:
        printer.document(documents.service(state))
        return
    unit = f"{state.unit}, {'enabled' if state.is_enabled else 'not enabled'}"
    rows = [
        ("unit", unit if state.is_installed else "none: assist service install", state.is_enabled),
        ("state", "running" if state.is_active else "not running", state.is_active),
        ("server", f"process {state.process}" if state.process else "not running", state.process is not None),
    ]
    for name, text, good in rows:
        printer.line(f"{name:<7} {printer.paint(escape(text), Style.GOOD if good else Style.ODD)}")
    if state.is_installed and not state.lingers:
        printer.talk("The service ends at your logout. To keep it running: sudo loginctl enable-linger $USER")
