"""``assist accesskey``: the keys of clients of the HTTP API, with their roles and scopes."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated

import typer

from assist_cli.cli import documents, options
from assist_cli.cli.formatting import and_paused
from assist_cli.cli.output import Cell, Column, Format, Style
from assist_cli.model.access import AccessKey, Role, role_from_word
from assist_cli.operations.access import accesskeys
from assist_cli.operations.controller import open_controller
from assist_cli.paths import home
from assist_cli.units import ago

app = options.application("Access keys of the HTTP API: create, list, disable, delete.")

Key = Annotated[str, typer.Argument(metavar="NAME|ID", help="Name or complete id of the key.")]


@app.command(
    epilog=options.examples(
        "assist accesskey create ci --role operator --on '@role=web'",
        "assist accesskey create wall --role viewer -o json",
    )
)
def create(
    context: typer.Context,
    name: Annotated[str, typer.Argument(metavar="NAME", help="Name of the key, also in the audit log.")],
    role: Annotated[
        str,
        typer.Option(
            "--role", metavar="ROLE", help="viewer, operator or admin (default operator).", show_default=False
        ),
    ] = Role.OPERATOR.value,
    scope: Annotated[
        list[str] | None,
        typer.Option("--on", metavar="TARGET", help="Restrict the key to these instances (default: all)."),
    ] = None,
    output: options.Output = Format.TABLE,
) -> None:
    """Create an access key. Its secret is shown only now.

    A viewer may read, an operator may also run, send and stop, an admin may do everything. A key that may run scripts
    on an instance has all rights of its agent there. A tag in --on is resolved at each call.
    """
    printer = options.printer(context, output)
    with open_controller(home()) as controller:
        key = accesskeys.create(controller, name, role_from_word(role), scope or ())
    if printer.is_json:
        printer.document(documents.new_access_key(key))
        return
    printer.line(f"AccessKeyId      {key.id}")
    printer.line(f"AccessKeySecret  {key.secret.reveal()}")
    printer.talk("Save the secret now: it is not shown again.")


@app.command("list", epilog=options.examples("assist accesskey list", "assist accesskey list -o json"))
def list_(context: typer.Context, output: options.Output = Format.TABLE, plain: options.Plain = False) -> None:
    """List the access keys by name, without their secrets. USED is updated at most once a minute."""
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
        Column("ON", flexible=True, drop=3),
        Column("STATE"),
        Column("USED", drop=2),
        Column("ID", drop=1),
    ]
    printer.table(columns, (_row(key, now) for key in found))
    if not found:
        printer.talk("No access keys yet. Try: assist accesskey create NAME")


@app.command(epilog=options.examples("assist accesskey disable ci", "assist accesskey disable AK7Q3W…"))
def disable(context: typer.Context, key: Key) -> None:
    """Disable a key. Its calls are refused, and its schedules are paused."""
    with open_controller(home()) as controller:
        found, paused = accesskeys.disable(controller, key)
    options.printer(context).talk(f"{found.name} is disabled{and_paused(paused)}")


@app.command(epilog=options.examples("assist accesskey enable ci", "assist accesskey enable AK7Q3W…"))
def enable(context: typer.Context, key: Key) -> None:
    """Enable a disabled key. Its schedules stay paused. To resume one: assist schedule resume ID."""
    with open_controller(home()) as controller:
        found = accesskeys.enable(controller, key)
    options.printer(context).talk(f"{found.name} is enabled.")


@app.command(epilog=options.examples("assist accesskey delete ci", "assist accesskey delete AK7Q3W…"))
def delete(context: typer.Context, key: Key) -> None:
    """Delete a key, and pause its schedules. The history and the audit log stay."""
    with open_controller(home()) as controller:
        found, paused = accesskeys.delete(controller, key)
    options.printer(context).talk(f"{found.name} is deleted{and_paused(paused)}")


def _row(key: AccessKey, now: datetime) -> Sequence[Cell | str]:
    return [
        key.name,
        key.role.value,
        ", ".join(key.scope) or "all",
        "enabled" if key.enabled else Cell("disabled", Style.BAD),
        ago(key.last_used, now) if key.last_used else "",
        key.id,
    ]
