"""``assist command``: the library of scripts."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated

import typer

from assist_cli.cli import command_view, documents, options, parameters, scripts
from assist_cli.cli.output import Encoding, Format, Printer
from assist_cli.errors import UsageError
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

app = options.application("Saved scripts: named, versioned, with parameters. To run one: assist invoke NAME")

Name = Annotated[str, typer.Argument(metavar="NAME", help="A name, an id, or the beginning of an id.")]
Reference = Annotated[
    str, typer.Argument(metavar="NAME[@VERSION]", help="A name or an id; without a version the newest.")
]
Version = Annotated[int, typer.Argument(metavar="VERSION", min=1)]
Description = Annotated[str | None, typer.Option("--description", metavar="TEXT", help="What it is for.")]
Definitions = Annotated[
    list[str] | None,
    typer.Option("--param-def", metavar="'KEY …'", help="Say more of a parameter; see assist help parameters."),
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
    name: Annotated[str, typer.Argument(metavar="NAME", help="A name that no other command has.")],
    script: scripts.ScriptOptions,
    type: Annotated[
        str | None,
        typer.Option("--type", metavar="TYPE", help="shell, bat or powershell; default: what the script tells."),
    ] = None,
    description: Description = None,
    working_dir: Annotated[
        str | None, typer.Option("--workdir", metavar="DIR", help="Where to run; default: the user's home.")
    ] = None,
    timeout: Annotated[
        int, typer.Option("--timeout", metavar="TIME", parser=options.whole_seconds, help="Stop it after so long.")
    ] = DEFAULT_TIMEOUT,
    enable: Annotated[
        bool, typer.Option("--enable-parameters", help="{{key}} in the script is a place for a value.")
    ] = False,
    definitions: Definitions = None,
    output: options.Output = Format.TABLE,
) -> None:
    """Save a script as a new command.

    Without -f and -c, $EDITOR opens on a terminal. --param-def enables parameters too.
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
        typer.Option("--number", "-n", min=0, metavar="N", help="At most so many; 0: all. Default: 100, in JSON 1000."),
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
        printer.talk("Nothing is saved yet. Try: assist command create disk -c 'df -h'")
    else:
        command_view.print_list(printer, shown, now)
    if len(found) > len(shown):
        printer.talk("There are more; all of them: assist command list -n 0")


@app.command(epilog=options.examples("assist command show restart", "assist command show restart@1 -o json"))
def show(
    context: typer.Context,
    reference: Reference,
    output: options.Output = Format.TABLE,
    encoding: options.EncodingOption = Encoding.TEXT,
) -> None:
    """Show a command: its settings, its parameters, and the script."""
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
    new: Annotated[int | None, typer.Argument(metavar="[VERSION]", min=1, help="Default: the newest.")] = None,
    output: options.Output = Format.TABLE,
) -> None:
    """Show how two versions differ, in settings and in the script."""
    printer = options.printer(context, output)
    with open_controller(home()) as controller:
        left = commands.get(controller, f"{name}@{old}")
        right = commands.get(controller, name if new is None else f"{name}@{new}")
    if printer.is_json:
        settings, lines = command_view.changed_settings(left, right), command_view.changed_lines(left, right)
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
    new_name: Annotated[str | None, typer.Option("--name", metavar="NEW", help="The new name.")] = None,
    description: Description = None,
) -> None:
    """Change the name or the description, in place.

    The script and its settings are changed by a new version: assist command clone
    """
    if new_name is None and description is None:
        raise UsageError(
            "cannot modify nothing", hint="give --name or --description; for the script: assist command clone"
        )
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
        str | None, typer.Option("--as", metavar="NEW", help="Make a new command of this name.")
    ] = None,
    script: scripts.ScriptOptions,
    type: Annotated[str | None, typer.Option("--type", metavar="TYPE", help="shell, bat or powershell.")] = None,
    description: Description = None,
    working_dir: Annotated[
        str | None, typer.Option("--workdir", metavar="DIR", help="Where to run; '' is the user's home.")
    ] = None,
    timeout: Annotated[
        int | None,
        typer.Option("--timeout", metavar="TIME", parser=options.whole_seconds, help="Stop it after so long."),
    ] = None,
    enable: Annotated[
        bool | None,
        typer.Option("--enable-parameters/--disable-parameters", help="Whether {{key}} is a place for a value."),
    ] = None,
    definitions: Definitions = None,
    output: options.Output = Format.TABLE,
) -> None:
    """Make a new version, or with --as a new command.

    It differs in what the options say. Without any option, the script opens in $EDITOR on a terminal. The
    description is of all versions.
    """
    printer = options.printer(context, output)
    content = script.content()
    kind = type_from_word(type) if type else None
    if kind is None and content is not None and script.file is not None:
        told = type_of_script(content, script.file)
        kind = told if told is not CommandType.SHELL else None  # a shell script is what has no other sign
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
            changes = replace(changes, content=script.fixed(printer, content, kind))
        made = commands.clone(controller, reference, changes, new_name, description)
    _print_saved(printer, made)
    parameters.warn_of_keys(printer, made.version)


@app.command(epilog=options.examples("assist command rollback restart 1", "assist command rollback restart 2 -o json"))
def rollback(context: typer.Context, name: Name, version: Version, output: options.Output = Format.TABLE) -> None:
    """Make an older version the newest.

    It becomes a new version, so that nothing is lost.
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
    """Delete commands with all their versions. The history keeps what ran of them."""
    with open_controller(home()) as controller:
        refresh.refresh_commands(controller, wanted)
        deleted = commands.delete(controller, wanted)
    options.printer(context).talk("Deleted: " + ", ".join(each.name for each in deleted))


@app.command(epilog=options.examples("assist command export > commands.json", "assist command export restart disk"))
def export(
    context: typer.Context,
    wanted: Annotated[list[str] | None, typer.Argument(metavar="[NAME...]", help="Default: all commands.")] = None,
    output: options.Output = Format.JSON,
) -> None:
    """Print commands with all their versions, for assist command import."""
    printer = options.printer(context, Format.JSONL if output is Format.JSONL else Format.JSON)
    with open_controller(home()) as controller:
        document = exchange.export(controller, wanted or ())
    printer.document(document)


@app.command("import", epilog=options.examples("assist command import commands.json", "assist command import - --skip"))
def import_(
    context: typer.Context,
    file: Annotated[str, typer.Argument(metavar="FILE", help="What assist command export printed; - is stdin.")],
    rename: Annotated[bool, typer.Option("--rename", help="Give a new name to what has a taken one.")] = False,
    skip: Annotated[bool, typer.Option("--skip", help="Leave out what has a taken name.")] = False,
    output: options.Output = Format.TABLE,
) -> None:
    """Save the commands of a file, with all their versions.

    All of them are saved, or none.
    """
    if rename and skip:
        raise UsageError("cannot both rename and skip", hint="give one of --rename and --skip")
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
        raise UsageError("cannot tell what to save: there is no script", hint="give it with -f FILE or -c TEXT")
    return scripts.edited(content, kind)


def _print_saved(printer: Printer, command: Command) -> None:
    if printer.is_json:
        printer.document(documents.saved(command))
    else:
        printer.line(command_view.line(command))
