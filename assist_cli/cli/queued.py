"""Queued records in words: until when and why, and what a user can do about them."""

from __future__ import annotations

from collections.abc import Sequence

from assist_cli.cli.formatting import clock
from assist_cli.cli.output import Printer
from assist_cli.cli.server_down import NO_DELIVERY, warning
from assist_cli.model.invocation import InvocationInstance, Record
from assist_cli.model.status import QUEUED
from assist_cli.operations.controller import Controller
from assist_cli.units import count


def in_words(record: Record, *, since: bool = False) -> str:
    """Format a queued record: ``queued until 2026-12-01 02:00:00+01:00: nothing listens there``.

    With ``since`` the text also has the time from which it waits.
    """
    assert record.wait is not None
    assert record.deliver_by is not None
    begin = f" since {clock(record.wait.since)}," if since else ""
    return f"{QUEUED}{begin} until {clock(record.deliver_by)}: {record.wait.why}"


def print_hints(printer: Printer, controller: Controller, places: Sequence[InvocationInstance]) -> None:
    """Print how to list the queue if a record is in it, and a warning if nobody will deliver what may wait."""
    number = sum(place.record.is_queued for place in places)
    if number and not printer.is_json:
        printer.talk(f"Queued: {count(number, 'record')}. To list the queue: assist queue list")
    if any(place.record.may_wait for place in places) and (down := warning(controller, NO_DELIVERY)):
        printer.talk(down)
