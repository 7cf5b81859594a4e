"""``assist top``: live view of the instances and their runs."""

from __future__ import annotations

import contextlib
import os
from typing import Annotated

import typer

from assist_cli.cli import fleet_screen, options
from assist_cli.cli.screen import Screen
from assist_cli.operations.controller import open_controller
from assist_cli.operations.observe import overview
from assist_cli.paths import home

ALL_LINES = 10_000

app = options.application()


@app.command(epilog=options.examples("assist top", "assist top --once"))
def top(
    context: typer.Context,
    once: Annotated[bool, typer.Option("--once", help="Print the complete view one time, and exit.")] = False,
) -> None:
    """Watch the fleet live: instances, runs, schedules, failures.

    To leave, press q. The view is read-only. Without a terminal it is printed one time.
    """
    printer = options.printer(context)
    with open_controller(home()) as controller:
        if once or not printer.can_redraw:
            for line in fleet_screen.frame(overview.look(controller), printer.columns, ALL_LINES):
                printer.line("".join(printer.paint(cell.text, cell.style) for cell in line).rstrip())
            return
        with contextlib.closing(Screen(printer, whole=True)) as screen:
            overview.observe(controller, _View(screen, printer.keyboard))


class _View(overview.Viewer):
    def __init__(self, screen: Screen, keyboard: int | None) -> None:
        self.keyboard = keyboard
        self._screen = screen

    def draw(self, overview: overview.Overview) -> None:
        self._screen.draw(fleet_screen.frame(overview, *self._screen.size))

    def pressed(self) -> bool:
        assert self.keyboard is not None
        keys = os.read(self.keyboard, 1024)
        return not keys or b"q" in keys.lower()
