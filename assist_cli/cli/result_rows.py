"""The results of a run as rows, each printed as its instance ends: ``-o jsonl`` and ``-o csv``."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from assist_cli.cli import documents
from assist_cli.cli.output import Encoding, Printer
from assist_cli.cli.rows import cells, print_csv
from assist_cli.model.invocation import Invocation, InvocationInstance, Outcome
from assist_cli.model.output import Portion
from assist_cli.operations.controller import Controller
from assist_cli.operations.runs import recording
from assist_cli.operations.runs.listener import Listener


class ResultRows(Listener):
    """Prints one object of ``invocation results`` for each instance, without delay. CSV has a header."""

    portion = Portion.ENDS
    shows_outputs = False

    def __init__(self, printer: Printer, controller: Controller, invocation: Invocation, encoding: Encoding) -> None:
        self._printer = printer
        self._controller = controller
        self._id = invocation.id
        self._encoding = encoding
        self._left = {place.instance_name: place for place in invocation.instances}
        if printer.is_csv and invocation.instances:
            print_csv(printer, list(documents.result(self._id, invocation.instances[0], encoding)))

    def ended(self, instance: str, outcome: Outcome) -> None:
        if instance in self._left:
            self._print(recording.with_output(self._controller, self._left[instance]))

    def lacks(self, place: InvocationInstance) -> bool:
        """Return True if the instance was not printed yet."""
        return place.instance_name in self._left

    def replay(self, place: InvocationInstance) -> None:
        """Print an instance that has ended unnoticed."""
        if place.record.status.is_final:
            self._print(place)

    def close(self, places: Sequence[InvocationInstance], length: timedelta | None = None) -> None:
        """Nothing follows the rows."""

    def finish(self, invocation: Invocation) -> None:
        """Print the instances of an invocation that were not printed yet."""
        for place in invocation.instances:
            if self.lacks(place):
                self.replay(recording.with_output(self._controller, place))

    def _print(self, place: InvocationInstance) -> None:
        del self._left[place.instance_name]
        row = documents.result(self._id, place, self._encoding)
        if self._printer.is_csv:
            print_csv(self._printer, cells(row))
        else:
            self._printer.document(row)
        self._printer.flush()
