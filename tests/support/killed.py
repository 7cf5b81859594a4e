"""``assist``, killed with SIGKILL at a boundary: python -m tests.support.killed NUMBER FILE WORD…

A boundary is the moment before a statement of SQL, and before or after bytes are sent on a socket. The program is
killed at the boundary of this number (0: none). ``FILE`` has their count when the program ends by itself.
"""

from __future__ import annotations

import atexit
import os
import signal
import socket
import sqlite3
import sys
from pathlib import Path
from typing import Any

from assist_cli.__main__ import main


class Boundaries:
    """Count boundaries, and kill at one."""

    def __init__(self, last: int) -> None:
        self.last = last
        self.count = 0

    def reach(self, *_: object) -> None:
        self.count += 1
        if self.count == self.last:
            os.kill(os.getpid(), signal.SIGKILL)


def watch(boundaries: Boundaries) -> None:
    connect, send = sqlite3.connect, socket.socket.send

    def connected(*words: Any, **settings: Any) -> sqlite3.Connection:
        connection = connect(*words, **settings)
        connection.set_trace_callback(boundaries.reach)
        return connection

    def sent(self: socket.socket, *words: Any) -> int:
        boundaries.reach()
        count = send(self, *words)
        boundaries.reach()
        return count

    sqlite3.connect = connected  # type: ignore[assignment]
    socket.socket.send = sent  # type: ignore[method-assign,assignment]


if __name__ == "__main__":
    number, file, *words = sys.argv[1:]
    counted = Boundaries(int(number))
    atexit.register(lambda: Path(file).write_text(str(counted.count)))
    watch(counted)
    sys.argv[1:] = words
    main()
