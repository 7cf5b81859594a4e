"""The interface for views that follow an invocation. It does not import asyncio, so that a view loads fast."""

from __future__ import annotations

from assist_cli.model.invocation import Outcome, Record
from assist_cli.model.output import Output, Portion, Stream


class ListenerError(Exception):
    """An ``error`` that a listener raised. It concerns the view, not an instance."""

    def __init__(self, error: Exception) -> None:
        super().__init__(str(error))
        self.error = error


class Listener:
    """A receiver of the events of an invocation while it is followed; ``instance`` is a name.

    ``portion`` is the portion of output that it wants. A ``live`` one also gets ``beat`` to redraw, and ``pressed`` on
    input from the terminal ``keyboard`` (a file descriptor).
    """

    portion = Portion.WHOLE
    live = False
    keyboard: int | None = None

    def started(self, instance: str) -> None:
        """The agent has accepted the record. It may be called more than once."""

    def output(self, instance: str, stream: Stream, data: bytes) -> None:
        """The instance has printed ``data``."""

    def missing(self, instance: str, size: int) -> None:
        """``size`` bytes of the output are missing."""

    def ended(self, instance: str, outcome: Outcome) -> None:
        """The record has ended, and its outcome is written."""

    def queued(self, instance: str, record: Record) -> None:
        """The instance is away, and its record is queued. It may be called more than once."""

    def beat(self) -> None:
        """A short interval has passed."""

    def pressed(self) -> None:
        """The keyboard has input."""


def replay(listener: Listener, instance: str, output: Output, seen: int) -> None:
    """Pass the output in the history to a listener, without the first ``seen`` bytes, which it has received."""
    for part in output.after(seen):
        if part.missing:
            listener.missing(instance, part.missing)
        else:
            listener.output(instance, part.stream, part.data)
