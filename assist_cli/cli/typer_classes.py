"""The classes that Typer makes our commands of: nouns that know what was meant, and commands of many options."""

from __future__ import annotations

from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup

from assist_cli.cli.output import Printer
from assist_cli.errors import UsageError


class _PrintsHelp:
    """A command that prints its help with the Printer, where Typer would write to stdout itself."""

    def get_help_option(self, ctx: Any) -> Any:
        option = super().get_help_option(ctx)  # type: ignore[misc]
        if option is not None:
            option.callback = _print_help
        return option


def _print_help(ctx: Any, option: Any, asked: bool) -> None:
    if asked and not ctx.resilient_parsing:
        printer = Printer()
        printer.line(ctx.get_help())
        printer.flush()
        ctx.exit()


class Noun(_PrintsHelp, TyperGroup):
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


class CliCommand(_PrintsHelp, TyperCommand):
    """A command; one of many options shows them close together, under headings, so that they fit a screen."""

    def collect_usage_pieces(self, ctx: Any) -> list[str]:
        """An argument that must be given stands there as it is, where Typer puts braces around it."""
        return [piece.strip("{}") for piece in super().collect_usage_pieces(ctx)]

    def format_options(self, ctx: Any, formatter: Any) -> None:
        parameters = self.get_params(ctx)
        many = len(parameters) >= MANY
        titles = (BOTH, *HEADINGS) if many else ("Arguments", "Options")
        sections: dict[str, list[tuple[str, str]]] = {title: [] for title in titles}
        for parameter in parameters:
            record = parameter.get_help_record(ctx)
            if record is not None:
                sections[_heading(parameter, many)].append(record)
        found = {title: _joined(records) if many else records for title, records in sections.items() if records}
        if not many:
            for title, records in found.items():
                with formatter.section(title):
                    formatter.write_dl(records)
            return
        columns = max(len(name) for records in found.values() for name, _ in records)
        formatter.write_paragraph()
        for title, records in found.items():
            formatter.write_heading(title)
            with formatter.indentation():
                formatter.write_dl([(name.ljust(columns), text) for name, text in records])


class CliApplication(typer.Typer):
    """An application whose commands are such ones."""

    def command(self, name: str | None = None, **settings: Any) -> Any:
        return super().command(name, **{"cls": CliCommand, **settings})


MANY = 15
BOTH = "Arguments and options"
HEADINGS = {
    "Where it runs": ("--instance", "--all", "--pick", "--seed", "--preview"),
    "When it runs": ("--every", "--cron", "--timezone", "--at", "--in", "--jitter", "--missed", "--keep"),
    "Waves": ("--canary", "--batch", "--max-errors", "--concurrency"),
    "What is shown": ("--detach", "--wait", "--live", "--gather", "--output", "--encoding", "--notify", "--notify-on"),
}

# Of many options, these stand in one line.
TOGETHER = {
    ("--pick", "--seed"): "So many by chance; with a seed the same ones again.",
    ("--at", "--in"): "Once: '2026-12-01 02:00', or 10m from now.",
    ("--detach", "--wait"): "Return at once; or wait no longer, it goes on (75).",
    ("--live", "--gather"): "Several: only lines, as they come; only groups.",
}


def _joined(records: list[tuple[str, str]]) -> list[tuple[str, str]]:
    found = {name.split()[0]: (name, text) for name, text in records}
    for (one, other), text in TOGETHER.items():
        if one in found and other in found:
            found[one] = (f"{found[one][0]}, {found.pop(other)[0]}", text)
    return list(found.values())


def _heading(parameter: Any, many: bool) -> str:
    if many:
        return next((title for title, names in HEADINGS.items() if set(names) & set(parameter.opts)), BOTH)
    return "Arguments" if parameter.param_type_name == "argument" else "Options"
