"""What kinds of commands there are to Typer: nouns that know what was meant, and commands of many options."""

from __future__ import annotations

from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup

from assist_cli.errors import UsageError


class Noun(TyperGroup):
    """A group that says, of a word that is none of its commands, which one was meant."""

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        word = args[0]
        if word not in self.commands and not word.startswith("-"):
            from assist_cli.model.names import meant

            raise UsageError(
                f"cannot understand this: no such command '{word}'",
                hint=f"{meant(word, self.commands)}see {ctx.command_path} --help",
            )
        return super().resolve_command(ctx, args)


class Command(TyperCommand):
    """A command; one of many options shows them under headings."""

    def collect_usage_pieces(self, ctx: Any) -> list[str]:
        """An argument that must be given stands there as it is, where Typer puts braces around it."""
        return [piece.strip("{}") for piece in super().collect_usage_pieces(ctx)]

    def format_options(self, ctx: Any, formatter: Any) -> None:
        sections: dict[str, list[tuple[str, str]]] = {title: [] for title in ("Arguments", "Options", *HEADINGS)}
        parameters = self.get_params(ctx)
        for parameter in parameters:
            record = parameter.get_help_record(ctx)
            if record is not None:
                sections[_heading(parameter, len(parameters) >= MANY)].append(record)
        for title, records in sections.items():
            if records:
                with formatter.section(title):
                    formatter.write_dl(records)


class Application(typer.Typer):
    """An application whose commands are such ones."""

    def command(self, name: str | None = None, **settings: Any) -> Any:
        return super().command(name, **{"cls": Command, **settings})


MANY = 15
HEADINGS = {
    "Where it runs": ("--instance", "--all", "--pick", "--seed", "--preview"),
    "When it runs": ("--every", "--cron", "--timezone", "--at", "--in", "--jitter", "--missed", "--keep"),
    "Parameters": ("--param", "--params", "--secret"),
    "Waves": ("--canary", "--batch", "--max-errors", "--concurrency"),
    "What is shown": ("--detach", "--wait", "--live", "--gather", "--output", "--encoding", "--notify", "--notify-on"),
}


def _heading(parameter: Any, many: bool) -> str:
    if parameter.param_type_name == "argument":
        return "Arguments"
    headings = HEADINGS.items() if many else ()
    return next((title for title, names in headings if set(names) & set(parameter.opts)), "Options")
