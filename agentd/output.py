"""The output of a script: both streams, in order of arrival, in segments on disk.

A segment is a file ``output-OFFSET`` of frames. Each frame has a header (stream, milliseconds since the epoch, length)
and its bytes. OFFSET counts the bytes that the script wrote before, so a gap between two segments shows the number of
missing bytes. The writer keeps the first half and the last half of its budget and deletes segments between. If
possible, a segment ends at a line end of both streams, so that only whole lines are missing.
The reader follows a running writer of another process without any communication.
"""

import errno
import os
import struct
import time

from agentd import disk

STREAMS = ("stdout", "stderr")
READ = 64 * 1024  # bytes in one read from a pipe, the longest frame
BLOCK = 2 * READ  # bytes in one read from a segment: always holds a whole frame
CHUNK_COST = 64  # bytes of a chunk on the wire besides its data
SEGMENT = 1024 * 1024
SLACK = 16  # a full segment waits for a line end for this part of its size
HEAD_SEGMENTS = 33  # 33 + 33: with the headers of the frames, 64 MiB of output fit whole
TAIL_SEGMENTS = 33

_HEADER = struct.Struct("!BQI")
_NAME = "output-%014d"


def _offsets(folder):
    try:
        names = os.listdir(folder)
    except FileNotFoundError:
        names = []  # the record was deleted in the meantime
    return sorted(int(name[7:]) for name in names if name.startswith("output-"))


class OutputWriter:
    """The only writer of the segments in ``folder``."""

    def __init__(self, folder, segment=SEGMENT, head=HEAD_SEGMENTS, tail=TAIL_SEGMENTS):
        self.produced = 0
        self.dropped = 0
        self.room = 0  # bytes on the disk
        self._folder = folder
        self._limit = segment
        self._head = head
        self._tail = tail
        self._segments = []  # (offset, bytes of output, bytes on the disk), oldest first
        self._file = None
        self._size = 0
        self._bytes = 0
        self._inside = set()  # streams whose last byte is not a line end

    def append(self, stream, data):
        """Write ``data`` of ``stream`` (1 stdout, 2 stderr). Without disk space it is counted as dropped."""
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
            self.close()  # the next write starts a new segment at its true offset
        else:
            self._size += len(frame)
            self.room += len(frame)
            self._bytes += len(data)
        self.produced += len(data)

    def _next(self):
        path = os.path.join(self._folder, _NAME % self.produced)
        self._file = disk.patiently(os.open, path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        self._size = self._bytes = 0
        self._start = self.produced
        if len(self._segments) >= self._head + self._tail:
            offset, size, room = self._segments.pop(self._head)
            try:
                os.unlink(os.path.join(self._folder, _NAME % offset))
                self.dropped += size
                self.room -= room
            except PermissionError:
                pass  # being read: Windows does not delete open files

    def close(self):
        if self._file is not None:
            os.close(self._file)
            self._segments.append((self._start, self._bytes, self._size))
            self._file = None


class OutputReader:
    """Reads the output of one record from ``offset`` on, during the run or later.

    With ``newest``, a reader that is more than three segments behind skips to the newest output.
    """

    def __init__(self, folder, offset=0, newest=False):
        self.offset = offset
        self.reached = 0  # bytes of output before the read position
        self.is_behind = False  # the last read reached its limit, so there may be more
        self._folder = folder
        self._file = None
        self._start = -1  # offset in the name of the open segment
        self._place = 0  # position of its next frame in the file
        self._beyond = 0  # bytes that were read after that position
        self._newest = newest

    def read(self, limit, end=None):
        """Return the next chunks, about ``limit`` bytes on the wire; an empty list without new output.

        A chunk is ``(stream, offset, data)`` with the stream's name, or ``(None, offset, bytes missing)``. ``end`` is
        the total output once it is known; then bytes missing before it are reported too. Raises OSError.
        """
        chunks = []
        while limit > 0 and (end is None or self.offset < end):
            try:
                found = self._step()
            except OSError:
                if not chunks:
                    raise
                limit = 0  # return the chunks so far; the next read gets the same error
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
        """Return the next chunks of the open segment or the one after it; None without new output."""
        place = self._place
        found = self._frames() if self._file else []
        return self._turn() if self._place == place else found

    def _frames(self):
        """Return the chunks in the next block of the open segment. Neighbours of one stream are joined."""
        if self._beyond:
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
        self._beyond = len(block) - at
        return [(STREAMS[stream - 1], offset, b"".join(parts)) for stream, offset, parts in joined]

    def _turn(self):
        """Open the segment at our offset. Return the chunks in between, also a gap; None if it does not exist yet."""
        if self._file is None and self._open(self.offset):
            return []
        starts = _offsets(self._folder)
        if self._file is None:
            later = [start for start in starts if start <= self.offset][-1:] or starts
        else:
            later = [start for start in starts if start > self._start]
            if later:  # the writer has closed this segment, so this is the last read of it
                place = self._place
                found = self._frames()
                if self._place > place:
                    return found
                if self._newest:
                    later = later[-3:]  # two full ones, even if the last has just begun
        for start in later:
            if self._open(start):
                gap = [(None, self.offset, start - self.offset)] if start > self.offset else []
                self.offset = max(self.offset, start)
                return gap
        return None

    def _open(self, start):
        """Open the segment that begins at this offset. Return False if it does not exist, or was deleted."""
        try:
            file = disk.patiently(open, os.path.join(self._folder, _NAME % start), "rb", buffering=0)
        except FileNotFoundError:
            return False
        self.close()
        self._file, self._start, self._place, self._beyond, self.reached = file, start, 0, 0, start
        return True


def measure(folder):
    """Return the number of bytes that an ended record has produced, and how many of them are missing."""
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
