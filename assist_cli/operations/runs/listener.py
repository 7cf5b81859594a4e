"""Who hears of an invocation while it is followed. It loads nothing of asyncio, so a view may be one at no cost."""

from __future__ import annotations

from assist_cli.model.invocation import Outcome
from assist_cli.model.output import Stream


class ListenerError(Exception):
    """What a listener raised: the ``error`` of who watches, and of no instance."""

    def __init__(self, error: Exception) -> None:
        super().__init__(str(error))
        self.error = error


class Listener:
    """Hears of an invocation while it is followed; ``instance`` is a name.

    A ``whole`` one is given all output, another no more than the history holds. A ``live`` one is called to redraw, and
    when the terminal ``keyboard`` (a descriptor) has something to read.
    """

    whole = True
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

    def beat(self) -> None:
        """Some time has passed."""

    def pressed(self) -> None:
        """The keyboard has something to read."""
