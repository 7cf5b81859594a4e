"""The output of a script: both streams in order of arrival, whole up to a budget, shortened beyond it.

The history keeps 1 MiB of a record (docs/agent.md): the first half and the last half, and the number of bytes between.
Cuts are at the ends of lines, so that parts of different lines are never joined: a line with missing bytes is missing
as a whole. Only a stream without lines (no line end, or a NUL) is cut elsewhere, and then never inside a UTF-8
character.
"""

import codecs
import itertools
from collections.abc import Iterable, Iterator
from enum import Enum
from typing import NamedTuple

from assist_cli.structs import Struct

BUDGET = 1024 * 1024
MERGE_BELOW = 4096


class Stream(str, Enum):
    """One of the two streams of a script; the value is the word of the protocol."""

    STDOUT = "stdout"
    STDERR = "stderr"


class Portion(str, Enum):
    """The portion of an output that is wanted: all of it, the newest part, or both ends after the record has ended.

    ``NEWEST`` is also all of it, for a reader that keeps up; for a slower one, the output in between is skipped.
    """

    WHOLE = "whole"
    NEWEST = "newest"
    ENDS = "ends"


Pieces = list[tuple[Stream, bytes]]
_Streams = frozenset[Stream]


class OutputPart(Struct):
    """The next ``data`` of a stream, or the number of ``missing`` bytes, or the ``reason`` why nothing follows now."""

    stream: Stream = Stream.STDOUT
    data: bytes = b""
    missing: int = 0
    reason: str = ""


class Output(NamedTuple):
    """The kept part of a script's output.

    ``data`` has the bytes of both streams in order of arrival. ``runs`` has the lengths of its stretches of one stream,
    alternating, stdout first (a run may be 0). Dropped bytes, if any, were at ``data[cut]``.
    """

    data: bytes = b""
    runs: tuple[int, ...] = ()
    cut: int = 0
    dropped: int = 0

    def pieces(self) -> Iterator[tuple[Stream, bytes]]:
        """Yield the stretches in order of arrival. A new one starts at the cut, so that none crosses it."""
        start = 0
        for number, length in enumerate(self.runs):
            stream = Stream.STDERR if number % 2 else Stream.STDOUT
            end = start + length
            edges = [start, self.cut, end] if self.dropped and start < self.cut < end else [start, end]
            for left, right in itertools.pairwise(edges):
                if left < right:
                    yield stream, self.data[left:right]
            start = end

    def parts(self) -> tuple[Pieces, Pieces]:
        """Return the stretches before the cut and those after it; all are before it when nothing was dropped."""
        before: Pieces = []
        after: Pieces = []
        position = 0
        for stream, data in self.pieces():
            (after if self.dropped and position >= self.cut else before).append((stream, data))
            position += len(data)
        return before, after

    def after(self, offset: int) -> Iterator[OutputPart]:
        """Yield the rest of the output after the first ``offset`` bytes, counting dropped ones."""
        before, after = self.parts()
        position = 0
        for pieces, dropped in ((before, self.dropped), (after, 0)):
            for stream, data in pieces:
                begin = max(offset - position, 0)
                position += len(data)
                if begin < len(data):
                    yield OutputPart(stream, data[begin:])
            position += dropped
            if dropped and position > offset:
                yield OutputPart(missing=min(dropped, position - offset))

    def bytes_of(self, *streams: Stream) -> bytes:
        """Return the bytes of these streams, in order of arrival."""
        return b"".join(data for stream, data in self.pieces() if stream in streams)

    def text_of(self, *streams: Stream) -> str:
        """Return the same as text. Invalid bytes become U+FFFD; a character that the other stream cuts stays whole."""
        return "".join(self.texts_of(*streams))

    def texts_of(self, *streams: Stream) -> tuple[str, str]:
        """Return the text of these streams before the cut, and after it."""
        decoders = {stream: codecs.getincrementaldecoder("utf-8")("replace") for stream in streams}
        before, after = (
            "".join(decoders[stream].decode(data) for stream, data in part if stream in decoders)
            for part in self.parts()
        )
        return before, after + "".join(decoder.decode(b"", True) for decoder in decoders.values())


class _Piece(Struct):
    stream: Stream
    data: bytearray


