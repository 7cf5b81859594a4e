"""The output of one instance, passed through: its stdout to stdout and its stderr to stderr, nothing added."""

from __future__ import annotations

from collections.abc import Sequence

from assist_cli.cli.formatting import count
from assist_cli.cli.output import Printer
from assist_cli.model.invocation import InvocationInstance
from assist_cli.model.output import Output, Stream
from assist_cli.model.status import NOT_STARTED, InvocationStatus
from assist_cli.operations.runs.listener import Listener


class PassThrough(Listener):
    """Prints the output of one instance as it comes, and counts the bytes that are missing.

    With ``only``, no more than that stream goes out, and it goes to stdout. ``arrived`` is what to say of an instance
    that succeeded, empty where what it printed tells enough.
    """

    def __init__(self, printer: Printer, *, only: Stream | None = None, arrived: str = "") -> None:
        self._printer = printer
        self._only = only
        self._arrived = arrived
        self._seen = 0
        self._missing = 0

    def output(self, instance: str, stream: Stream, data: bytes) -> None:
        self._seen += len(data)
        if self._only in (None, stream):
            self._printer.raw(data, error=stream is Stream.STDERR and self._only is None)

    def missing(self, instance: str, size: int) -> None:
        self._seen += size
        self._missing += size

    def replay(self, place: InvocationInstance) -> None:
        """Print what the history holds beyond what came by itself."""
        instance, output = place.instance_name, place.record.output or Output()
        position = 0
        for stream, data in output.pieces():
            if output.dropped and position == output.cut:
                position += output.dropped
                self.missing(instance, max(position - self._seen, 0))
            begin = max(self._seen - position, 0)
            position += len(data)
            if begin < len(data):
                self.output(instance, stream, data[begin:])

    def close(self, places: Sequence[InvocationInstance]) -> None:
        """Say what the output does not tell: what is missing of it, and why there may be none."""
        if self._missing:
            self._printer.warn(f"{count(self._missing, 'byte')} of the output are missing in the middle")
        tell_failures(self._printer, places)
        if self._arrived:
            for place in places:
                if place.record.is_success:
                    self._printer.talk(f"{place.instance_name}: {self._arrived}")


def tell_failures(printer: Printer, places: Sequence[InvocationInstance]) -> None:
    """Say which records did not come to their own end, and why."""
    for place in places:
        record = place.record
        if record.status.is_final and record.status is not InvocationStatus.FINISHED:
            how = f"{record.status} ({record.error_code})" if record.error_code else f"{record.status}, {NOT_STARTED}"
            printer.talk(f"{place.instance_name}: {how}" + (f": {record.error_info}" if record.error_info else ""))
