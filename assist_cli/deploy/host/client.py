"""The parts that the files of enrolments share: messages for people, the check of this Python, and programs.

They run on the machine that enrols, and need nothing but this Python.
"""

import os
import queue
import signal
import ssl
import subprocess
import sys
import threading
from typing import Iterator, Optional, TextIO

UNREACHABLE = 69
FAILED = 1

# In messages: the user that runs a file, and the program.
ADMINISTRATOR, PYTHON = ("an administrator", "python") if os.name == "nt" else ("root", "python3")


class ControllerUnreachable(Exception):
    """The controller cannot be reached now. The text gives the reason."""


class Rejected(ControllerUnreachable):
    """A broker does not accept this file, or this file does not accept the broker. A retry cannot help."""


class Denied(Exception):
    """The controller refuses this machine, or an installation failed. The text is a line for people."""

    def __init__(self, text: str, hint: str = "") -> None:
        super().__init__(text)
        self.hint = hint


def fail(text: str, hint: str, status: int) -> int:
    say(sys.stderr, "error: %s" % text)
    if hint:
        say(sys.stderr, "hint: %s" % hint)
    return status


def say(stream: TextIO, text: str) -> None:
    """Print a line for people, without control characters, in any locale."""
    line = "".join(each if each.isprintable() else "?" for each in text) + "\n"
    stream.write(line.encode(stream.encoding or "ascii", "replace").decode(stream.encoding or "ascii"))
    stream.flush()


def check_python(purpose: str) -> None:
    """Raise Denied if this Python cannot speak TLS 1.3. ``purpose``: what it is needed for."""
    if sys.version_info < (3, 7) or not getattr(ssl, "HAS_TLSv1_3", False):
        version = "Python %d.%d with %s" % (sys.version_info[0], sys.version_info[1], ssl.OPENSSL_VERSION)
        raise Denied(
            "cannot %s: TLS 1.3 is needed, and %s has none" % (purpose, version),
            "use Python 3.7 or newer with OpenSSL 1.1.1 or newer, or reach this machine by SSH: "
            "assist instance install",
        )


class ActionProgram:
    """A program of the controller, with one line on its standard input; it goes on if this process ends.

    Until ``wait`` returns, Ctrl-C is for the program, which undoes its changes and reports that. ``interrupted``: there
    was one.
    """

    def __init__(self, program: str, line: str) -> None:
        python = getattr(sys, "_base_executable", None) or sys.executable  # not one of a venv, which may be removed
        self.interrupted = False
        self._handler = signal.signal(signal.SIGINT, signal.SIG_IGN)  # as in the program, until it handles it
        self._process = subprocess.Popen(
            [python, "-I", "-S", "-c", program, os.environ.get("ASSIST_AGENTD_HOME", "")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,  # a terminal interrupts this process alone, and not the tools of the program
        )
        signal.signal(signal.SIGINT, self._interrupt)
        self._lines: queue.Queue[Optional[bytes]] = queue.Queue()
        threading.Thread(target=self._read, daemon=True).start()
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(line.encode("ascii") + b"\n")
            self._process.stdin.close()
        except OSError:
            pass  # it has ended: its status says so

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._lines.put(line)
        self._process.stdout.close()
        self._lines.put(None)

    def _interrupt(self, *_: object) -> None:
        self.interrupted = True
        if os.name != "nt":  # there Ctrl-C reaches all processes of the console
            self._process.send_signal(signal.SIGINT)

    def lines(self) -> Iterator[bytes]:
        """Yield the lines of its output, and an empty one after each second without any."""
        while True:
            try:
                line = self._lines.get(timeout=1.0)
            except queue.Empty:
                line = b""
            if line is None:
                return
            if self.interrupted:
                self._interrupt()  # it may not have handled the first one yet
            yield line

    def wait(self) -> int:
        """Return its exit status. From now on Ctrl-C is for this process again."""
        status = self._process.wait()
        signal.signal(signal.SIGINT, self._handler)
        return status


def step_of(words: object) -> str:
    """Return the step that a line of its output reports, empty for another line."""
    return str(words["step"]) if isinstance(words, dict) and list(words) == ["step"] else ""
