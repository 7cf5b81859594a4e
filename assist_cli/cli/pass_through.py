"""The output of one instance, passed through unchanged: its stdout to stdout and its stderr to stderr.

If bytes are missing inside a line, the line is ended there, so that parts of different lines are not joined.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from assist_cli.cli.output import Printer
from assist_cli.model.invocation import InvocationInstance, Record
from assist_cli.model.output import Output, Stream
from assist_cli.model.status import NOT_STARTED, InvocationStatus
from assist_cli.operations.runs.listener import Listener, replay
from assist_cli.units import count
from assist_cli.units import size as byte_size


class PassThrough(Listener):
    """Prints the output of one instance as it arrives, and counts missing bytes.

    With ``only``, only that stream is printed, to stdout. ``arrived`` is the message for a success, or empty. ``hint``
    says how to get missing bytes.
    """

    def __init__(self, printer: Printer, *, only: Stream | None = None, arrived: str = "", hint: str = "") -> None:
        self._printer = printer
        self._only = only
        self._arrived = arrived
        self._hint = hint
        self.shows_outputs = False
        self._is_queued = False
        self._seen = 0
        self._missing = 0
        self._inside: set[Stream] = set()  # streams that end inside a line; binary output has no lines
        self._broken: set[Stream] = set()  # streams of these with missing bytes next

    def output(self, instance: str, stream: Stream, data: bytes) -> None:
        self._seen += len(data)
        if self._only in (None, stream):
            whole = b"\n" + data if stream in self._broken else data
            self._printer.raw(whole, error=stream is Stream.STDERR and self._only is None)
        self._broken.discard(stream)
        (self._inside.discard if data.endswith(b"\n") or b"\0" in data else self._inside.add)(stream)

    def missing(self, instance: str, size: int) -> None:
        self._seen += size
        self._missing += size
        self._broken |= self._inside

    def queued(self, instance: str, record: Record) -> None:
        if not self._is_queued:
            from assist_cli.cli import queued  # rarely needed

            self._is_queued = True
            self._printer.talk(f"{instance}: {queued.in_words(record)}")

    def lacks(self, place: InvocationInstance) -> bool:
        """Return True: the history may have more output than was received."""
        return True

    def replay(self, place: InvocationInstance) -> None:
        """Print the output of the history that was not received."""
        replay(self, place.instance_name, place.record.output or Output(), self._seen)

    def close(self, places: Sequence[InvocationInstance], length: timedelta | None = None) -> None:
        """Print the messages about the output: missing bytes, and failures."""
        if self._missing:
            self._printer.warn(f"warning: {self._what_is_missing()}")
            if self._hint:
                self._printer.talk(f"hint: {self._hint}")
        print_failures(self._printer, places)
        if self._arrived:
            for place in places:
                if place.record.is_success:
                    self._printer.talk(f"{place.instance_name}: {self._arrived}")

    def _what_is_missing(self) -> str:
        from assist_cli.operations.runs.follow import SPOOLED  # rarely needed

        size = count(self._missing, "byte")
        if self._seen == self._missing:
            return f"{size} of output missing: none of it was kept"
        limit = f": an instance keeps {byte_size(SPOOLED)}" if self._seen > SPOOLED else ""
        return f"{size} of output missing in the middle{limit}"


def print_failures(printer: Printer, places: Sequence[InvocationInstance]) -> None:
    """Print the failed and stopped records, with the reasons."""
    for place in places:
        record = place.record
        if record.status.is_final and record.status is not InvocationStatus.FINISHED:
            how = f"{record.status} ({record.error_code})" if record.error_code else f"{record.status}, {NOT_STARTED}"
            printer.talk(f"{place.instance_name}: {how}" + (f": {record.error_info}" if record.error_info else ""))