class Fold:
    """A buffer that keeps the first and the last half of a budget of output.

    It holds at most the budget and one more piece, and nothing once it is released. ``offset`` is the number of bytes
    that the script has produced so far, kept or not.

    A run on thousands has one for each instance, and most stay empty. So an empty one is small.
    """

    __slots__ = (
        *("_half", "_head", "_head_room", "_tail", "_tail_size", "_lost", "_with_lines", "_inside"),
        *("is_released", "_is_after_gap", "offset"),
    )

    def __init__(self, budget: int = BUDGET) -> None:
        self._half = budget // 2
        self._head: list[_Piece] = []
        self._head_room = self._half
        self._tail: list[_Piece] = []
        self._tail_size = 0
        self._lost: _Streams = frozenset()
        self._with_lines: _Streams = frozenset()
        self._inside: _Streams = frozenset()  # streams whose tail begins inside a line
        self.is_released = False
        self._is_after_gap = False  # the next bytes follow bytes that were skipped
        self.offset = 0

    def add(self, stream: Stream, data: bytes) -> None:
        """Take the next bytes of a stream."""
        self.offset += len(data)
        if self.is_released:
            return
        if b"\n" in data:
            self._with_lines |= {stream}
        if self._is_after_gap and data:
            self._is_after_gap = False
            self._inside |= {stream}  # perhaps: a missing line is better than a part of one
        if self._head_room:
            first, data = data[: self._head_room], data[self._head_room :]
            self._head_room -= len(first)
            _append(self._head, stream, first)
        if data:
            _append(self._tail, stream, data)
            self._tail_size += len(data)
            while self._tail_size - len(self._tail[0].data) >= self._half:
                self._lose(self._tail.pop(0))

    def skip(self, count: int) -> None:
        """Note that the next ``count`` bytes are lost, of an unknown stream.

        The kept output has one gap only, so the tail so far is dropped too.
        """
        self.offset += count
        self._head_room = 0
        while self._tail:
            self._lose(self._tail.pop(0))
        for stream in set(Stream) - self._lost:
            self._inside = _noted(self._inside, stream, _last_bytes(self._head, stream) or b"\n")
        self._lost = frozenset(Stream)
        self._is_after_gap = True

    def release(self) -> None:
        """Drop the kept output, and only count from now on."""
        self.is_released = True
        self._head.clear()
        self._tail.clear()
        self._tail_size = 0

    def output(self) -> Output:
        """Return the kept part of the output so far."""
        head, tail = list(self._head), list(self._tail)
        lost, inside = self._lost, self._inside
        excess = self._tail_size - self._half
        if excess > 0:
            first = tail[0]
            tail[0] = _Piece(first.stream, first.data[excess:])
            lost |= {first.stream}
            inside = _noted(inside, first.stream, first.data[:excess])
        for stream in lost:
            before, after = _bytes_of(head, stream), _bytes_of(tail, stream)
            if stream not in self._with_lines or b"\0" in before or b"\0" in after:
                _remove_last(head, stream, _started(before[-3:]))
                _remove_first(tail, stream, _continued(after[:3]))
            else:
                _remove_last(head, stream, len(before) - (before.rfind(b"\n") + 1))
                if stream in inside:
                    _remove_first(tail, stream, after.find(b"\n") + 1 or len(after))
        cut = sum(len(piece.data) for piece in head)
        pieces = head + tail
        data = b"".join(piece.data for piece in pieces)
        return Output(data=data, runs=_runs(pieces), cut=cut, dropped=self.offset - len(data))

    def _lose(self, piece: _Piece) -> None:
        self._tail_size -= len(piece.data)
        self._lost |= {piece.stream}
        self._inside = _noted(self._inside, piece.stream, piece.data)


def _noted(inside: _Streams, stream: Stream, lost: bytes | bytearray) -> _Streams:
    """Return the streams inside a line, after these bytes of a stream were lost."""
    return inside - {stream} if lost.endswith(b"\n") else inside | {stream}


def _bytes_of(pieces: Iterable[_Piece], stream: Stream) -> bytes:
    return b"".join(piece.data for piece in pieces if piece.stream is stream)


def _append(pieces: list[_Piece], stream: Stream, data: bytes) -> None:
    if pieces and pieces[-1].stream is stream and len(pieces[-1].data) < MERGE_BELOW:
        pieces[-1].data.extend(data)
    else:
        pieces.append(_Piece(stream, bytearray(data)))


def _runs(pieces: Iterable[_Piece]) -> tuple[int, ...]:
    runs = [0]
    current = Stream.STDOUT
    for piece in pieces:
        if piece.stream is not current:
            runs.append(0)
            current = piece.stream
        runs[-1] += len(piece.data)
    return tuple(runs) if any(runs) else ()


# A UTF-8 character has up to four bytes, so a cut leaves at most its first or its last three.


def _last_bytes(pieces: list[_Piece], stream: Stream) -> bytes:
    found = b""
    for piece in reversed(pieces):
        if piece.stream is stream:
            found = bytes(piece.data[-3:]) + found
            if len(found) >= 3:
                break
    return found[-3:]


def _started(end: bytes) -> int:
    """Return how many bytes at the end are the beginning of a character."""
    for count, byte in enumerate(reversed(end), 1):
        if byte >= 0xC0:
            length = 2 if byte < 0xE0 else 3 if byte < 0xF0 else 4
            return count if count < length else 0
        if byte < 0x80:
            break
    return 0


def _continued(start: bytes) -> int:
    """Return how many bytes at the start are the rest of a character."""
    count = 0
    for byte in start:
        if not 0x80 <= byte < 0xC0:
            break
        count += 1
    return count


def _remove_last(pieces: list[_Piece], stream: Stream, count: int) -> None:
    for index in range(len(pieces) - 1, -1, -1):
        if not count:
            return
        if pieces[index].stream is stream:
            taken = min(count, len(pieces[index].data))
            pieces[index] = _Piece(stream, pieces[index].data[: len(pieces[index].data) - taken])
            count -= taken


def _remove_first(pieces: list[_Piece], stream: Stream, count: int) -> None:
    for index, piece in enumerate(pieces):
        if not count:
            return
        if piece.stream is stream:
            taken = min(count, len(piece.data))
            pieces[index] = _Piece(stream, piece.data[taken:])
            count -= taken
