"""The log: lines with the time on standard error, or in the file of ``--log``.

The guard, the agent and their children all have that file open and append to it. So a log that is too long is not
replaced, because every process would have to reopen it. Its end is copied to a second file, then it is truncated. Only
the process with the option ``--log`` does this. Lines that another process writes at that moment may be lost.
"""

import os
import sys
import time

from agentd import disk, platform

permissions = platform.load("permissions")

LONGEST = 1024 * 1024  # bytes of each of the two files


class Throttle:
    """Limits log lines that strangers can cause: it writes the first of a kind, then one summary per minute."""

    SECONDS = 60

    def __init__(self, loop, write):
        self._loop = loop
        self._write = write
        self._held = {}  # kind → number of further lines, and the last of them

    def write(self, kind, text):
        """Write one line of a ``kind``, which is a fixed word of the program."""
        if kind in self._held:
            self._held[kind] = (self._held[kind][0] + 1, text)
            return
        self._held[kind] = (0, text)
        self._write(text)
        self._loop.call_later(self.SECONDS, self._sum_up, kind)

    def _sum_up(self, kind):
        count, last = self._held.pop(kind)
        if count:
            self._write("%d more of this kind in %d s; the last one: %s" % (count, self.SECONDS, last))


class Log:
    """A log at the end of the file at ``path``, also for all later children; None: standard error.

    Raises OSError.
    """

    def __init__(self, path=None):
        self._path = path and permissions.absolute(path)
        if not path:
            return
        descriptor = permissions.open_file(path, os.O_RDWR | os.O_APPEND)
        os.dup2(descriptor, 2)
        os.close(descriptor)
        # standard error may know only the characters of a console, or of an old locale
        sys.stderr = open(2, "w", encoding="utf-8", errors="backslashreplace", closefd=False)

    def write(self, text):
        """Write one line. Newlines and control characters are escaped.

        A full disk or a closed pipe must not stop the program.
        """
        self.shorten()
        if not text.isprintable():
            text = "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)
        try:
            sys.stderr.write("%s %s\n" % (time.strftime("%Y-%m-%dT%H:%M:%S%z"), text))
            sys.stderr.flush()
        except OSError:
            pass

    def shorten(self):
        """Shorten the file if it is too long, whoever wrote it."""
        try:
            if self._path and os.fstat(2).st_size > LONGEST:
                with permissions.parent(self._path + ".1") as (folder, name):
                    disk.write_whole(name, self._end(), sync=False, folder=folder)
                self._truncate()
        except OSError:
            pass  # see write

    def _truncate(self):
        """Empty the file. The position of its end is shared with children, which on Windows write at it.

        It is set before and after: another process may write meanwhile.
        """
        os.lseek(2, 0, os.SEEK_SET)
        os.ftruncate(2, 0)
        os.lseek(2, 0, os.SEEK_END)

    def _end(self):
        """Return the end of the file, even if it was renamed. Later output comes after it."""
        with open(2, "rb", buffering=0, closefd=False) as file:
            file.seek(-LONGEST, os.SEEK_END)
            return file.read()
