"""Who hears of an invocation while it is followed. It loads nothing of asyncio, so a view may be one at no cost."""

from __future__ import annotations

from assist_cli.model.invocation import Outcome, Record
from assist_cli.model.output import Output, Portion, Stream


class ListenerError(Exception):
    """What a listener raised: the ``error`` of who watches, and of no instance."""

    def __init__(self, error: Exception) -> None:
        super().__init__(str(error))
        self.error = error


class Listener:
    """Hears of an invocation while it is followed; ``instance`` is a name.

    It is given the ``portion`` of the output that it wants. A ``live`` one is called to redraw, and when the terminal
    ``keyboard`` (a descriptor) has something to read.
    """

    portion = Portion.WHOLE
    live = False
    keyboard: int | None = None

    def started(self, instance: str) -> None:
        """Its agent has accepted the record; it may be said more than once."""

    def output(self, instance: str, stream: Stream, data: bytes) -> None:
        """It has printed this."""

    def missing(self, instance: str, size: int) -> None:
        """So many bytes that it has printed cannot be had."""

    def ended(self, instance: str, outcome: Outcome) -> None:
        """Its record has ended, and that is written."""

    def queued(self, instance: str, record: Record) -> None:
        """Its instance is away, and its record waits in the queue."""

    def beat(self) -> None:
        """Some time has passed."""

    def pressed(self) -> None:
        """The keyboard has something to read."""


def replay(listener: Listener, instance: str, output: Output, seen: int) -> None:
    """Give a listener what the history holds of an output beyond the first ``seen`` bytes that it has had."""
    before, after = output.parts()
    position = 0
    for pieces, dropped in ((before, output.dropped), (after, 0)):
        for stream, data in pieces:
            begin = max(seen - position, 0)
            position += len(data)
            if begin < len(data):
                listener.output(instance, stream, data[begin:])
        position += dropped
        if dropped and position > seen:
            listener.missing(instance, min(dropped, position - seen))
