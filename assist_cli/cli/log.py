"""The log on stderr, written by the Printer."""

from __future__ import annotations

import logging

from assist_cli.cli.output import Printer
from assist_cli.units import escape


def start(printer: Printer) -> None:
    """Write the log of this process with a Printer."""
    logging.basicConfig(level=logging.INFO, format="%(message)s", handlers=[LogHandler(printer)])


class LogHandler(logging.Handler):
    """Writes each entry of the log in one line, or in several with a traceback.

    Control characters of agents and callers are escaped.
    """

    def __init__(self, printer: Printer) -> None:
        super().__init__()
        self._printer = printer

    def emit(self, record: logging.LogRecord) -> None:
        try:
            self._printer.log(escape(self.format(record), keep="\n\t" if record.exc_info else ""))
        except Exception:
            self.handleError(record)
