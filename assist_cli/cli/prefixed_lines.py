"""The lines of several instances as they come: whole ones alone, each after the name of its instance.

Where bytes are missing a line says how many. The line that they stood in is not shown: neither its beginning nor its
end, so no part of a line is joined to another.
"""

from __future__ import annotations

from collections import Counter, defaultdict

from assist_cli.cli.gaps import gap
from assist_cli.cli.output import Printer
from assist_cli.model.output import Stream

HELD_BYTES = 64 * 1024 * 1024

_Key = tuple[str, Stream]


class PrefixedLines:
    """Prints lines. Of those that have no end yet it holds ``most`` bytes in all; a line beyond that is missing."""

    def __init__(self, printer: Printer, most: int = HELD_BYTES) -> None:
        self._printer = printer
        self._most = most
        self._begun: defaultdict[_Key, list[bytes]] = defaultdict(list)  # lines that have no end yet
        self._held = 0  # bytes of them
        self._broken: set[_Key] = set()  # what comes up to the next line end is the rest of a line that is missing
        self._missing: Counter[str] = Counter()  # bytes before the next line of an instance

    def add(self, instance: str, stream: Stream, data: bytes) -> None:
        """Take the next bytes of a stream."""
        key = instance, stream
        if key in self._broken:
            end = data.find(b"\n") + 1
            self._missing[instance] += end or len(data)
            if not end:
                return
            self._broken.discard(key)
            data = data[end:]
        end = data.rfind(b"\n") + 1
        if end:
            self._print(instance, stream, b"".join([*self._take(key), data[:end]]))
        if end < len(data):
            self._begun[key].append(data[end:])
            self._held += len(data) - end
            if self._held > self._most:
                self._break(key)

    def skip(self, instance: str, size: int) -> None:
        """Note that the next bytes of an instance are missing, of which stream nobody knows."""
        self._missing[instance] += size
        for stream in Stream:
            if (instance, stream) in self._begun:
                self._break((instance, stream))

    def flush(self, instance: str) -> None:
        """Print what is left at the end: a last line without an end is a line."""
        for stream in Stream:
            self._print(instance, stream, b"".join(self._take((instance, stream))))

    def _print(self, instance: str, stream: Stream, lines: bytes) -> None:
        missing = self._missing.pop(instance, 0)
        if missing:
            self._printer.prefixed(instance, gap(missing).encode())
        if lines:
            self._printer.prefixed(instance, lines, error=stream is Stream.STDERR)

    def _take(self, key: _Key) -> list[bytes]:
        """Return the beginning of a line, and hold it no longer."""
        begun = self._begun.pop(key, [])
        self._held -= sum(map(len, begun))
        return begun

    def _break(self, key: _Key) -> None:
        """Give up the line that has begun."""
        self._missing[key[0]] += sum(map(len, self._take(key)))
        self._broken.add(key)
