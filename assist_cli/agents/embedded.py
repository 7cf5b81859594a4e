"""The agent of this machine, in ASSIST_HOME/agent. It needs no installation and is started on demand.

It is a background process of the user. It outlives the program that started it, and ends when it has been idle for some
time. ``connect`` first tries to connect. Only if no agent listens, it starts one, under a lock: so two programs share
one agent. The socket of an agent that was killed is replaced.
"""

from __future__ import annotations

import asyncio
import logging
import os
import select
import subprocess
import sys
import time
from pathlib import Path

from agentd.wire import protocol
from assist_cli.agents import unix
from assist_cli.agents.client import Client
from assist_cli.errors import ClientNotRunning, FileFailure
from assist_cli.model.timeouts import AgentTimeouts
from assist_cli.paths import Home, open_private

# A shell between us and the agent makes init its parent, so this process need not wait for its end.
IN_BACKGROUND = '"$@" &'
# Not with -m: from an unpacked folder, a new Python does not find agentd. It needs no site packages.
FROM_FOLDER = "import sys; sys.path.insert(0, sys.argv.pop(1)); from agentd.__main__ import main; sys.exit(main())"
# The rest of the first user's environment, tokens above all, must not stay in a process that lives for long.
INHERITED = (
    *("HOME", "LANG", "LC_ALL", "LC_CTYPE", "LD_LIBRARY_PATH", "LOGNAME", "PATH", "SHELL", "TMPDIR", "TZ", "USER"),
    *("XDG_RUNTIME_DIR", "XDG_STATE_HOME"),
)

log = logging.getLogger(__name__)


def instance_id(home: Home) -> str | None:
    """Return the id of this machine's instance; None if its agent was never started."""
    try:
        return (home.agent / "instance-id").read_text("ascii").strip() or None
    except (OSError, UnicodeDecodeError):
        return None


async def connect(home: Home, timeouts: AgentTimeouts) -> Client:
    """Connect to the agent of this machine, and start it if it does not run. It is not greeted yet.

    Raises ClientNotRunning, with the last line of its log, if it cannot be started.
    """
    socket = home.agent / "agentd.sock"
    try:
        return await unix.connect(socket)
    except ClientNotRunning:
        log.info("the agent of this machine is not running")
    # Wait for the lock outside the event loop: other instances of the invocation must continue.
    await asyncio.get_running_loop().run_in_executor(None, _start_unless_running, home, socket, timeouts)
    return await unix.connect(socket)


def _start_unless_running(home: Home, socket: Path, timeouts: AgentTimeouts) -> None:
    import fcntl

    lock = _open(home.folder(home.agent) / "start.lock", os.O_RDWR)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not unix.is_served(socket):
            began = time.monotonic()
            _start(home, timeouts)
            log.info("started the agent of this machine in %.2f s", time.monotonic() - began)
    finally:
        os.close(lock)


def _start(home: Home, timeouts: AgentTimeouts) -> None:
    """Start the agent and wait until it listens. Its standard error goes to its log."""
    journal = home.folder(home.logs) / "agentd.log"
    log_file = _open(journal, os.O_WRONLY | os.O_APPEND)
    ready, told = os.pipe()
    try:
        command = [
            *(sys.executable, "-I", "-S", "-c", FROM_FOLDER, str(Path(protocol.__file__).parents[2])),
            *("serve", "--home", str(home.agent), "--log", str(journal)),
            *("--idle-exit", str(timeouts.idle), "--ready-fd", str(told)),
        ]
        try:
            subprocess.run(
                ["/bin/sh", "-c", IN_BACKGROUND, "sh", *command],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=log_file,
                env={name: os.environ[name] for name in INHERITED if name in os.environ},
                pass_fds=[told],
                start_new_session=True,
                cwd="/",
                check=True,
            )
        finally:
            os.close(told)
        selected, _, _ = select.select([ready], [], [], timeouts.start)
        if not selected or os.read(ready, 16) != b"ready\n":
            raise ClientNotRunning(
                f"cannot start the agent of this machine: {_last_line(journal)}", hint=f"its log is '{journal}'"
            )
    finally:
        os.close(ready)
        os.close(log_file)


def _open(path: Path, flags: int) -> int:
    """Open a private file, and make it if it is absent. Raises FileFailure."""
    try:
        return open_private(path, flags)
    except OSError as error:
        raise FileFailure(f"cannot use the file '{path}': {error.strerror}") from error


def _last_line(journal: Path) -> str:
    try:
        lines = journal.read_text("utf-8", "replace").splitlines()
    except OSError:
        lines = []
    return lines[-1] if lines else "its log is empty"
