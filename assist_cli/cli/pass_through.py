"""The output of one instance, passed through: its stdout to stdout and its stderr to stderr, nothing added.

Where bytes are missing inside of a line, the line ends there, so that no two parts of different lines are joined.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from assist_cli.cli.formatting import count
from assist_cli.cli.output import Printer
from assist_cli.model.invocation import InvocationInstance
from assist_cli.model.output import Output, Stream
from assist_cli.model.status import NOT_STARTED, InvocationStatus
from assist_cli.operations.runs.listener import Listener, replay


class PassThrough(Listener):
    """Prints the output of one instance as it comes, and counts the bytes that are missing.

    With ``only``, no more than that stream goes out, and it goes to stdout. ``arrived`` is what to say of an instance
    that succeeded, empty where what it printed tells enough; ``hint`` how to get the bytes that are missing.
    """

    def __init__(self, printer: Printer, *, only: Stream | None = None, arrived: str = "", hint: str = "") -> None:
        self._printer = printer
        self._only = only
        self._arrived = arrived
        self._hint = hint
        self.shows_outputs = False
        self._seen = 0
        self._missing = 0
        self._inside: set[Stream] = set()  # the streams that end inside of a line; what has a NUL has no lines
        self._broken: set[Stream] = set()  # those of them after which bytes are missing

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

    def lacks(self, place: InvocationInstance) -> bool:
        """Return True: what the history holds beyond what came by itself is looked for."""
        return True

    def replay(self, place: InvocationInstance) -> None:
        """Print what the history holds beyond what came by itself."""
        replay(self, place.instance_name, place.record.output or Output(), self._seen)

    def close(self, places: Sequence[InvocationInstance], length: timedelta | None = None) -> None:
        """Say what the output does not tell: what is missing of it, and why there may be none."""
        if self._missing:
            self._printer.warn(f"warning: {self._what_is_missing()}")
            if self._hint:
                self._printer.talk(f"hint: {self._hint}")
        tell_failures(self._printer, places)
        if self._arrived:
            for place in places:
                if place.record.is_success:
                    self._printer.talk(f"{place.instance_name}: {self._arrived}")

    def _what_is_missing(self) -> str:
        from assist_cli.operations.runs.follow import SPOOLED  # not needed where nothing is missing

        size = count(self._missing, "byte")
        if self._seen == self._missing:
            return f"{size} of the output are missing, and nothing of it is kept"
        limit = f": an instance keeps {SPOOLED >> 20} MiB" if self._seen > SPOOLED else ""
        return f"{size} of the output are missing in the middle{limit}"


def tell_failures(printer: Printer, places: Sequence[InvocationInstance]) -> None:
    """Say which records did not come to their own end, and why."""
    for place in places:
        record = place.record
        if record.status.is_final and record.status is not InvocationStatus.FINISHED:
            how = f"{record.status} ({record.error_code})" if record.error_code else f"{record.status}, {NOT_STARTED}"
            printer.talk(f"{place.instance_name}: {how}" + (f": {record.error_info}" if record.error_info else ""))
