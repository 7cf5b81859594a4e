"""Lines of several instances as they arrive: only complete lines, each after the name of its instance.

A line reports the number of missing bytes. An incomplete line is not shown, so parts of different lines are not joined.
"""

from __future__ import annotations

from collections import Counter, defaultdict

from assist_cli.cli.output import Printer
from assist_cli.model.gaps import gap
from assist_cli.model.output import Stream

HELD_BYTES = 64 * 1024 * 1024

_Key = tuple[str, Stream]


class PrefixedLines:
    """Prints lines. It buffers at most ``most`` bytes of unfinished lines; a longer line counts as missing."""

    def __init__(self, printer: Printer, most: int = HELD_BYTES) -> None:
        self._printer = printer
        self._most = most
        self._begun: defaultdict[_Key, list[bytes]] = defaultdict(list)  # unfinished lines
        self._held = 0  # bytes of them
        self._broken: set[_Key] = set()  # the bytes up to the next line end belong to a missing line
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
        """Count missing bytes of an instance. Their stream is unknown."""
        self._missing[instance] += size
        for stream in Stream:
            if (instance, stream) in self._begun:
                self._break((instance, stream))

    def flush(self, instance: str) -> None:
        """Print the rest at the end of the output, also a last line without a line end."""
        for stream in Stream:
            self._print(instance, stream, b"".join(self._take((instance, stream))))

    def _print(self, instance: str, stream: Stream, lines: bytes) -> None:
        missing = self._missing.pop(instance, 0)
        if missing:
            self._printer.prefixed(instance, gap(missing).encode())
        if lines:
            self._printer.prefixed(instance, lines, error=stream is Stream.STDERR)

    def _take(self, key: _Key) -> list[bytes]:
        """Remove the unfinished line from the buffer, and return it."""
        begun = self._begun.pop(key, [])
        self._held -= sum(map(len, begun))
        return begun

    def _break(self, key: _Key) -> None:
        """Count the unfinished line as missing."""
        self._missing[key[0]] += sum(map(len, self._take(key)))
        self._broken.add(key)
