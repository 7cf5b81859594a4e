"""The user's SSH configuration, read by OpenSSH's own client: ``ssh -G``, which does not connect.

It runs the programs of ``Match exec`` and does the DNS lookups of ``CanonicalizeHostname``. So it gets a timeout, no
terminal, and a process group that ends with it. Only a few run at the same time.

The client takes ``~`` from the system's list of users, not from HOME. If the two differ, it reads a file that includes
the two configuration files under HOME: ``Include`` does use HOME.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator

from assist_cli.agents.destination import Destination
from assist_cli.agents.ssh import tokens
from assist_cli.errors import ClientNotOnline

_FILES = "Include ~/.ssh/config\nInclude /etc/ssh/ssh_config\n"
_LINE = re.compile(r"\bline \d+: ")

_AT_ONCE = 8  # processes; each takes about 7 ms

_room = threading.BoundedSemaphore(_AT_ONCE)


def start_anew() -> None:
    """Reset the limit in a forked process: the threads that used it do not exist here."""
    global _room
    _room = threading.BoundedSemaphore(_AT_ONCE)


def ask(destination: Destination, until: float) -> tokens.Values | None:
    """Return the settings of ssh for a destination: values by keyword in lower case, by ``until`` (monotonic clock).

    Values of IdentityFile and ProxyCommand are as in the file; UserKnownHostsFile and GlobalKnownHostsFile have a value
    for each file; ControlPath is the token ``%C``. None without such a client. Raises ClientNotOnline for a
    configuration that ssh refuses, and TimeoutError.
    """
    client = shutil.which("ssh")
    known = tokens.account()
    if client is None or known is None:  # ssh does not work for a user without a name
        return None
    words = [client, "-G", "-T", "-o", "ControlPath=%C"]
    words += ["-p", str(destination.port)] if destination.port else []
    words += ["-l", destination.user] if destination.user else []
    words += ["-J", destination.jump] if destination.jump else []
    if not _room.acquire(timeout=max(until - time.monotonic(), 0.0)):
        raise TimeoutError
    try:
        with _files(known.pw_dir) as more:
            status, stdout, stderr = _run([*words, *more, "--", destination.host], destination, until)
    finally:
        _room.release()
    if status == 0:
        return _values(stdout, known.pw_dir)
    if "usage:" in stderr.lower():
        return None  # another client, or older than 2015
    raise ClientNotOnline(
        f"cannot use the SSH configuration for '{destination.place}': {_complaint(stderr, status)}",
        hint="correct it there",
    )


@contextlib.contextmanager
def _files(folder: str) -> Iterator[list[str]]:
    """Yield the arguments that name the files to read; none if the user's folder is HOME."""
    if tokens.home() == folder:
        yield []
        return
    with tempfile.NamedTemporaryFile("w", prefix="assist-ssh-") as file:
        file.write(_FILES)
        file.flush()
        yield ["-F", file.name]


def _run(words: list[str], destination: Destination, until: float) -> tuple[int, str, str]:
    """Run a program and return its exit status, stdout and stderr. When it is late, it is killed with its children.

    stderr is a file: a process left over from ``Match exec`` would keep a pipe open.
    """
    with tempfile.TemporaryFile() as stderr:
        try:
            process = subprocess.Popen(
                words,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=stderr,
                start_new_session=True,
                env={**os.environ, "HOME": tokens.home()},
            )
        except OSError as error:
            raise ClientNotOnline(
                f"cannot start '{words[0]}' for '{destination.place}': {error.strerror}",
                hint="check whether ssh works by hand",
            ) from error
        with process:
            try:
                stdout, _ = process.communicate(timeout=max(until - time.monotonic(), 0.0))
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                raise TimeoutError from None
        stderr.seek(0)
        return process.returncode, stdout.decode("utf-8", "replace"), stderr.read().decode("utf-8", "replace")


def _values(stdout: str, folder: str) -> tokens.Values:
    values: tokens.Values = {}
    for line in stdout.split("\n"):
        keyword, _, value = line.partition(" ")
        values.setdefault(keyword.lower(), []).append(value)
    for keyword in ("userknownhostsfile", "globalknownhostsfile"):
        # the names are in one line without quotes; all useful ones begin with a slash
        names = [name for value in values.get(keyword, []) for name in re.split(" (?=/)", value)]
        values[keyword] = [name for name in names if name.lower() != "none"]
    for keyword in ("userknownhostsfile", "identityagent"):
        if keyword in values:
            values[keyword] = [_at_home(value, folder) for value in values[keyword]]
    return values


def _at_home(path: str, folder: str) -> str:
    """Return a path in HOME, for a path where ssh replaced ``~`` by the user's folder."""
    inside = folder != "/" and path.startswith(folder.rstrip("/") + "/")
    return tokens.home().rstrip("/") + path[len(folder.rstrip("/")) :] if inside else path


def _complaint(stderr: str, status: int) -> str:
    """Return the line that names a file and a line, or else the last one."""
    lines = [" ".join(line.split()) for line in stderr.splitlines() if line.strip()]
    named = [line for line in lines if _LINE.search(line)]
    return (named[:1] or lines[-1:] or [f"ssh -G ended with status {status}"])[0].rstrip(".")
