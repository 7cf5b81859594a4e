"""Parts that all commands share: the application, common options, and the Printer."""

from __future__ import annotations

from datetime import datetime, timezone
from pathlib import Path
from typing import Annotated

import typer
from typer._types import TyperChoice

from assist_cli import codes
from assist_cli.cli.output import Encoding, Format, Printer
from assist_cli.cli.typer_classes import SHOWN, CliApplication, Noun
from assist_cli.errors import ExitStatus, Refused
from assist_cli.paths import is_exposed
from assist_cli.units import HUNDRED_YEARS, seconds_of

LIST_LENGTH = 20
JSON_LENGTH = 1000


def duration(text: str | float) -> float:
    """Parse a duration into seconds: ``90``, ``30s``, ``10m``, ``1h30m``, ``2 days``. A default comes as a number."""
    seconds = seconds_of(text) if isinstance(text, str) else float(text)
    if seconds is None:
        raise typer.BadParameter(f"'{text}' is not a duration; write 30s, 10m, 2h or 1d")
    if seconds > HUNDRED_YEARS:
        raise typer.BadParameter(f"'{text}' is longer than 100 years")
    return seconds


def whole_seconds(text: str | int) -> int:
    """Parse a duration that must be whole seconds."""
    seconds = duration(text)
    if seconds != int(seconds):
        raise typer.BadParameter(f"'{text}' is not a whole number of seconds")
    return int(seconds)


def age(text: str) -> float:
    """Parse an age into seconds. It must have a unit, since a person who writes 90 may mean days."""
    from assist_cli.model import past  # which few commands need

    try:
        past.age(text)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None
    return duration(text)


def moment(text: str) -> datetime:
    """Parse a moment in the past, see ``past.moment``."""
    from assist_cli.model import past  # which few commands need

    try:
        return past.moment(text, datetime.now(timezone.utc))
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None


def warn_if_exposed(path: Path) -> None:
    """Warn if other users can read a file that has a secret."""
    if is_exposed(path):
        import shlex

        Printer().warn(f"warning: others can read '{path}': {shlex.join(['chmod', '600', str(path)])}")


Since = Annotated[
    datetime | None,
    typer.Option("--since", metavar="TIME", parser=moment, help="Only those since TIME: 2h, yesterday, 2026-11-22."),
]
KeepScript = Annotated[bool, typer.Option("--keep-script", help="Keep the script file on the instance.")]
Id = Annotated[str, typer.Argument(metavar="ID", help="An id, the beginning of one, or - for the newest.")]
Number = Annotated[
    int | None,
    typer.Option("--number", "-n", min=0, metavar="N", help="Show at most N, 0 for all (default 20, JSON 1000)."),
]
Live = Annotated[bool, typer.Option("--live", help="Several instances: only lines, as they arrive.")]
Gather = Annotated[bool, typer.Option("--gather", help="Several instances: only groups of equal output.")]
OutputFolder = Annotated[
    Path | None,
    typer.Option("--outdir", metavar="DIR", help="Also write each output to files in DIR, new or empty."),
]
Patience = Annotated[
    float | None,
    typer.Option(
        "--wait", metavar="TIME", parser=duration, help="Stop waiting after TIME (exit 75); the run continues."
    ),
]
Output = Annotated[
    Format,
    typer.Option(
        "--output",
        "-o",
        metavar="FORMAT",
        click_type=TyperChoice([Format.TABLE.value, Format.JSON.value, Format.JSONL.value]),
        help="table, json or jsonl (default table).",
        show_default=False,
        rich_help_panel=SHOWN,
    ),
]
RowOutput = Annotated[
    Format,
    typer.Option(
        "--output",
        "-o",
        metavar="FORMAT",
        help="table, json, jsonl or csv (default table).",
        show_default=False,
        rich_help_panel=SHOWN,
    ),
]
Plain = Annotated[bool, typer.Option("--plain", help="Tables without lines, complete at any width.")]
EncodingOption = Annotated[
    Encoding,
    typer.Option(
        "--encoding",
        metavar="FORMAT",
        help="Encode bytes in JSON as text or base64 (default text).",
        show_default=False,
        rich_help_panel=SHOWN,
    ),
]


def application(help: str | None = None) -> CliApplication:
    """Return an application of one command, or with ``help`` a group, which without a command prints its help."""
    app = CliApplication(
        cls=Noun,
        help=help,
        add_completion=False,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    if help is not None:
        app.callback(invoke_without_command=True)(print_help)
    return app


def print_help(context: typer.Context) -> None:
    if context.invoked_subcommand is None:
        printer(context).log(context.get_help())
        raise typer.Exit(ExitStatus.USAGE)


def list_length(number: int | None, printer: Printer, rows: int = LIST_LENGTH) -> int:
    """Return the number of entries of a list, 0 for all: that of ``-n``, else ``rows``, and more in JSON."""
    if number is None:
        return JSON_LENGTH if printer.is_json else rows
    return number


def examples(*lines: str) -> str:
    """Return the examples at the end of a help text."""
    return "\b\nExamples:\n" + "\n".join(f"  {line}" for line in lines)


def confirm(printer: Printer, question: str, refusal: str, hint: str = "add --yes") -> None:
    """Ask a person. Raises Refused with this refusal if nobody can be asked, and typer.Abort if the answer is no."""
    if not printer.can_ask:
        raise Refused(refusal, code=codes.NOT_CONFIRMED, hint=hint)
    if not printer.confirm(question):
        raise typer.Abort


def printer(context: typer.Context, output: Format = Format.TABLE, *, plain: bool = False) -> Printer:
    """Return the Printer of a command, with the settings of ``-q``, ``-v``, ``-o`` and ``--plain``."""
    root = context.find_root().params
    return Printer(quiet=root["quiet"], verbose=root["verbose"], format=output, plain=plain)
