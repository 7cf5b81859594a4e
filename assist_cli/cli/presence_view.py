"""The connections of agents to brokers as text: who is connected, since when, and cloned machines."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime

from assist_cli.cli.formatting import clock
from assist_cli.cli.output import Cell, Printer, Style
from assist_cli.model.instance import Instance
from assist_cli.model.names import quoted
from assist_cli.model.presence import Presence, clone_hint, clone_text
from assist_cli.operations.controller import Controller
from assist_cli.units import ago


def ask(controller: Controller, some: Iterable[Instance]) -> Presence | None:
    """Ask the brokers who is connected; None if none of these instances dials out."""
    if not any(each.dials for each in some):
        return None
    from assist_cli.operations.broker import presence  # imports asyncio, which other instances do not need

    return presence.now(controller)


def cell(presence: Presence, instance: Instance, now: datetime) -> Cell:
    """Return since when an instance is connected, for a table."""
    if not instance.dials:
        return Cell("")
    if instance.id in presence.cloned:
        return Cell(f"{len(presence.links[instance.id])} agents", Style.BAD)
    links = presence.shown(instance.id)
    if links:
        return Cell(ago(links[0].since, now), Style.GOOD)
    return Cell("unknown", Style.QUIET) if presence.unknown else Cell("no", Style.BAD)


def rows(presence: Presence, instance: Instance, now: datetime) -> list[tuple[str, str]]:
    """Return the fields of an instance that dials out: its connections."""
    links = presence.shown(instance.id)
    if not links:
        return [("Connected", "unknown" if presence.unknown else "no")]
    return [
        ("Connected", f"{ago(each.since, now)} ({clock(each.since)}), from {each.origin} to {each.broker}")
        for each in links
    ]


def print_notes(printer: Printer, presence: Presence, some: Iterable[Instance]) -> None:
    """Print why connections are unknown, and the cloned ones of these instances."""
    if presence.unknown:
        printer.talk(f"It is unknown who is connected: {presence.unknown}")
    print_clones(printer, presence, {each.id: each.name for each in some})


def print_clones(printer: Printer, presence: Presence, names: Mapping[str, str]) -> None:
    """Print the cloned ones of these instances, and what to do."""
    for instance in sorted(presence.cloned & names.keys(), key=names.__getitem__):
        name = names[instance]
        printer.warn(f"{name}: {clone_text(presence, instance)}; {clone_hint(quoted(name))}")
