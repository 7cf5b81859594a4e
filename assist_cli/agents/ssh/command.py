"""Run one command over a channel, within limits: the host may be broken or hostile, and the command may never end."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from assist_cli.units import count, size

if TYPE_CHECKING:
    import paramiko

MOST_BYTES = 1024 * 1024  # of stdout and stderr together
MOST_LINES = 10_000
_SIZE = 64 * 1024


class TooMuch(Exception):
    """The command printed too much or ran too long. The text says which."""


@dataclass(frozen=True)
class Done:
    """The end of a remote command. ``status`` is None when a signal ended it."""

    status: int | None
    stdout: bytes
    stderr: bytes


class RemoteCommand:
    """A command that runs on a channel. ``silence`` and ``total`` limit the seconds between two bytes, and in all."""

    def __init__(self, channel: paramiko.Channel, silence: float, total: float) -> None:
        self._channel = channel
        self._silence = silence
        self._until = time.monotonic() + total
        self._total = total
        self._bytes = self._lines = 0

    def finish(self, stdin: bytes, each_line: Callable[[bytes], None]) -> Done:
        """Send its input and read its output. Raises TooMuch, OSError and EOFError."""
        try:
            return self._finish(stdin, each_line)
        except TimeoutError:
            if self._left() <= 0:
                raise self._late() from None
            raise TimeoutError(f"no output in {self._silence:g} s") from None

    def _finish(self, stdin: bytes, each_line: Callable[[bytes], None]) -> Done:
        try:
            left = memoryview(stdin)
            while left:
                left = left[self._wait().send(left) :]
            self._channel.shutdown_write()
        except TimeoutError:
            raise
        except OSError:
            pass  # it ended without reading all; its output may show the reason
        stdout, begun = bytearray(), 0
        while data := self._wait().recv(_SIZE):
            self._count(data)
            stdout += data
            if b"\n" in data:
                *lines, rest = stdout[begun:].split(b"\n")
                begun = len(stdout) - len(rest)
                for line in lines:
                    each_line(bytes(line))
        if begun < len(stdout):
            each_line(bytes(stdout[begun:]))
        stderr = bytearray()
        while data := self._wait().recv_stderr(_SIZE):
            self._count(data)
            stderr += data
        self._wait()
        if not self._channel.status_event.wait(min(self._silence, self._left())):
            raise EOFError("the connection ended")
        status = self._channel.recv_exit_status()
        return Done(None if status < 0 else status, bytes(stdout), bytes(stderr))

    def _left(self) -> float:
        return self._until - time.monotonic()

    def _wait(self) -> paramiko.Channel:
        """Return the channel, with the remaining time as the timeout of its next call."""
        left = self._left()
        if left <= 0:
            raise self._late()
        self._channel.settimeout(min(self._silence, left))
        return self._channel

    def _late(self) -> TooMuch:
        return TooMuch(f"it did not end in {self._total:g} s")

    def _count(self, data: bytes) -> None:
        self._bytes += len(data)
        self._lines += data.count(b"\n")
        if self._bytes > MOST_BYTES or self._lines > MOST_LINES:
            raise TooMuch(f"it printed more than {size(MOST_BYTES)} or {count(MOST_LINES, 'line')}")
