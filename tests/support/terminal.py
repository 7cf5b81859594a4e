"""A program on a terminal of its own: its display, and input to it."""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType

GUARD = 60.0  # seconds

# A session of its own with this controlling terminal, as for a program that a user starts.
_ON_IT = (
    "import fcntl, os, sys, termios; os.setsid(); fcntl.ioctl(0, termios.TIOCSCTTY, 0); "
    "os.execv(sys.argv[1], sys.argv[1:])"
)

_COLOURS = re.compile(r"\x1b\[[0-9;]*m")


class Terminal:
    """``with Terminal(program.path, words, folder) as terminal`` runs a program during the block."""

    def __init__(
        self,
        program: Path,
        words: list[str],
        folder: Path,
        *,
        columns: int = 80,
        lines: int = 40,
        env: Mapping[str, str] | None = None,
    ) -> None:
        self.raw = ""
        self._ours, theirs = os.openpty()
        try:
            fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
            self._process = subprocess.Popen(
                [sys.executable, "-I", "-S", "-c", _ON_IT, program, *words],
                stdin=theirs,
                stdout=theirs,
                stderr=theirs,
                cwd=folder,
                env={**os.environ, "TERM": "xterm-256color", **(env or {})},
            )
        finally:
            os.close(theirs)

    @property
    def text(self) -> str:
        """The output so far, without colours, with line ends as they are written."""
        return _COLOURS.sub("", self.raw).replace("\r\n", "\n")

    def wait_for(self, text: str) -> None:
        """Read until ``text`` was shown."""
        self._read(lambda: text in self.text)
        assert text in self.text, f"it ended, by {self._process.wait(GUARD)}, after:\n{self.text}"

    def type(self, keys: str) -> None:
        os.write(self._ours, keys.encode())

    @property
    def echoes(self) -> bool:
        """Return True if input is echoed, which is the default of a terminal."""
        return bool(termios.tcgetattr(self._ours)[3] & termios.ECHO)

    def resize(self, columns: int, lines: int) -> None:
        """Change its size, as a user does with a window."""
        fcntl.ioctl(self._ours, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))

    def interrupt(self, number: signal.Signals = signal.SIGINT) -> None:
        """Send SIGINT as Ctrl-C does, or another signal."""
        self._process.send_signal(number)

    def end(self) -> int:
        """Read to the end. Return the exit status."""
        self._read(lambda: False)
        return self._process.wait(GUARD)

    def _read(self, enough: object) -> None:
        assert callable(enough)
        deadline = time.monotonic() + GUARD
        while not enough():
            ready, _, _ = select.select([self._ours], [], [], max(deadline - time.monotonic(), 0))
            assert ready, f"nothing more came:\n{self.text}"
            try:
                data = os.read(self._ours, 65536)
            except OSError:  # Linux reports this when the last writer has closed
                data = b""
            if not data:
                return
            self.raw += data.decode("utf-8", "replace")

    def __enter__(self) -> Terminal:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process.poll() is None:
            self._process.kill()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(GUARD)
        os.close(self._ours)
