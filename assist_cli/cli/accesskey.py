"""``assist accesskey``: who may call the HTTP API, and what for."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated

import typer

from assist_cli.cli import documents, options
from assist_cli.cli.formatting import ago, count
from assist_cli.cli.output import Cell, Column, Format, Style
from assist_cli.model.access import AccessKey, Role, role_from_word
from assist_cli.operations.access import accesskeys
from assist_cli.operations.controller import open_controller
from assist_cli.paths import home

app = options.application("Access keys: with one a program signs what it asks of the HTTP API.")

Key = Annotated[str, typer.Argument(metavar="NAME|ID", help="The key by its name or its whole id.")]


@app.command(
    epilog=options.examples(
        "assist accesskey create ci --role operator --on '@role=web'",
        "assist accesskey create wall --role viewer -o json",
    )
)
def create(
    context: typer.Context,
    name: Annotated[str, typer.Argument(metavar="NAME", help="What the key is called, in the audit log too.")],
    role: Annotated[
        str, typer.Option("--role", metavar="ROLE", help="viewer, operator or admin.")
    ] = Role.OPERATOR.value,
    scope: Annotated[
        list[str] | None, typer.Option("--on", metavar="TARGET", help="Only these instances; default: all.")
    ] = None,
    output: options.Output = Format.TABLE,
) -> None:
    """Make an access key. Its secret is shown this once.

    A viewer may look, an operator also run, send and stop, an admin all. Whoever may run scripts on an instance can do
    there whatever its agent can. A tag in --on counts as it stands at each call.
    """
    printer = options.printer(context, output)
    with open_controller(home()) as controller:
        key = accesskeys.create(controller, name, role_from_word(role), scope or ())
    if printer.is_json:
        printer.document(documents.new_access_key(key))
        return
    printer.line(f"AccessKeyId      {key.id}")
    printer.line(f"AccessKeySecret  {key.secret.reveal()}")
    printer.talk("Keep the secret now: it is not shown again.")


@app.command("list", epilog=options.examples("assist accesskey list", "assist accesskey list -o json"))
def list_(context: typer.Context, output: options.Output = Format.TABLE, plain: options.Plain = False) -> None:
    """List the access keys by name, without their secrets."""
    printer = options.printer(context, output, plain=plain)
    with open_controller(home()) as controller:
        found = accesskeys.listing(controller)
        now = controller.now()
    if printer.is_json:
        printer.documents(map(documents.access_key, found))
        return
    columns = [
        Column("NAME", flexible=True),
        Column("ROLE"),
        Column("ON", flexible=True),
        Column("STATE"),
        Column("USED"),
        Column("ID"),
    ]
    printer.table(columns, (_row(key, now) for key in found))
    if not found:
        printer.talk("There is none yet: assist accesskey create NAME")


@app.command(epilog=options.examples("assist accesskey disable ci", "assist accesskey disable AK7Q3W…"))
def disable(context: typer.Context, key: Key) -> None:
    """Disable a key: from now on it may do nothing, and what it scheduled is paused. Enable it again with enable."""
    with open_controller(home()) as controller:
        found, paused = accesskeys.disable(controller, key)
    options.printer(context).talk(f"{found.name} is disabled{_and_paused(paused)}")


@app.command(epilog=options.examples("assist accesskey enable ci", "assist accesskey enable AK7Q3W…"))
def enable(context: typer.Context, key: Key) -> None:
    """Enable a key that was disabled. Its schedules stay paused until you resume them: assist schedule resume ID."""
    with open_controller(home()) as controller:
        found = accesskeys.enable(controller, key)
    options.printer(context).talk(f"{found.name} is enabled.")


@app.command(epilog=options.examples("assist accesskey delete ci", "assist accesskey delete AK7Q3W…"))
def delete(context: typer.Context, key: Key) -> None:
    """Delete a key, and pause what it scheduled. What was done stays in the history and in the audit log."""
    with open_controller(home()) as controller:
        found, paused = accesskeys.delete(controller, key)
    options.printer(context).talk(f"{found.name} is deleted{_and_paused(paused)}")


def _and_paused(schedules: int) -> str:
    if not schedules:
        return "."
    return f", and {count(schedules, 'schedule')} of it paused: assist schedule list shows them."


def _row(key: AccessKey, now: datetime) -> Sequence[Cell | str]:
    return [
        key.name,
        key.role.value,
        ", ".join(key.scope) or "all",
        "enabled" if key.enabled else Cell("disabled", Style.BAD),
        ago(key.last_used, now) if key.last_used else "",
        key.id,
    ]
