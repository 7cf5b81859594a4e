"""The log: lines with the time on standard error, which is a file where ``--log`` names one.

The guard, the agent and their children have that file open together, and each appends to it. So one that has become
long is not exchanged for another, of which all would have to be told: its end is copied into a second file, and then it
is cut. Only the process that was given the name does so. What another one writes in that very moment may be lost.
"""

import os
import sys
import time

from agentd import disk, platform

permissions = platform.load("permissions")

LONGEST = 1024 * 1024  # bytes, of each of the two files


class Throttle:
    """Writes what strangers can cause as often as they like: the first of a kind, and once a minute how many more."""

    SECONDS = 60

    def __init__(self, loop, write):
        self._loop = loop
        self._write = write
        self._held = {}  # kind → how many more, and the last of them

    def write(self, kind, text):
        """Write one line of a ``kind``, which is one of the program's own words."""
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
    """Writes to the end of the file at ``path``, and so do all children from now on; None: to standard error as it is.

    Raises OSError.
    """

    def __init__(self, path=None):
        self._path = path and permissions.absolute(path)
        if not path:
            return
        descriptor = permissions.open_file(path, os.O_RDWR | os.O_APPEND)
        os.dup2(descriptor, 2)
        os.close(descriptor)
        # what was there may know the characters of a console only, or of an old locale
        sys.stderr = open(2, "w", encoding="utf-8", errors="backslashreplace", closefd=False)

    def write(self, text):
        """Write one line: what would end it, or act on a terminal, is escaped.

        A full disk or a closed pipe must not keep anybody from their work.
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
        """Begin the file anew when it has become too long, whoever wrote that."""
        try:
            if self._path and os.fstat(2).st_size > LONGEST:
                with permissions.parent(self._path + ".1") as (folder, name):
                    disk.write_whole(name, self._end(), sync=False, folder=folder)
                os.ftruncate(2, 0)
        except OSError:
            pass  # as above

    def _end(self):
        """Return the end of the file, which may have another name by now; what is written next goes behind it."""
        with open(2, "rb", buffering=0, closefd=False) as file:
            file.seek(-LONGEST, os.SEEK_END)
            return file.read()
