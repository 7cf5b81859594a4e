"""The log on stderr, written by the Printer as everything else there."""

from __future__ import annotations

import logging

from assist_cli.cli.output import Printer


class LogHandler(logging.Handler):
    """Writes each record of the log in one line, or in several where a traceback belongs to it."""

    def __init__(self, printer: Printer) -> None:
        super().__init__()
        self._printer = printer

    def emit(self, record: logging.LogRecord) -> None:
        try:
            self._printer.log(self.format(record))
        except Exception:
            self.handleError(record)
