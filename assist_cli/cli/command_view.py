"""Saved commands as text: one line, a table, all details, and the differences of two versions."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime

from assist_cli.cli import scripts
from assist_cli.cli.formatting import clock
from assist_cli.cli.output import Column, Printer, Style
from assist_cli.model.command import Command, CommandVersion
from assist_cli.model.command_text import changed_lines, changed_settings, described
from assist_cli.units import ago, count, escape


def line(command: Command) -> str:
    """Return a new version in one line: ``restart@2  c-01k…``."""
    return f"{escape(command.name)}@{command.version.number}  {command.id}"


def print_list(printer: Printer, found: Iterable[Command], now: datetime) -> None:
    """Print commands as a table."""
    columns = [
        Column("NAME", flexible=True, least=16),
        Column("VERSION", right=True),
        Column("TYPE", drop=2),
        Column("RUNS", right=True, drop=3),
        Column("CHANGED", drop=1),
        Column("PARAMETERS", flexible=True, drop=4),
        Column("DESCRIPTION", flexible=True, least=16),
    ]
    printer.table(columns, (_row(each, now) for each in found))


def print_versions(printer: Printer, found: Iterable[Command], now: datetime) -> None:
    """Print the versions of a command as a table."""
    columns = [
        Column("VERSION", right=True),
        Column("CREATED"),
        Column("TYPE", drop=2),
        Column("TIMEOUT", right=True),
        Column("BYTES", right=True, drop=1),
        Column("PARAMETERS", flexible=True),
        Column("WORKDIR", flexible=True, drop=3),
    ]
    printer.table(columns, (_version_row(each.version, now) for each in found))


def print_details(printer: Printer, command: Command, now: datetime) -> None:
    """Print all details of a command, then its script."""
    version = command.version
    name = printer.paint(f"{command.name}@{version.number}", Style.STRONG)
    newest = "" if version.number == command.latest else f" of {command.latest}"
    printer.line(f"{name}{newest}  {command.id}")
    settings = [version.type.value, f"timeout {version.timeout} s"]
    if version.working_dir:
        settings.append(f"in {version.working_dir}")
    if version.launcher:
        settings.append(f"by {version.launcher}")
    rows = [("Settings", ", ".join(settings))]
    if command.description:
        rows.insert(0, ("About", command.description))
    if version.created:
        rows.append(("Created", f"{ago(version.created, now)} ({clock(version.created)})"))
    rows.append(("Invoked", count(command.invocations, "time")))
    _print_body(printer, rows, version)


def print_draft(printer: Printer, command: Command) -> None:
    """Print the details of a command that is not saved, then its script."""
    printer.line(printer.paint(f"{command.name}@{command.version.number}", Style.STRONG))
    rows = [("About", command.description), ("Settings", f"timeout {command.version.timeout} s")]
    _print_body(printer, rows, command.version)


def _print_body(printer: Printer, rows: list[tuple[str, str]], version: CommandVersion) -> None:
    """Print the details, the parameters and the script of a version."""
    rows = [*rows, *((each.key, described(each)) for each in version.definitions)]
    width = max(len(title) for title, _ in rows)
    printer.fields(rows, width + 1)
    printer.line()
    scripts.show(printer, version.content, version.type)


def print_difference(printer: Printer, old: Command, new: Command) -> bool:
    """Print the differences of two versions. Return False if there are none."""
    settings, lines = changed_settings(old, new), changed_lines(old, new)
    for title, before, after in settings:
        then = printer.paint(before or "none", Style.BAD)
        printer.line(f"{escape(title)}: {then} → {printer.paint(after or 'none', Style.GOOD)}")
    scripts.print_difference(printer, lines)
    return bool(settings or lines)


def _row(command: Command, now: datetime) -> Sequence[str]:
    version = command.version
    return [
        command.name,
        str(command.latest),
        version.type.word,
        f"{command.invocations:,}",
        ago(command.modified, now),
        ", ".join(each.key for each in version.definitions),
        command.description,
    ]


def _version_row(version: CommandVersion, now: datetime) -> Sequence[str]:
    return [
        str(version.number),
        ago(version.created, now) if version.created else "",
        version.type.word,
        f"{version.timeout} s",
        f"{len(version.content):,}",
        ", ".join(each.key for each in version.definitions),
        version.working_dir or "",
    ]
