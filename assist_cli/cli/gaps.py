"""Gaps in an output, shown as a line with the number of missing bytes."""

from __future__ import annotations

from assist_cli.model.output import Output, Stream
from assist_cli.units import count


def gap(size: int) -> str:
    """Return the line for ``size`` missing bytes."""
    return f"… {count(size, 'byte')} {'is' if size == 1 else 'are'} missing here …"


def marked(output: Output) -> str:
    """Return the text of both streams, with its gap marked."""
    before, after = output.texts_of(*Stream)
    if not output.dropped:
        return before + after
    return before + ("\n" if before and not before.endswith("\n") else "") + gap(output.dropped) + "\n" + after
