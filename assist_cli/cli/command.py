"""``assist command``: saved scripts with versions and parameters."""

from __future__ import annotations

from typing import Annotated

import typer

from assist_cli.cli import command_view, documents, options, parameters, scripts
from assist_cli.cli.output import Encoding, Format, Printer
from assist_cli.errors import UsageError
from assist_cli.model import command_text
from assist_cli.model.command import (
    DEFAULT_TIMEOUT,
    Command,
    CommandType,
    CommandVersion,
    type_from_word,
    type_of_script,
)
from assist_cli.operations.commands import commands, exchange
from assist_cli.operations.commands.commands import Changes
from assist_cli.operations.commands.exchange import Clash
from assist_cli.operations.commands.parameters import definition
from assist_cli.operations.controller import open_controller
from assist_cli.operations.runs import refresh
from assist_cli.paths import home

LIST_LENGTH = 100

app = options.application("Saved scripts, with versions and parameters. To run one: assist invoke NAME")

Name = Annotated[str, typer.Argument(metavar="NAME", help="A name, an id, or the beginning of an id.")]
Reference = Annotated[
    str, typer.Argument(metavar="NAME[@VERSION]", help="Name or id; without @VERSION the newest version.")
]
Version = Annotated[int, typer.Argument(metavar="VERSION", min=1, help="Number of a version.")]
Description = Annotated[str | None, typer.Option("--description", metavar="TEXT", help="Purpose of the command.")]
Definitions = Annotated[
    list[str] | None,
    typer.Option("--param-def", metavar="'KEY …'", help="Define a parameter: assist help parameters."),
]


@app.command(
    epilog=options.examples(
        "assist command create disk -c 'df -h'",
        "assist command create restart -f restart.sh --param-def 'service required'",
    )
)
def create(
    context: typer.Context,
    *,
    name: Annotated[str, typer.Argument(metavar="NAME", help="Unique name of the command.")],
    script: scripts.ScriptOptions,
    type: Annotated[
        str | None,
        typer.Option("--type", metavar="TYPE", help="shell, bat or powershell (default: by -f, or shell)."),
    ] = None,
    description: Description = None,
    working_dir: Annotated[
        str | None, typer.Option("--workdir", metavar="DIR", help="Working directory (default: home of the user).")
    ] = None,
    timeout: Annotated[
        int,
        typer.Option(
            "--timeout",
            metavar="TIME",
            parser=options.whole_seconds,
            help="Stop the script after TIME (default 60 s).",
            show_default=False,
        ),
    ] = DEFAULT_TIMEOUT,
    enable: Annotated[
        bool, typer.Option("--enable-parameters", help="Treat {{key}} in the script as a parameter.")
    ] = False,
    definitions: Definitions = None,
    output: options.Output = Format.TABLE,
) -> None:
    """Save a script as a new command.

    Without -f and -c, $EDITOR opens on a terminal. --param-def also enables parameters.
    """
    printer = options.printer(context, output)
    kind = type_from_word(type) if type else None
    content = script.content()
    if content is None:
        content = _from_editor(printer, b"", kind or CommandType.SHELL)
    kind = kind or type_of_script(content, script.file)
    version = CommandVersion(
        content=script.fixed(printer, content, kind),
        type=kind,
        working_dir=working_dir,
        timeout=timeout,
        parameters_enabled=enable or bool(definitions),
        definitions=tuple(map(definition, definitions or ())),
    )
    with open_controller(home()) as controller:
        made = commands.create(controller, name, version, description or "")
    _print_saved(printer, made)
    parameters.warn_of_keys(printer, made.version)


@app.command("list", epilog=options.examples("assist command list", "assist command list -n 0 -o jsonl | jq .Name"))
def list_(
    context: typer.Context,
    number: Annotated[
        int | None,
        typer.Option("--number", "-n", min=0, metavar="N", help="Show at most N, 0 for all (default 100, JSON 1000)."),
    ] = None,
    output: options.Output = Format.TABLE,
    plain: options.Plain = False,
) -> None:
    """List the saved commands, by name."""
    printer = options.printer(context, output, plain=plain)
    number = options.list_length(number, printer, LIST_LENGTH)
    with open_controller(home()) as controller:
        found = commands.listing(controller, number + 1 if number else None)
        now = controller.now()
    shown = found[:number] if number else found
    if printer.is_json:
        printer.documents(documents.command(each, content=False) for each in shown)
    elif not shown:
        printer.talk("No commands are saved yet. Try: assist command create disk -c 'df -h'")
    else:
        command_view.print_list(printer, shown, now)
    if len(found) > len(shown):
        printer.talk("There are more commands. To show all of them, add: -n 0")


