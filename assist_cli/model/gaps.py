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


def marked_bytes(output: Output, *streams: Stream) -> bytes:
    """Return the bytes of these streams, with the gap of the output marked."""
    before, after = (b"".join(data for stream, data in part if stream in streams) for part in output.parts())
    if not output.dropped:
        return before + after
    end = b"\n" if before and not before.endswith(b"\n") else b""
    return b"".join([before, end, gap(output.dropped).encode(), b"\n", after])
