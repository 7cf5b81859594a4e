"""``assist user``: the users of the web console, with their roles and scopes."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from assist_cli.cli import documents, options, scripts
from assist_cli.cli.formatting import and_paused, clock
from assist_cli.cli.output import Cell, Column, Format, Printer, Style
from assist_cli.errors import FileFailure, UsageError
from assist_cli.model.access import Role, User, role_from_word
from assist_cli.model.secret import Secret
from assist_cli.operations.access import users
from assist_cli.operations.controller import open_controller
from assist_cli.paths import home
from assist_cli.units import ago

app = options.application("Users of the web console: add, list, disable, remove, password.")

Name = Annotated[str, typer.Argument(metavar="NAME", help="Name of the user.")]
PasswordFile = Annotated[
    str | None,
    typer.Option("--password-file", metavar="FILE|-", help="Read the password from a line of FILE, or of stdin."),
]


@app.command(
    epilog=options.examples(
        "assist user add ana --role admin",
        "assist user add bo --role operator --on '@role=web'",
        "pass show assist/ci | assist user add ci --role viewer --password-file -",
    )
)
def add(
    context: typer.Context,
    name: Annotated[str, typer.Argument(metavar="NAME", help="Name for the login, also in the audit log.")],
    role: Annotated[
        str,
        typer.Option(
            "--role", metavar="ROLE", help="viewer, operator or admin (default operator).", show_default=False
        ),
    ] = Role.OPERATOR.value,
    scope: Annotated[
        list[str] | None,
        typer.Option("--on", metavar="TARGET", help="Restrict the user to these instances (default: all)."),
    ] = None,
    password_file: PasswordFile = None,
    output: options.Output = Format.TABLE,
) -> None:
    """Add a user of the web console. The password is asked for.

    A viewer may read, an operator may also run, send and stop, an admin may do everything. A user who may run scripts
    on an instance has all rights of its agent there. A tag in --on is resolved at each request.
    """
    printer = options.printer(context, output)
    chosen = role_from_word(role)
    with open_controller(home()) as controller:
        user = users.add(controller, name, _password(printer, password_file), chosen, scope or ())
    if printer.is_json:
        printer.document(documents.user(user))
        return
    printer.talk(f"{user.name} is {user.role} on {', '.join(user.scope) or 'all instances'}.")


@app.command("list", epilog=options.examples("assist user list", "assist user list -o json"))
def list_(context: typer.Context, output: options.Output = Format.TABLE, plain: options.Plain = False) -> None:
    """List the users of the web console by name."""
    printer = options.printer(context, output, plain=plain)
    with open_controller(home()) as controller:
        found = users.listing(controller)
        now = controller.now()
    if printer.is_json:
        printer.documents(map(documents.user, found))
        return
    columns = [
        Column("NAME", flexible=True),
        Column("ROLE"),
        Column("ON", flexible=True, drop=2),
        Column("STATE"),
        Column("LOGIN", drop=1),
    ]
    printer.table(columns, (_row(user, now) for user in found))
    if not found:
        printer.talk("No users yet. Try: assist user add NAME; or, without a user, assist console open")


@app.command(epilog=options.examples("assist user show ana", "assist user show ana -o json"))
def show(context: typer.Context, name: Name, output: options.Output = Format.TABLE) -> None:
    """Show a user: role, instances, state and last login."""
    printer = options.printer(context, output)
    with open_controller(home()) as controller:
        user = users.get(controller, name)
    if printer.is_json:
        printer.document(documents.user(user))
        return
    rows = [
        ("Name", user.name),
        ("Role", user.role.value),
        ("On", ", ".join(user.scope) or "all instances"),
        ("State", "enabled" if user.enabled else "disabled"),
        ("Created", clock(user.created)),
        ("Login", clock(user.last_used) if user.last_used else "never"),
    ]
    printer.fields(rows, 8)


@app.command(epilog=options.examples("assist user disable bo", "assist -q user disable ana"))
def disable(context: typer.Context, name: Name) -> None:
    """Disable a user. All sessions end immediately, and the schedules of the user are paused."""
    with open_controller(home()) as controller:
        user, paused = users.disable(controller, name)
    options.printer(context).talk(f"{user.name} is disabled{and_paused(paused)}")


@app.command(epilog=options.examples("assist user enable bo", "assist -q user enable ana"))
def enable(context: typer.Context, name: Name) -> None:
    """Enable a disabled user. Schedules stay paused. To resume one: assist schedule resume ID."""
    with open_controller(home()) as controller:
        user = users.enable(controller, name)
    options.printer(context).talk(f"{user.name} is enabled.")


@app.command(epilog=options.examples("assist user remove bo", "assist -q user remove ana"))
def remove(context: typer.Context, name: Name) -> None:
    """Remove a user. All sessions end, and schedules are paused. The history and the audit log stay."""
    with open_controller(home()) as controller:
        user, paused = users.remove(controller, name)
    options.printer(context).talk(f"{user.name} is removed{and_paused(paused)}")


@app.command(epilog=options.examples("assist user password ana", "assist user password ana --password-file secret.txt"))
def password(context: typer.Context, name: Name, password_file: PasswordFile = None) -> None:
    """Set the password of a user, which is asked for. All sessions of the user end."""
    printer = options.printer(context)
    with open_controller(home()) as controller:
        users.get(controller, name)
        user = users.set_password(controller, name, _password(printer, password_file))
    printer.talk(f"{user.name} has a new password.")


def _password(printer: Printer, file: str | None) -> Secret:
    """Return the password from a file or stdin, or ask for it two times. Raises UsageError, FileFailure."""
    if file is not None:
        if file != "-":
            options.warn_if_exposed(Path(file))
        return Secret(_first_line(file))
    if not printer.can_ask:
        raise UsageError("cannot ask for the password: this is not a terminal", hint="give --password-file FILE, or -")
    given = printer.ask("Password: ", hidden=True)
    if given != printer.ask("The same again: ", hidden=True):
        raise UsageError("cannot use the password: the two are different", hint="repeat the command")
    return Secret(given)


def _first_line(file: str) -> str:
    try:
        return scripts.read(file).decode().partition("\n")[0].removesuffix("\r")
    except UnicodeDecodeError as error:
        raise FileFailure(f"cannot read the password file '{file}': it is not UTF-8") from error


def _row(user: User, now: datetime) -> Sequence[Cell | str]:
    return [
        user.name,
        user.role.value,
        ", ".join(user.scope) or "all",
        "enabled" if user.enabled else Cell("disabled", Style.BAD),
        ago(user.last_used, now) if user.last_used else "never",
    ]