@app.command(epilog=options.examples("assist command show restart", "assist command show restart@1 -o json"))
def show(
    context: typer.Context,
    reference: Reference,
    output: options.Output = Format.TABLE,
    encoding: options.EncodingOption = Encoding.TEXT,
) -> None:
    """Show a command: settings, parameters and script."""
    printer = options.printer(context, output)
    with open_controller(home()) as controller:
        found = commands.get(controller, reference)
        now = controller.now()
    if printer.is_json:
        printer.document(documents.command(found, encoding))
        return
    command_view.print_details(printer, found, now)


@app.command(epilog=options.examples("assist command versions restart", "assist command versions restart -o json"))
def versions(
    context: typer.Context,
    name: Name,
    output: options.Output = Format.TABLE,
    plain: options.Plain = False,
    encoding: options.EncodingOption = Encoding.TEXT,
) -> None:
    """List the versions of a command, newest first."""
    printer = options.printer(context, output, plain=plain)
    with open_controller(home()) as controller:
        found = commands.versions(controller, name)
        now = controller.now()
    if printer.is_json:
        printer.documents(documents.command(each, encoding) for each in found)
        return
    command_view.print_versions(printer, found, now)


@app.command(epilog=options.examples("assist command diff restart 1", "assist command diff restart 1 2"))
def diff(
    context: typer.Context,
    name: Name,
    old: Version,
    new: Annotated[
        int | None,
        typer.Argument(metavar="[VERSION]", min=1, help="Number of the other version (default: the newest)."),
    ] = None,
    output: options.Output = Format.TABLE,
) -> None:
    """Compare two versions: settings and script."""
    printer = options.printer(context, output)
    with open_controller(home()) as controller:
        left = commands.get(controller, f"{name}@{old}")
        right = commands.get(controller, name if new is None else f"{name}@{new}")
    if printer.is_json:
        settings, lines = command_text.changed_settings(left, right), command_text.changed_lines(left, right)
        printer.document(documents.difference(left, right, settings, lines))
    elif not command_view.print_difference(printer, left, right):
        printer.talk(f"Versions {left.version.number} and {right.version.number} are the same.")


@app.command(
    epilog=options.examples(
        "assist command modify restart --name renew", "assist command modify disk --description 'free space'"
    )
)
def modify(
    context: typer.Context,
    name: Name,
    new_name: Annotated[str | None, typer.Option("--name", metavar="NEW", help="New name of the command.")] = None,
    description: Description = None,
) -> None:
    """Change the name or the description.

    To change the script or its settings, create a new version: assist command clone
    """
    if new_name is None and description is None:
        raise UsageError("no change given", hint="give --name or --description; for the script: assist command clone")
    with open_controller(home()) as controller:
        made = commands.modify(controller, name, new_name, description)
    options.printer(context).talk(f"Changed: {made.name}")


@app.command(
    epilog=options.examples(
        "assist command clone restart --timeout 5m", "assist command clone restart@1 --as restart-old"
    )
)
def clone(
    context: typer.Context,
    *,
    reference: Reference,
    new_name: Annotated[
        str | None, typer.Option("--as", metavar="NEW", help="Create a new command with this name.")
    ] = None,
    script: scripts.ScriptOptions,
    type: Annotated[
        str | None, typer.Option("--type", metavar="TYPE", help="shell, bat or powershell (default: as before).")
    ] = None,
    description: Description = None,
    working_dir: Annotated[
        str | None, typer.Option("--workdir", metavar="DIR", help="Working directory; '' is the home of the user.")
    ] = None,
    timeout: Annotated[
        int | None,
        typer.Option(
            "--timeout",
            metavar="TIME",
            parser=options.whole_seconds,
            help="Stop the script after TIME (default: as before).",
        ),
    ] = None,
    enable: Annotated[
        bool | None,
        typer.Option("--enable-parameters/--disable-parameters", help="Treat {{key}} as a parameter, or as text."),
    ] = None,
    definitions: Definitions = None,
    output: options.Output = Format.TABLE,
) -> None:
    """Create a new version of a command, or with --as a new command.

    Settings without an option stay as they are. Without any option, the script opens in $EDITOR on a terminal. All
    versions share the description.
    """
    printer = options.printer(context, output)
    content = script.content()
    kind = type_from_word(type) if type else None
    if kind is None and content is not None and script.file is not None:
        told = type_of_script(content, script.file)
        kind = told if told is not CommandType.SHELL else None  # a script without any sign counts as shell
    changes = Changes(
        content=content,
        type=kind,
        working_dir=working_dir,
        timeout=timeout,
        parameters_enabled=True if definitions and enable is None else enable,
        definitions=tuple(map(definition, definitions or ())) or None,
    )
    with open_controller(home()) as controller:
        if changes == Changes() and new_name is None:
            old = commands.get(controller, reference).version
            changes = Changes(content=_from_editor(printer, old.content, old.type))
        elif content is not None:
            kind = kind or commands.get(controller, reference).version.type
            changes = changes.replace(content=script.fixed(printer, content, kind))
        made = commands.clone(controller, reference, changes, new_name, description)
    _print_saved(printer, made)
    parameters.warn_of_keys(printer, made.version)


