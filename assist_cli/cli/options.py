"""What the commands have in common: how an application is made, shared options, and the Printer that they ask for."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Annotated

import typer

from assist_cli.cli.formatting import seconds_of
from assist_cli.cli.output import Encoding, Format, Printer
from assist_cli.cli.typer_classes import SHOWN, CliApplication, Noun
from assist_cli.errors import ExitStatus
from assist_cli.paths import is_exposed

LIST_LENGTH = 20
JSON_LENGTH = 1000
HUNDRED_YEARS = 100 * 366 * 86_400  # in seconds


def duration(text: str | float) -> float:
    """A duration in seconds: ``90`` ``30s`` ``10m`` ``2h`` ``30d``; a default comes as the number that it is."""
    seconds = seconds_of(str(text))
    if seconds is None:
        raise typer.BadParameter(f"'{text}' is no duration; write 30s, 10m, 2h or 1d")
    if seconds > HUNDRED_YEARS:
        raise typer.BadParameter(f"'{text}' is longer than 100 years")
    return seconds


def whole_seconds(text: str | int) -> int:
    """A duration in whole seconds."""
    seconds = duration(text)
    if seconds != int(seconds):
        raise typer.BadParameter(f"'{text}' is not a whole number of seconds")
    return int(seconds)


def moment(text: str) -> datetime:
    """A moment in the past: so long ago (``2h``), or a local date or time (``2026-11-22``, ``2026-11-22 08:00``)."""
    seconds = seconds_of(text)
    if seconds is not None:
        return datetime.now(timezone.utc) - timedelta(seconds=min(seconds, HUNDRED_YEARS))
    try:
        return datetime.fromisoformat(text).astimezone(timezone.utc)
    except (ValueError, OverflowError):
        raise typer.BadParameter(f"'{text}' is no time; write 2h, 30d, 2026-11-22 or '2026-11-22 08:00'") from None


def warn_if_exposed(path: Path) -> None:
    """Say that others can read a file in which a secret is kept."""
    if is_exposed(path):
        import shlex

        Printer().warn(f"warning: others can read '{path}': {shlex.join(['chmod', '600', str(path)])}")


Since = Annotated[
    datetime | None,
    typer.Option("--since", metavar="TIME", parser=moment, help="Not older than 2h, 30d, 2026-11-22 …"),
]
KeepScript = Annotated[bool, typer.Option("--keep-script", help="Leave the script file on the instance.")]
Id = Annotated[str, typer.Argument(metavar="ID", help="An id, its beginning, or - for the newest.")]
Number = Annotated[
    int | None,
    typer.Option("--number", "-n", min=0, metavar="N", help="At most so many; 0: all. Default: 20, in JSON 1000."),
]
Live = Annotated[bool, typer.Option("--live", help="Several: only lines, as they come.")]
Gather = Annotated[bool, typer.Option("--gather", help="Several: equal output together, at the end.")]
Patience = Annotated[
    float | None,
    typer.Option("--wait", metavar="TIME", parser=duration, help="Wait no longer; it goes on (75)."),
]
Output = Annotated[
    Format,
    typer.Option("--output", "-o", metavar="FORM", help="table, json or jsonl.", rich_help_panel=SHOWN),
]
Plain = Annotated[bool, typer.Option("--plain", help="Tables without lines and cuts.")]
EncodingOption = Annotated[
    Encoding,
    typer.Option("--encoding", metavar="FORM", help="Bytes in JSON: text or base64.", rich_help_panel=SHOWN),
]


def application(help: str | None = None) -> typer.Typer:
    """An application of one command, or with ``help`` the group of a noun, which alone prints its help."""
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
    """How many a list shows, 0 for all: what ``-n`` says, else so many ``rows`` of a table, and more for a program."""
    if number is None:
        return JSON_LENGTH if printer.is_json else rows
    return number


def examples(*lines: str) -> str:
    """The end of a help text."""
    return "\b\nExamples:\n" + "\n".join(f"  {line}" for line in lines)


def printer(context: typer.Context, output: Format = Format.TABLE, *, plain: bool = False) -> Printer:
    """The Printer of a command: what ``-q`` and ``-v`` say before it, and ``-o`` and ``--plain`` after it."""
    root = context.find_root().params
    return Printer(quiet=root["quiet"], verbose=root["verbose"], format=output, plain=plain)
