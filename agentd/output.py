"""The output of a script, kept apart by stream and in order of arrival, in segments on disk.

A segment is a file ``output-OFFSET``: frames, one after the other, each a header (stream, milliseconds since the
epoch, length) and its bytes. OFFSET counts what the script produced before, so a hole between two segments shows how
much is missing there. The writer keeps the first half and the last half of its budget and drops segments between. A
segment ends at a line end of both streams where one comes soon, so that what is missing are whole lines.
The reader follows a writer that is still at work, in another process, without a word between them.
"""

import errno
import os
import struct
import time

STREAMS = ("stdout", "stderr")
READ = 64 * 1024  # what the writer takes from a pipe at once: no frame is longer
BLOCK = 2 * READ  # what the reader takes from a segment at once: it holds a whole frame, wherever that begins
CHUNK_COST = 64  # bytes that a chunk takes on the wire beside its data
SEGMENT = 1024 * 1024
SLACK = 16  # a segment that is full waits for a line end for this part of its size
HEAD_SEGMENTS = 33  # 33 + 33: with the headers of the frames, 64 MiB of output fit whole
TAIL_SEGMENTS = 33

_HEADER = struct.Struct("!BQI")
_NAME = "output-%014d"


def _offsets(folder):
    try:
        names = os.listdir(folder)
    except FileNotFoundError:
        names = []  # the record was forgotten in the meantime
    return sorted(int(name[7:]) for name in names if name.startswith("output-"))


class OutputWriter:
    """Appends to the segments of ``folder``; the only writer of that folder."""

    def __init__(self, folder, segment=SEGMENT, head=HEAD_SEGMENTS, tail=TAIL_SEGMENTS):
        self.produced = 0
        self.dropped = 0
        self._folder = folder
        self._limit = segment
        self._head = head
        self._tail = tail
        self._segments = []  # (offset, bytes of output in it), the first is the oldest
        self._file = None
        self._size = 0
        self._bytes = 0
        self._inside = set()  # the streams of which the last byte is not the end of a line

    def append(self, stream, data):
        """Keep ``data`` of ``stream`` (1 stdout, 2 stderr); where the disk has no room it is counted as dropped."""
        while data:
            part = data
            if self._file is not None and self._size >= self._limit:
                if not self._inside or self._size >= self._limit + self._limit // SLACK:
                    self.close()
                else:
                    part = data[: data.find(b"\n") + 1] or data
            self._write(stream, part)
            (self._inside.discard if part.endswith(b"\n") else self._inside.add)(stream)
            data = data[len(part) :]

    def _write(self, stream, data):
        frame = _HEADER.pack(stream, int(time.time() * 1000), len(data)) + data
        try:
            if self._file is None:
                self._next()
            written = os.write(self._file, frame)
            if written < len(frame):
                os.ftruncate(self._file, self._size)
                os.lseek(self._file, self._size, os.SEEK_SET)
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        except OSError:
            self.dropped += len(data)
            self.close()  # the next one that fits starts a segment of its own, at its true offset
        else:
            self._size += len(frame)
            self._bytes += len(data)
        self.produced += len(data)

    def _next(self):
        path = os.path.join(self._folder, _NAME % self.produced)
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        self._size = self._bytes = 0
        self._start = self.produced
        if len(self._segments) >= self._head + self._tail:
            offset, size = self._segments.pop(self._head)
            try:
                os.unlink(os.path.join(self._folder, _NAME % offset))
                self.dropped += size
            except PermissionError:
                pass  # somebody reads it now, and on Windows a file that is open stays

    def close(self):
        if self._file is not None:
            os.close(self._file)
            self._segments.append((self._start, self._bytes))
            self._file = None


class OutputReader:
    """Reads the output of one record from ``offset`` on, while it grows or afterwards.

    The ``newest`` is wanted of one who falls behind by more than three segments: those between are passed over.
    """

    def __init__(self, folder, offset=0, newest=False):
        self.offset = offset
        self.reached = 0  # what was produced up to the place where it reads
        self.is_behind = False  # the last read gave as much as it was asked for, and there may be more
        self._folder = folder
        self._file = None
        self._start = -1  # the offset that names the open segment
        self._place = 0  # where its next frame begins in the file
        self._newest = newest

    def read(self, limit, end=None):
        """The next chunks, roughly ``limit`` bytes on the wire; an empty list when there is nothing new.

        A chunk is ``(stream, offset, data)`` with the stream's name, or ``(None, offset, bytes missing)``. ``end`` is
        what was produced in all, once that is known: what is missing before it is reported too. Raises OSError.
        """
        chunks = []
        while limit > 0:
            try:
                found = self._step()
            except OSError:
                if not chunks:
                    raise
                limit = 0  # what was read is given first, and the next read meets the same again
                break
            if found is None:
                break
            chunks += found
            limit -= sum(CHUNK_COST + (len(data) if stream else 0) for stream, _, data in found)
        self.is_behind = limit <= 0
        if end is not None and limit > 0 and self.offset < end:
            chunks.append((None, self.offset, end - self.offset))
            self.offset = end
        return chunks

    def close(self):
        if self._file:
            self._file.close()
            self._file = None

    def _step(self):
        """Return what is next in the open segment, or in the one after it; None when there is nothing new."""
        place = self._place
        found = self._frames() if self._file else []
        return self._turn() if self._place == place else found

    def _frames(self):
        """The chunks in the next block of the open segment, neighbours of one stream joined."""
        self._file.seek(self._place)
        block = self._file.read(BLOCK)
        joined = []
        at = 0
        while len(block) - at >= _HEADER.size:
            stream, _, length = _HEADER.unpack_from(block, at)
            body = at + _HEADER.size
            if body + length > len(block):
                break
            skip = min(max(self.offset - self.reached, 0), length)
            if skip < length:
                if not joined or joined[-1][0] != stream:
                    joined.append((stream, self.offset, []))
                joined[-1][2].append(block[body + skip : body + length])
                self.offset += length - skip
            self.reached += length
            at = body + length
        self._place += at
        return [(STREAMS[stream - 1], offset, b"".join(parts)) for stream, offset, parts in joined]

    def _turn(self):
        """Go on to the segment that has our offset. Returns what was passed, a gap too; None when there is none yet."""
        starts = _offsets(self._folder)
        if self._file is None:
            later = [start for start in starts if start <= self.offset][-1:] or starts
        else:
            later = [start for start in starts if start > self._start]
            if later:  # the writer has left this segment for good, so there is an end to looking again
                place = self._place
                found = self._frames()
                if self._place > place:
                    return found
                if self._newest:
                    later = later[-3:]  # so that two full ones are left when the last has just begun
        for start in later:
            try:
                file = open(os.path.join(self._folder, _NAME % start), "rb", buffering=0)
            except FileNotFoundError:
                continue  # dropped since we looked
            self.close()
            self._file, self._start, self._place, self.reached = file, start, 0, start
            gap = [(None, self.offset, start - self.offset)] if start > self.offset else []
            self.offset = max(self.offset, start)
            return gap
        return None


def measure(folder):
    """Return the bytes that a record that nobody writes any more has produced, and how many of them are gone."""
    reader = OutputReader(folder)
    dropped = 0
    try:
        while True:
            chunks = reader.read(SEGMENT)
            if not chunks:
                return reader.offset, dropped
            dropped += sum(data for stream, _, data in chunks if stream is None)
    finally:
        reader.close()