@app.command(epilog=options.examples("assist command rollback restart 1", "assist command rollback restart 2 -o json"))
def rollback(context: typer.Context, name: Name, version: Version, output: options.Output = Format.TABLE) -> None:
    """Make an older version the newest.

    The older version is copied to a new one, so no version is lost.
    """
    printer = options.printer(context, output)
    with open_controller(home()) as controller:
        made = commands.rollback(controller, name, version)
    _print_saved(printer, made)


@app.command(epilog=options.examples("assist command delete restart", "assist command delete disk uptime"))
def delete(
    context: typer.Context,
    wanted: Annotated[list[str], typer.Argument(metavar="NAME...", help="Names or ids.")],
) -> None:
    """Delete commands with all their versions. The history keeps their runs."""
    with open_controller(home()) as controller:
        refresh.refresh_commands(controller, wanted)
        deleted = commands.delete(controller, wanted)
    options.printer(context).talk("Deleted: " + ", ".join(each.name for each in deleted))


@app.command(epilog=options.examples("assist command export > commands.json", "assist command export restart disk"))
def export(
    context: typer.Context,
    wanted: Annotated[
        list[str] | None, typer.Argument(metavar="[NAME...]", help="Names or ids (default: all commands).")
    ] = None,
    output: options.Output = Format.JSON,
) -> None:
    """Print commands with all their versions, as JSON.

    To import them: assist command import
    """
    printer = options.printer(context, Format.JSONL if output is Format.JSONL else Format.JSON)
    with open_controller(home()) as controller:
        document = exchange.export(controller, wanted or ())
    printer.document(document)


@app.command("import", epilog=options.examples("assist command import commands.json", "assist command import - --skip"))
def import_(
    context: typer.Context,
    file: Annotated[str, typer.Argument(metavar="FILE", help="A file of assist command export; - is stdin.")],
    rename: Annotated[
        bool, typer.Option("--rename", help="Import a command whose name is taken under a new name.")
    ] = False,
    skip: Annotated[bool, typer.Option("--skip", help="Skip a command whose name is taken.")] = False,
    output: options.Output = Format.TABLE,
) -> None:
    """Import commands with all their versions from a file.

    Either all commands of the file are saved, or none.
    """
    if rename and skip:
        raise UsageError("cannot use --rename and --skip together", hint="give one of them")
    printer = options.printer(context, output)
    clash = Clash.RENAME if rename else Clash.SKIP if skip else Clash.REFUSE
    text = scripts.read(file).decode("utf-8", "replace")
    with open_controller(home()) as controller:
        found = exchange.import_text(controller, text, clash)
    made = [each.command for each in found if each.command is not None]
    if printer.is_json:
        printer.documents(map(documents.saved, made))
    else:
        for each in made:
            printer.line(command_view.line(each))
    for entry in found:
        if entry.command is None:
            printer.talk(f"Skipped: {entry.name}")
        elif entry.command.name != entry.name:
            printer.talk(f"Renamed: {entry.name} to {entry.command.name}")


def _from_editor(printer: Printer, content: bytes, kind: CommandType) -> bytes:
    if not printer.can_ask:
        raise UsageError("cannot save: no script given", hint="give it with -f FILE or -c TEXT")
    return scripts.edited(content, kind)


def _print_saved(printer: Printer, command: Command) -> None:
    if printer.is_json:
        printer.document(documents.saved(command))
    else:
        printer.line(command_view.line(command))
